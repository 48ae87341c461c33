//! Writes the seeds of the corpora: the test fixtures, in the form that each target
//! reads. See `seed.sh`.

use std::fs;
use std::path::Path;

use kinesis_agg_codec::{Frame, HashKey};
use kinesis_agg_tests::fixtures::{self, SplitMix64};
use kinesis_agg_tests::wire;

/// Returns messages for each rule of `Explained` and for values at their limits.
/// They are listed here because they reach no code that other inputs do not reach,
/// so the fuzzer would not keep them.
fn rules() -> Vec<(String, Vec<u8>)> {
    let tag = |wire_type: u64| wire::varint(9 << 3 | wire_type);
    let groups =
        |levels, inner: Vec<u8>| [tag(3).repeat(levels), inner, tag(4).repeat(levels)].concat();
    let spare = [tag(0), [&[0x80; 9][..], &[2]].concat()].concat();
    let mut rules = vec![
        ("spare-bits-of-tenth-byte".into(), spare),
        (
            "tag-beyond-32-bits".into(),
            b"\xc8\x80\x80\x80\x10\x07".to_vec(),
        ),
        (
            "tag-beyond-five-bytes".into(),
            b"\xc8\x80\x80\x80\x80\x00\x07".to_vec(),
        ),
        (
            "length-that-does-not-fit".into(),
            b"\x0a\x81\x80\x80\x80\x10k".to_vec(),
        ),
        ("field-number-zero".into(), b"\x00\x07".to_vec()),
        ("group".into(), groups(1, wire::number(1, 7))),
        (
            "field-in-innermost-group".into(),
            groups(100, wire::number(9, 7)),
        ),
        ("other-wire-type".into(), wire::number(3, 7)),
    ];
    let in_record =
        |part| wire::bytes(3, &[wire::number(1, 0), wire::bytes(3, b""), part].concat());
    for levels in 97..=101 {
        let groups = groups(levels, Vec::new());
        let in_tag = wire::bytes(4, &[wire::bytes(1, b"key"), groups.clone()].concat());
        rules.extend([
            (format!("{levels}-levels-at-top"), groups.clone()),
            (format!("{levels}-levels-in-record"), in_record(groups)),
            (format!("{levels}-levels-in-tag"), in_record(in_tag)),
        ]);
    }
    for count in 0..3 {
        let keys = wire::explicit_hash_key(b"7").repeat(count);
        for index in 0..3 {
            let records = [
                wire::record(index, None, b""),
                wire::record(0, Some(index), b""),
            ];
            for (place, record) in records.into_iter().enumerate() {
                let name = format!("index-{index}-of-{count}-{place}");
                rules.push((name, [&keys[..], &record].concat()));
            }
        }
    }
    let record = [wire::partition_key(b"key"), wire::record(0, None, b"data")].concat();
    for (_, field) in &mut rules {
        *field = [&record, &field[..]].concat();
    }
    rules
}

/// The maximum length of a seed, in bytes. Longer seeds make every run slow.
const LONGEST: usize = 4096;

fn main() {
    let mut count = 0;
    let mut seed = |target: &str, name: &str, bytes: &[u8]| {
        if bytes.len() > LONGEST {
            return;
        }
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target);
        fs::create_dir_all(&directory).unwrap();
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        fs::write(directory.join(name), bytes).unwrap();
        count += 1;
    };

    let decode = fixtures::decode_cases().into_iter();
    let decode = decode.map(|case| (format!("decode-{}", case.id), case.blob));
    let kpl = fixtures::kpl_cases().into_iter();
    let kpl = kpl.map(|case| (format!("kpl-{}", case.id), case.blob));
    let range = fixtures::range_cases().into_iter().flat_map(|case| {
        let blobs = case.blobs.into_iter().enumerate();
        blobs.map(move |(place, blob)| (format!("range-{}-{place}", case.id), blob))
    });
    for (name, blob) in decode.chain(kpl).chain(range) {
        seed("decode", &name, &[&[0], &blob[..]].concat());
        if let Ok(frame) = Frame::split(&blob) {
            let message = [&[2], frame.message()].concat();
            seed("decode", &format!("{name}-message"), &message);
            seed("differential", &name, &message);
        }
    }

    for case in fixtures::hash_key_cases() {
        let text = [b"\0", case.hash_key.as_bytes()].concat();
        seed("hash_key", &format!("decimal-{:.12}", case.hash_key), &text);
        let key = [b"\x01\xff\xff\xff\x80", case.partition_key.as_bytes()].concat();
        seed("hash_key", &format!("key-{:.12}", case.hash_key), &key);
    }
    for case in fixtures::encode_cases() {
        for given in case.user_records.iter().take(8) {
            if let Some(text) = &given.explicit_hash_key {
                let is_number = text.parse::<HashKey>().is_ok();
                let name = format!("given-{is_number}-{}", case.id);
                seed("hash_key", &name, &[b"\0", text.as_bytes()].concat());
            }
        }
    }

    for (name, message) in rules() {
        let name = format!("rule-{name}");
        seed("differential", &name, &[&[0], &message[..]].concat());
        seed("decode", &name, &[&[2], &message[..]].concat());
    }

    // The structured inputs of these targets cannot be made from fixtures, so they start from
    // random bytes.
    let mut random = SplitMix64(1);
    for target in [
        "decode",
        "round_trip",
        "differential",
        "aggregator",
        "hash_key",
        "consumer",
        "producer",
    ] {
        for (place, len) in [16, 64, 256, 1024].into_iter().cycle().take(16).enumerate() {
            let mut bytes: Vec<u8> = (0..len / 8)
                .flat_map(|_| random.next().to_le_bytes())
                .collect();
            // An odd first byte selects the structured form in targets that have several forms.
            bytes[0] |= 1;
            seed(target, &format!("random-{place}"), &bytes);
        }
    }
    println!("{count} seeds");
}
