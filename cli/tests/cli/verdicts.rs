//! Every command uses the same word for each verdict, and calls no good record bad.

use std::io::Write as _;

use kinesis_agg::codec::Digest;

use crate::{TWO, base64, file, framed, json, malformed, run};

fn two() -> Vec<u8> {
    hex::decode(TWO).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn lz4_frame(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn snappy_frame(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.into_inner().unwrap()
}

/// Name, bytes, the verdict and detail, whether it is bad, words of the explanation.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static str, bool, &'static str)> {
    let two = two();
    let hello = hex::decode("f3899ac20a016b1a0908001a0568656c6c6fd03b2552b8cdd91f9316d337c7de0e88")
        .unwrap();
    let world = hex::decode("f3899ac20a016b1a0908001a05776f726c64aa6be55cb31003b5dc1fdf730caf6f89")
        .unwrap();
    let both = [hello.clone(), world].concat();
    let with = |before: &[u8], behind: &[u8]| [before, &two, behind].concat();
    let thrice = base64(base64(base64(&two)));
    let latin_1: String = two.iter().copied().map(char::from).collect();
    let python: String = two.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let numbers = serde_json::to_string(&two).unwrap();
    let len = u32::try_from(two.len()).unwrap().to_be_bytes();
    let reversed = |word_len| -> Vec<u8> {
        let words = two.chunks(word_len);
        words.flat_map(|word| word.iter().rev()).copied().collect()
    };
    let mut changed = two.clone();
    changed[16] ^= 3;
    changed[23] ^= 3;
    vec![
        ("whole", two.clone(), "aggregated", false, ""),
        (
            "text",
            b"hello, world".to_vec(),
            "plain, no magic",
            false,
            "",
        ),
        (
            "lost",
            framed(b""),
            "plain, too short",
            true,
            "lost a user record",
        ),
        (
            "cut short",
            two[..18].to_vec(),
            "damaged, too short",
            true,
            "it was cut off",
        ),
        (
            "cut",
            two[..33].to_vec(),
            "damaged, digest mismatch",
            true,
            "are missing",
        ),
        (
            "changed",
            changed,
            "damaged, digest mismatch",
            true,
            "bytes changed",
        ),
        (
            "malformed",
            malformed(),
            "malformed, partition key index 7",
            true,
            "the producer wrote it like this",
        ),
        (
            "two",
            both.clone(),
            "misframed, 2 intact aggregates",
            true,
            "at bytes 0, 34",
        ),
        (
            "prefixed",
            with(&len, b""),
            "misframed, 1 intact aggregate",
            true,
            "starts at byte 4, after its length in 4 bytes",
        ),
        (
            "two prefixed",
            [&len[..], &two, &len, &two].concat(),
            "misframed, 2 intact aggregates",
            true,
            "first aggregate starts at byte 4, after its length in 4 bytes",
        ),
        (
            "varint",
            with(&[40], b""),
            "misframed, 1 intact aggregate",
            true,
            "after its length as a varint",
        ),
        (
            "magic twice",
            with(&two[..4], b""),
            "misframed, 1 intact aggregate",
            true,
            "after a second copy of the magic",
        ),
        (
            "bom",
            with(b"\xef\xbb\xbf", b""),
            "misframed, 1 intact aggregate",
            true,
            "byte order mark",
        ),
        (
            "quote",
            with(b"\"", b"\""),
            "misframed, 1 intact aggregate",
            true,
            "after a quotation mark",
        ),
        (
            "newline",
            with(b"\n", b""),
            "misframed, 1 intact aggregate",
            true,
            "starts at byte 1, after a line end",
        ),
        (
            "nuls",
            with(b"", &[0; 30]),
            "misframed, 1 intact aggregate",
            true,
            "before 30 zero bytes",
        ),
        (
            "newlines",
            with(b"", b"\n\n\n"),
            "misframed, 1 intact aggregate",
            true,
            "before 3 line ends",
        ),
        (
            "gzip",
            gzip(&two),
            "encoded, gzip",
            false,
            "has 2 user records",
        ),
        (
            "zlib",
            zlib(&two),
            "encoded, zlib",
            false,
            "has 2 user records",
        ),
        (
            "zstd",
            zstd(&two),
            "encoded, zstd",
            false,
            "has 2 user records",
        ),
        (
            "lz4",
            lz4_frame(&two),
            "encoded, lz4",
            false,
            "has 2 user records",
        ),
        (
            "lz4 block",
            lz4_flex::block::compress_prepend_size(&two),
            "encoded, lz4",
            false,
            "has 2 user records",
        ),
        (
            "snappy",
            snappy_frame(&two),
            "encoded, snappy",
            false,
            "has 2 user records",
        ),
        (
            "snappy block",
            snap::raw::Encoder::new().compress_vec(&two).unwrap(),
            "encoded, snappy",
            false,
            "has 2 user records",
        ),
        (
            "base64 of gzip",
            base64(gzip(&two)).into(),
            "encoded, base64 of gzip",
            false,
            "has 2 user records",
        ),
        (
            "gzip of text",
            gzip(b"hello"),
            "plain, no magic, gzip",
            false,
            "",
        ),
        (
            "gzip of damaged",
            gzip(&two[..33]),
            "encoded, gzip, damaged inside",
            true,
            "are missing",
        ),
        (
            "base64",
            base64(&two).into(),
            "encoded, base64",
            false,
            "has 2 user records",
        ),
        (
            "base64 thrice",
            thrice.into(),
            "encoded, base64 of base64 of base64",
            false,
            "has 2 user records",
        ),
        (
            "hex",
            TWO.into(),
            "encoded, hex",
            false,
            "has 2 user records",
        ),
        (
            "xxd -e",
            reversed(4),
            "encoded, 32-bit words with reversed bytes",
            false,
            "has 2 user records",
        ),
        (
            "hexdump",
            reversed(2),
            "encoded, 16-bit words with reversed bytes",
            false,
            "has 2 user records",
        ),
        (
            "0x",
            format!("0x{TWO}").into(),
            "encoded, hex",
            false,
            "has 2 user records",
        ),
        (
            "Latin-1",
            latin_1.into(),
            "encoded, Latin-1 text",
            false,
            "has 2 user records",
        ),
        (
            "U+FFFD",
            String::from_utf8_lossy(&two).as_bytes().into(),
            "encoded, UTF-8 text with U+FFFD",
            false,
            "are lost",
        ),
        (
            "JSON string",
            format!("\"{}\"", base64(&two)).into(),
            "encoded, a JSON string of base64",
            false,
            "has 2 user records",
        ),
        (
            "JSON numbers",
            numbers.into(),
            "encoded, JSON numbers",
            false,
            "has 2 user records",
        ),
        (
            "Python",
            format!("b'{python}'").into(),
            "encoded, a Python bytes literal",
            false,
            "has 2 user records",
        ),
    ]
}

#[test]
fn every_command_names_what_data_is_in_the_same_words() {
    for (name, blob, headline, is_bad, words) in cases() {
        let line = format!(r#"{{"data":"{}"}}"#, base64(&blob));
        let verified = run(&["verify"], &line);
        assert_eq!(verified.status, i32::from(is_bad), "{name}: {verified:?}");
        // Lines may be broken at any space.
        let one_line = verified.stdout.replace("\n  ", " ");
        assert!(one_line.contains(words), "{name}: {verified:?}");
        let is_reported = is_bad || headline.starts_with("encoded");
        assert_eq!(
            one_line.contains(&format!(": {headline}")),
            is_reported,
            "{name}: {verified:?}"
        );
        let inspected = run(&["inspect"], &line);
        assert!(
            inspected.stdout.contains(&format!("line 1): {headline}")),
            "{name}: {inspected:?}"
        );
        let counted = run(&["stats", "--json"], &line);
        assert_eq!(counted.status, i32::from(is_bad), "{name}");
        let word = headline.split(',').next().unwrap();
        let counted = json(&counted.stdout);
        assert_eq!(counted["verdicts"][word], 1, "{name}: {counted}");
        assert_eq!(counted["bad"], i32::from(is_bad), "{name}: {counted}");
    }
}

#[test]
fn unreadable_records_are_counted_and_all_later_records_are_checked() {
    let event = r#"{"Records":[{"kinesis":{"data":"eA=="}},{"kinesis":{"data":"!!"}},{"kinesis":{"data":"eA=="}}]}"#;
    let lines = "{\"data\":\"eA==\"}\n{\"data\":\"eA\n{\"data\":\"eA==\"}\n";
    let pretty = "{\"Records\": [\n  {\"kinesis\": {\"data\": \"eA==\"}},\n  oops\n]}\n{\"data\":\"eA==\"}\n{\"data\":\"eA==\"}";
    for (input, place) in [
        (event, "line 1, element 1"),
        (lines, "line 2"),
        (pretty, "line 1"),
    ] {
        let verified = run(&["verify"], input);
        assert_eq!(verified.status, 1);
        assert!(
            verified
                .stdout
                .contains(&format!("(<stdin>, {place}): unreadable")),
            "{verified:?}"
        );
        let summary =
            "3 Kinesis records: 0 aggregated with 0 user records, 2 plain, 1 unreadable; 1 bad\n";
        assert!(verified.stdout.ends_with(summary), "{verified:?}");
        let stats = run(&["stats"], input);
        let shown = stats.failed_saying(&[place]);
        assert!(
            shown.contains("unreadable  1") && shown.contains("plain       2"),
            "{shown}"
        );
        let inspected = run(&["inspect"], input);
        assert_eq!(inspected.status, 1);
        assert_eq!(
            inspected.stdout.matches("plain, no magic").count(),
            2,
            "{inspected:?}"
        );
    }
}

#[test]
fn a_file_of_aggregates_back_to_back_is_split() {
    let both = [two(), two()].concat();
    for input in [
        both.clone(),
        gzip(&both),
        [two(), b"\n".to_vec(), two()].concat(),
    ] {
        let lines = run(&["deaggregate"], &input).json();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(lines[3]["record"], 1);
        assert!(run(&["verify"], &input).lines()[0].ends_with("none bad"));
    }
    // As `deaggregate --to data --length-prefix` writes them.
    let len = 40_u32.to_be_bytes();
    let prefixed = [&len[..], &two(), &len, &two()].concat();
    assert_eq!(run(&["deaggregate"], &prefixed).lines().len(), 4);
    // A damaged aggregate among intact ones has a different verdict.
    let mut changed = two();
    changed[16] ^= 1;
    let three = [two(), changed, two()].concat();
    let verified = run(&["verify"], &three);
    assert!(
        verified
            .stdout
            .contains("record 1 (<stdin>, byte 40): damaged"),
        "{verified:?}"
    );
    assert!(
        verified.stdout.contains("2 aggregated with 4 user records"),
        "{verified:?}"
    );
}

#[test]
fn records_that_were_aggregated_twice_are_noticed_and_opened() {
    let blob = base64(two());
    let line = format!("{{\"partitionKey\":\"k\",\"data\":\"{blob}\"}}\n");
    let aggregated = run(&["aggregate"], &line);
    assert_eq!(aggregated.status, 0);
    assert!(
        aggregated
            .stderr
            .contains("the data of 1 user record is already an aggregate"),
        "{aggregated:?}"
    );
    let twice = &aggregated.stdout;
    let verified = run(&["verify"], twice);
    assert!(
        verified.lines()[0].contains("aggregated twice: user record 0 is itself an aggregate"),
        "{verified:?}"
    );
    let inspected = run(&["inspect"], twice).stdout.replace("\n  ", " ");
    assert!(
        inspected.contains("aggregated twice: user record 0"),
        "{inspected}"
    );
    assert_eq!(
        run(&["stats", "--json"], twice).json()[0]["verdicts"]["aggregatedTwice"],
        1
    );
    assert_eq!(run(&["deaggregate"], twice).json()[0]["data"], blob);
    let opened = run(&["deaggregate", "--nested"], twice).json();
    assert_eq!(opened.len(), 2);
    assert_eq!(
        (&opened[1]["partitionKey"], &opened[1]["data"]),
        (&json("\"b\""), &json("\"eQ==\""))
    );
    assert_eq!(opened[1]["nestedSubSequenceNumbers"], json("[1]"));
    assert_eq!(
        run(&["deaggregate", "--nested", "--to", "data"], twice).lines(),
        ["x", "y"]
    );
}

/// A folder of dumps as found after an incident: whole, cut off, compressed before the put,
/// encoded twice, concatenated. The blobs are from the real KPL.
#[test]
fn a_folder_of_mixed_dumps_has_every_fault_named() {
    let kpl = json(&crate::fixture("kpl.json"));
    let blobs: Vec<Vec<u8>> = kpl["fixtures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD
                .decode(record["input_base64"].as_str().unwrap())
                .unwrap()
        })
        .collect();
    let first = &blobs[0];
    let get_records = serde_json::json!({"Records": [
        {"SequenceNumber": "1", "PartitionKey": "a", "Data": base64(first)},
        {"SequenceNumber": "2", "PartitionKey": "a", "Data": base64(gzip(first))},
        {"SequenceNumber": "3", "PartitionKey": "a", "Data": base64(base64(first))},
    ], "NextShardIterator": "x", "MillisBehindLatest": 0});
    let event = serde_json::json!({"Records": [
        {"kinesis": {"data": base64(&first[..first.len() - 9]), "sequenceNumber": "4"}},
        {"kinesis": {"data": base64(first), "sequenceNumber": "5"}},
    ]});
    let line = |blob: &[u8]| format!("{{\"data\":\"{}\"}}\n", base64(blob));
    let ndjson = line(&blobs[1]) + &line(&[&blobs[0][..], &blobs[1]].concat());
    let files = [
        file(
            "mixed-1.json",
            serde_json::to_string_pretty(&get_records).unwrap(),
        ),
        file("mixed-2.json.gz", gzip(event.to_string().as_bytes())),
        file("mixed-3.ndjson", ndjson.clone() + &ndjson[..90]),
        file(
            "mixed-4.bin",
            [&blobs[0][..], &blobs[1], &blobs[2]].concat(),
        ),
        file("mixed-5.bin", &first[..first.len() / 2]),
        file(
            "mixed-6.b64",
            format!("{}\n{}\n", base64(&blobs[3]), base64(&blobs[2])),
        ),
        file("mixed-7.txt", ""),
        file("mixed-8.csv", "time,data\n"),
        file("mixed-9.ndjson", "{\"data\": \"84mawgo\n"),
    ];
    let args: Vec<_> = ["verify"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    let verified = run(&args, "");
    assert_eq!(
        (verified.status, verified.stderr.as_str()),
        (1, ""),
        "{verified:?}"
    );
    let titles = verified
        .stdout
        .lines()
        .filter(|line| line.starts_with("record "));
    let found: Vec<_> = titles
        .map(|line| {
            let (number, rest) = line.split_once(" (").unwrap();
            let (place, what) = rest.split_once("): ").unwrap();
            (
                number.to_owned(),
                place.rsplit('/').next().unwrap().to_owned(),
                what.to_owned(),
            )
        })
        .collect();
    let expected = [
        (
            "record 1",
            "mixed-1.json, line 1, element 1",
            "encoded, gzip",
        ),
        (
            "record 2",
            "mixed-1.json, line 1, element 2",
            "encoded, base64",
        ),
        (
            "record 3",
            "mixed-2.json.gz, line 1, element 0",
            "damaged, digest mismatch",
        ),
        (
            "record 6",
            "mixed-3.ndjson, line 2",
            "misframed, 2 intact aggregates",
        ),
        (
            "record 7",
            "mixed-3.ndjson, line 3",
            "unreadable, the JSON ends in the middle: it was cut off",
        ),
        ("record 11", "mixed-5.bin", "damaged, digest mismatch"),
        (
            "record 14",
            "mixed-8.csv",
            "unreadable, no format recognized; specify one with --from (hex, base64, raw, json, ...)",
        ),
        (
            "record 15",
            "mixed-9.ndjson, line 1",
            "unreadable, the line ends in the middle of a JSON string: it was cut off",
        ),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(found, expected, "{}", verified.stdout);
    let summary = verified.stdout.lines().last().unwrap();
    assert!(
        summary.starts_with("16 Kinesis records: 7 aggregated"),
        "{summary}"
    );
    assert!(summary.ends_with("6 bad"), "{summary}");
}

#[test]
fn the_digest_of_nothing_is_what_a_lost_record_leaves() {
    let lost = hex::decode("f3899ac2d41d8cd98f00b204e9800998ecf8427e").unwrap();
    assert_eq!(lost[4..], Digest::of(&[]).to_bytes());
    let line = run(&["deaggregate", "--from", "raw"], &lost).json();
    assert_eq!(
        (&line[0]["aggregated"], &line[0]["reason"]),
        (&json("false"), &json("\"too_short\""))
    );
}
