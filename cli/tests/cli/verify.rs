use kinesis_agg::codec::MAGIC;

use crate::{KPL_NDJSON, TWO, base64, fixture, framed, json, malformed, run, unhex};

#[test]
fn good_blobs_get_one_line_and_exit_with_0() {
    let ended = run(&["verify", KPL_NDJSON], "");
    assert_eq!(
        ended.lines(),
        ["4 Kinesis records: 3 aggregated with 16 user records, 1 plain; none bad"]
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
        // The tag of the data became the end of a group: two bits changed.
        TWO.replace("1a0508011a", "1a0508011c"),
        hex::encode(b"plain"),
    ];
    let ended = run(&["verify", "--from", "hex"], input.join("\n"));
    let expected =
        "record 1 (<stdin>, line 2): malformed, partition key index 7 outside table of 1 at byte 9
  A user record there refers to partition key 7, but the aggregate has only
  number 0.
  The digest is good, so nothing changed on the way: the producer wrote it like
  this.
  byte 1      89 9a c2 0a 01 61 1a 05 08 07 1a 01 78 f0 ea 84 7e a4 ad
                                      ^^ byte 9
record 2 (<stdin>, line 3): unreadable, read as hex (see --from): not hexadecimal: 'n' at character 1
record 3 (<stdin>, line 4): damaged, too short
  It starts with the magic but ends after 18 bytes: it was cut off.
  byte 10     1a 05 08 00 1a 01 78 1a
                                      ^^ byte 18 (the end)
record 4 (<stdin>, line 5): damaged, digest mismatch
  The digest does not match the message: bytes changed or are missing, or this
  is other data that happens to start with the magic.
  The message cannot be parsed beyond byte 21: bytes changed there or before, or
  the end is missing.
  A group of unknown fields ends there, but none has started.
  byte 13     00 1a 01 78 1a 05 08 01 1c 01 79 b0 03 19 09 ae 75 89 1c
                                      ^^ byte 21
6 Kinesis records: 1 aggregated with 2 user records, 1 plain, 2 damaged, 1 malformed, 1 unreadable; 4 bad
";
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    assert_eq!(ended.stdout, expected);
}

#[test]
fn any_one_bit_that_changed_is_found() {
    let two = hex::decode(TWO).unwrap();
    let places: Vec<_> = (0..two.len())
        .flat_map(|place| (0..8).map(move |bit| (place, bit)))
        .collect();
    let input: String = places
        .iter()
        .map(|&(place, bit)| {
            let mut blob = two.clone();
            blob[place] ^= 1 << bit;
            hex::encode(blob) + "\n"
        })
        .collect();
    let ended = run(&["verify", "--from", "hex"], input);
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    let marks = ended
        .stdout
        .lines()
        .filter_map(|line| line.split_once("^^ byte "));
    let found: Vec<usize> = marks.map(|(_, place)| place.parse().unwrap()).collect();
    let changed: Vec<_> = places.iter().map(|&(place, _)| place).collect();
    assert_eq!(found, changed);
}

#[test]
fn each_way_of_damaging_a_blob_gets_its_own_explanation() {
    let two = hex::decode(TWO).unwrap();
    let mut two_bytes_changed = two.clone();
    two_bytes_changed[16] ^= 3;
    two_bytes_changed[23] ^= 3;
    let as_latin_1: String = two.iter().copied().map(char::from).collect();
    let cases: [(Vec<u8>, &str, i32); 10] = [
        (
            [&two[..], b"\r\n"].concat(),
            "ends at byte 40, before a line end",
            1,
        ),
        (two[..30].into(), "a line of `xxd -p` (without -c 0)", 1),
        (two[..39].into(), "bytes changed or are missing", 1),
        (two_bytes_changed, "still valid and has 2 user records", 1),
        (base64(&two).into(), "encoded as base64", 0),
        (TWO.into(), "encoded as hex", 0),
        (as_latin_1.into(), "encoded as Latin-1 text", 0),
        (
            String::from_utf8_lossy(&two).as_bytes().into(),
            "with U+FFFD in place of bytes",
            0,
        ),
        (
            framed(b"\x0a\x01a"),
            "aggregated, but without user records",
            0,
        ),
        (
            framed(b"\x0a\x01a\x12\x01x\x1a\x07\x08\x00\x10\x00\x1a\x01x"),
            "0 is in no shard: its explicit hash key is not a number",
            0,
        ),
    ];
    for (blob, words, status) in cases {
        let ended = run(&["verify", "--from", "raw"], &blob);
        assert_eq!(ended.status, status, "{ended:?}");
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
        // `inspect` prints the same explanation.
        if status == 1 {
            assert!(
                run(&["inspect", "--from", "raw"], &blob)
                    .stdout
                    .contains(words)
            );
        }
    }
}

#[test]
fn records_before_an_input_error_are_still_verified() {
    let ended = run(&["verify", KPL_NDJSON, "nowhere.json"], "");
    let printed = ended.refused_saying(&["nowhere.json"]);
    assert!(printed.starts_with("4 Kinesis records: 3 aggregated"));
}

#[test]
fn verify_finds_exactly_the_bad_blobs_of_the_fixtures() {
    let fixtures = fixture("decode.jsonl");
    let fixtures: Vec<_> = fixtures.lines().map(json).collect();
    // Blank lines are skipped.
    let fixtures: Vec<_> = fixtures
        .into_iter()
        .filter(|line| line["input_hex"] != "")
        .collect();
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
        // True if the blob ends with the digest of what follows its first four bytes, whatever
        // these are.
        let is_sealed =
            |blob: &[u8]| blob.len() > 20 && framed(&blob[4..blob.len() - 16])[4..] == blob[4..];
        let holds_one = (0..blob.len())
            .any(|start| blob[start..].starts_with(&MAGIC) && is_sealed(&blob[start..]));
        let is_bad = match line["class"].as_str().unwrap() {
            "records" | "invalid_utf8" | "ehk_not_a_number" | "ehk_out_of_range" | "no_records" => {
                false
            }
            "malformed" | "bad_index" => true,
            // Also with other bytes before the magic.
            "not_aggregated" => is_sealed(&blob) || holds_one || blob.starts_with(&MAGIC),
            // Either verdict is accepted.
            "runtimes_disagree" => continue,
            unknown => panic!("{unknown}"),
        };
        let told = format!("record {record} (<stdin>, line {}): ", record + 1);
        let is_told = ["malformed", "damaged", "misframed", "plain, too short"]
            .map(|verdict| ended.stdout.contains(&(told.clone() + verdict)));
        assert_eq!(is_told.contains(&true), is_bad, "{}", line["id"]);
    }
}

#[test]
fn the_readme_shows_what_is_really_printed() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let damaged = TWO.replace("1a0508011a", "1a0508011b");
    let shown = run(&["verify", "--from", "hex"], damaged).stdout;
    let lines: Vec<_> = shown.lines().collect();
    assert!(readme.contains(&lines[1..4].join("\n")), "{shown}");
    assert!(readme.contains(lines[0].split_once("): ").unwrap().1));
}
