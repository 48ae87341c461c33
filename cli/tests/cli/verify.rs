use kinesis_agg::codec::MAGIC;

use crate::{KPL_NDJSON, TWO, fixture, framed, json, malformed, run, unhex};

#[test]
fn good_blobs_get_one_line_and_exit_with_0() {
    let ended = run(&["verify", KPL_NDJSON], "");
    assert_eq!(
        ended.lines(),
        ["4 Kinesis records: 3 aggregated with 16 user records, 1 plain, none bad"]
    );
}

#[test]
fn each_bad_blob_is_explained_at_its_first_broken_byte() {
    let two = hex::decode(TWO).unwrap();
    let input = [
        TWO.to_owned(),
        hex::encode(malformed()),
        "not hex".to_owned(),
        hex::encode(&two[..18]),
        // The tag of the data became the start of a group.
        TWO.replace("1a0508011a", "1a0508011b"),
        hex::encode(b"plain"),
    ];
    let ended = run(&["verify", "--from", "hex"], input.join("\n"));
    let expected =
        "record 1 (<stdin>, line 2): malformed, partition key index 7 outside table of 1 at byte 9
  A user record names partition key 7 there; the aggregate has only number 0.
  The digest is good: the producer wrote it so, nothing changed on the way.
  byte 1      89 9a c2 0a 01 61 1a 05 08 07 1a 01 78 f0 ea 84 7e a4 ad
                                      ^^ byte 9
record 2: cannot be read, <stdin>, line 3: not hex: Odd number of digits
record 3 (<stdin>, line 4): damaged, too short
  It starts with the magic and ends after 18 bytes: it was cut off.
  byte 10     1a 05 08 00 1a 01 78 1a
                                      ^^ byte 18 (the end)
record 4 (<stdin>, line 5): damaged, digest mismatch
  The digest is not that of the message: bytes changed after it was made,
  or this is other data that starts with the magic by chance.
  Read all the same, it breaks at byte 22:
  A field is to start there, and no field starts so.
  byte 14     1a 01 78 1a 05 08 01 1b 01 79 b0 03 19 09 ae 75 89 1c a9
                                      ^^ byte 22
6 Kinesis records: 1 aggregated with 2 user records, 1 plain, 4 bad
";
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    assert_eq!(ended.stdout, expected);
}

#[test]
fn damage_that_is_done_with_files_is_told_apart() {
    let two = hex::decode(TWO).unwrap();
    let with_line_end = [&two[..], b"\r\n"].concat();
    let mut wrong_magic = two.clone();
    wrong_magic[2] ^= 1;
    let base64_twice = format!("{{\"data\":\"{}\"}}", crate::base64(crate::base64(&two)));
    let hex_in_data = format!("{{\"data\":\"{}\"}}", crate::base64(TWO));
    let cases: [(&str, &[u8], &str, i32); 6] = [
        (
            "raw",
            &with_line_end,
            "Without the line end behind it (\"\\r\\n\") the digest is good",
            1,
        ),
        ("raw", &wrong_magic, "only the magic is damaged", 1),
        ("raw", &two[..39], "bytes changed after it was made", 1),
        (
            "ndjson",
            base64_twice.as_bytes(),
            "encoded once too often",
            0,
        ),
        (
            "ndjson",
            hex_in_data.as_bytes(),
            "in hex digits, not in bytes",
            0,
        ),
        ("raw", &framed(b"\x0a\x01a"), "without user records", 0),
    ];
    for (format, input, words, status) in cases {
        let ended = run(&["verify", "--from", format], input);
        assert_eq!(ended.status, status, "{ended:?}");
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
}

#[test]
fn what_is_bad_is_what_the_fixtures_say() {
    let fixtures: Vec<_> = fixture("decode.jsonl").lines().map(json).collect();
    let blobs = fixtures
        .iter()
        .map(|line| line["input_hex"].as_str().unwrap());
    let ended = run(
        &["verify", "--from", "hex"],
        blobs.collect::<Vec<_>>().join("\n"),
    );
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    for (record, line) in fixtures.iter().enumerate() {
        let blob = unhex(&line["input_hex"]);
        // Whatever its magic is, it ends with the digest of what is behind that.
        let is_sealed = blob.len() > 20 && framed(&blob[4..blob.len() - 16])[4..] == blob[4..];
        let is_bad = match line["class"].as_str().unwrap() {
            "records" | "invalid_utf8" | "ehk_not_a_number" | "ehk_out_of_range" | "no_records" => {
                false
            }
            "malformed" | "bad_index" => true,
            "not_aggregated" => is_sealed || blob.starts_with(&MAGIC),
            // Either verdict will do.
            "runtimes_disagree" => continue,
            unknown => panic!("{unknown}"),
        };
        let is_told = ["malformed", "damaged"].map(|verdict| {
            let told = format!(
                "record {record} (<stdin>, line {}): {verdict}, ",
                record + 1
            );
            ended.stdout.contains(&told)
        });
        assert_eq!(is_told.contains(&true), is_bad, "{}", line["id"]);
    }
}
