//! Writes the seeds of the corpora: what the fixtures of the tests hold, in the
//! form that each target reads. See `seed.sh`.

use std::fs;
use std::path::Path;

use kinesis_agg_codec::{Frame, HashKey};
use kinesis_agg_tests::fixtures::{self, SplitMix64};
use kinesis_agg_tests::wire;

/// A message for each rule of `Explained`.
fn rules() -> [(&'static str, Vec<u8>); 8] {
    let spare = [wire::varint(9 << 3), [&[0x80; 9][..], &[2]].concat()].concat();
    let groups = [3, 4].map(|wire_type| wire::varint(9 << 3 | wire_type).repeat(100));
    let [starts, ends] = groups;
    let with_record = |field: Vec<u8>| {
        let record = [wire::partition_key(b"key"), wire::record(0, None, b"data")].concat();
        [record, field].concat()
    };
    [
        ("spare-bits-of-tenth-byte", spare),
        ("tag-beyond-32-bits", b"\xc8\x80\x80\x80\x10\x07".to_vec()),
        (
            "tag-beyond-five-bytes",
            b"\xc8\x80\x80\x80\x80\x00\x07".to_vec(),
        ),
        (
            "length-that-does-not-fit",
            b"\x0a\x81\x80\x80\x80\x10k".to_vec(),
        ),
        ("field-number-zero", b"\x00\x07".to_vec()),
        ("group", b"\x4b\x08\x07\x4c".to_vec()),
        (
            "field-in-innermost-group",
            [starts, wire::number(9, 7), ends].concat(),
        ),
        ("other-wire-type", wire::number(3, 7)),
    ]
    .map(|(name, field)| (name, with_record(field)))
}

/// Longer seeds make every run slow.
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
        seed(
            "differential",
            &format!("rule-{name}"),
            &[&[0], &message[..]].concat(),
        );
    }

    // Inputs that are taken apart have no form that fixtures could be put into.
    let mut random = SplitMix64(1);
    for target in [
        "decode",
        "round_trip",
        "differential",
        "aggregator",
        "hash_key",
    ] {
        for (place, len) in [16, 64, 256, 1024].into_iter().cycle().take(16).enumerate() {
            let mut bytes: Vec<u8> = (0..len / 8)
                .flat_map(|_| random.next().to_le_bytes())
                .collect();
            // The first byte says how the rest is read.
            bytes[0] |= 1;
            seed(target, &format!("random-{place}"), &bytes);
        }
    }
    println!("{count} seeds");
}
