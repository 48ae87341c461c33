use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::aggregate::SHARDS;
use crate::{MALFORMED_ERROR, TWO, base64, file, fixture, framed, json, malformed, run};

fn inspect(blob: &[u8]) -> String {
    let ended = run(&["inspect"], blob);
    assert_eq!(ended.status, 0, "{ended:?}");
    ended.stdout
}

#[test]
fn an_aggregate_is_shown_as_a_whole() {
    let expected = r#"record 0 (<stdin>): aggregated
  frame
         0 ┬ magic    f3899ac2
         4 ├ message  20 bytes
        24 ├ digest   b0031909ae75891ca94acec2ecce3125 stored, good
        40 ┴ end
  counts      2 user records, 2 partition keys, 0 explicit hash keys
  size        40 bytes: 2 █ user data, 2 ▓ keys, 36 ░ frame and fields
  overhead    38 bytes with the keys (95 %), 19.0 per user record
              ███▓▓▓░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
  sizes       user records of 1 byte each
  partition keys
    #  at  uses  key
    0   6     1  "a"
    1   9     1  "b"
  user records
    #  at  partition key  size  data
    0  16  "a"               1  "x"
    1  23  "b"               1  "y"
"#;
    assert_eq!(inspect(&hex::decode(TWO).unwrap()), expected);
}

#[test]
fn inspect_prints_only_printable_lines_of_at_most_80_columns() {
    let long = format!("\"\\\u{1b}[31m\u{202e}{}", "é".repeat(90));
    let keys: [&[u8]; 5] = [b"\xff\xfe", &[7; 120], long.as_bytes(), b"", &[b'9'; 90]];
    let data: [&[u8]; 5] = [
        b"tab\there\r\n",
        &[0; 200],
        long.as_bytes(),
        b"\xe2\x82",
        b"{\"a\":\"\\\"}",
    ];
    let mut message = Vec::new();
    let len = |bytes: &[u8]| {
        let len = u8::try_from(bytes.len() & 0x7f).unwrap();
        match bytes.len() >> 7 {
            0 => vec![len],
            high => vec![len | 0x80, u8::try_from(high).unwrap()],
        }
    };
    let field = |tag: u8, bytes: &[u8]| [&[tag][..], &len(bytes), bytes].concat();
    for tag in [0x0a, 0x12] {
        for key in keys {
            message.extend(field(tag, key));
        }
    }
    for (index, data) in (0_u8..).zip(data) {
        let tag = [field(0x0a, keys[0]), field(0x12, data)].concat();
        let index = [8, index, 16, index];
        let record = [&index[..], &field(0x1a, data), &field(0x22, &tag)].concat();
        message.extend(field(0x1a, &record));
    }
    let shown = inspect(&framed(&message));
    assert!(
        shown.contains("5 user records, 5 partition keys, 5 explicit hash keys"),
        "{shown}"
    );
    for line in shown.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(
            !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
    }
    for part in [
        "0xfffe",
        "\"tab\\there",
        "0x00000000",
        "0xe282",
        "{\"a\":\"\\\"}",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn inspect_explains_why_a_record_is_not_aggregated() {
    let mut wrong_digest = hex::decode(TWO).unwrap();
    *wrong_digest.last_mut().unwrap() ^= 1;
    let mut wrong_message = malformed();
    wrong_message[6] ^= 1;
    let cases: &[(&[u8], &[&str])] = &[
        (
            b"hello\n",
            &[
                "plain, no magic",
                "68656c6c, not f3899ac2",
                "\"hello\\n\"",
                "6 bytes",
            ],
        ),
        (
            b"\xf3\x89\x9a\xc2x",
            &[
                "damaged, too short",
                "5 bytes",
                "ends after 5 bytes",
                "^^ byte 5 (the end)",
                "0xf3899ac278",
            ],
        ),
        // The contents of a damaged record are shown if they can be parsed.
        (
            &wrong_digest,
            &[
                "damaged, digest mismatch",
                "b0031909ae75891ca94acec2ecce3124 stored, wrong",
                "b0031909ae75891ca94acec2ecce3125 computed",
                "One byte of the digest changed",
                "1  23  \"b\"",
            ],
        ),
        (
            &wrong_message,
            &[
                "damaged, digest mismatch",
                "One bit changed: the digest is good if byte 6 is 61.",
                "^^ byte 6",
            ],
        ),
        (
            &malformed(),
            &[
                "malformed",
                MALFORMED_ERROR,
                "stored, good",
                "the producer wrote it like",
                "08 07 1a",
                "^ byte 9",
            ],
        ),
        // A group of field 5 that ends as one of field 6.
        (
            &framed(b"\x2b\x34"),
            &["malformed", "ends there, but another one was open"],
        ),
        (
            &framed(b"\x0a\x01a"),
            &[
                "aggregated",
                "0 user records, 1 partition key,",
                "no user records",
            ],
        ),
    ];
    for (blob, parts) in cases {
        let shown = inspect(blob);
        for part in *parts {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[test]
fn the_formats_are_those_of_deaggregate_and_bad_lines_are_reported() {
    let ended = run(&["inspect", "--from", "hex"], format!("{TWO}\nx\n{TWO}\n"));
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    for part in [
        "record 0 (<stdin>, line 1): aggregated",
        "record 1 (<stdin>, line 2): unreadable, read as hex (see --from): not hexadecimal: 'x' at character 1",
        "record 2 (<stdin>, line 3): aggregated",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
    let line =
        r#"{"data":"","partitionKey":"outer","explicitHashKey":"7","sequenceNumber":"4959"}"#;
    let shown = run(&["inspect", "--from", "ndjson"], line).stdout;
    for part in [
        "outer key   \"outer\"",
        "hash key    \"7\"",
        "sequence    \"4959\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

/// Returns an aggregate of `count` user records of 0, 1, 2, ... bytes, each under its own key.
fn aggregate_of(count: usize) -> Vec<u8> {
    let records: String = (0..count)
        .map(|place| {
            let data = base64(vec![b'x'; place]);
            format!("{{\"partitionKey\":\"key-{place}\",\"data\":\"{data}\"}}\n")
        })
        .collect();
    let lines = run(&["aggregate"], records).json();
    assert_eq!(lines.len(), 1);
    STANDARD.decode(lines[0]["data"].as_str().unwrap()).unwrap()
}

#[test]
fn long_lists_are_shortened_with_a_note_unless_all_is_given() {
    let blob = aggregate_of(30);
    let shown = inspect(&blob);
    assert_eq!(shown.matches("… 10 more; use --all").count(), 2);
    assert!(shown.contains("\"key-19\"") && !shown.contains("\"key-20\""));
    let all = run(&["inspect", "--all"], &blob).stdout;
    // In the table of keys and in that of user records.
    assert_eq!(all.matches("\"key-29\"").count(), 2);
    assert!(!all.contains("more; use --all"));
    // The statistics cover all user records.
    assert!(
        shown.contains("16 to 31  ████████████████████████  14 user records (47 %)"),
        "{shown}"
    );
}

#[test]
fn each_key_table_tells_how_often_its_keys_are_used() {
    // Keys "a", "", "a" again and one that is not used; explicit hash key 7.
    let message = b"\x0a\x01a\x0a\x00\x0a\x01a\x0a\x01z\x12\x017\
        \x1a\x05\x08\x00\x1a\x01x\x1a\x05\x08\x01\x1a\x01x\x1a\x05\x08\x01\x1a\x01x\
        \x1a\x07\x08\x02\x10\x00\x1a\x01x";
    let shown = inspect(&framed(message));
    for line in [
        "    0   6     1  \"a\"\n",
        "    1   9     2  \"\"\n",
        "    2  11     1  \"a\"\n",
        "    3  14     0  \"z\"\n",
        "    0  17     1  7\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
}

#[test]
fn with_shards_inspect_shows_each_shards_share_and_warns_of_aggregates_over_several() {
    let shards = file("inspect-shards", SHARDS);
    let args = ["inspect", "--from", "hex", "--shards", &shards];
    let lines = fixture("range.jsonl");
    // Explicit hash keys 100, 200 and 300 are all in the shard that starts at 100.
    let three = json(lines.lines().next().unwrap())["inputs_hex"][0].clone();
    let shown = run(&args, three.as_str().unwrap()).stdout;
    let shares = "  shards
    low                         0 user records (0 %), 0 bytes
    high  ████████████████████  3 user records (100 %), 3 bytes
  user records
";
    assert!(shown.contains(shares), "{shown}");
    let below_100 = "{\"partitionKey\":\"a\",\"explicitHashKey\":\"99\",\"data\":\"eA==\"}\n";
    let above = below_100.replace("99", "100");
    let spread = run(&["aggregate"], [below_100, &above, &above].concat()).stdout;
    let args = ["inspect", "--from", "ndjson", "--shards", &shards];
    let shown = run(&args, spread).stdout;
    for line in [
        "    low   ██████████            1 user record (33 %), 1 byte\n",
        "    high  ████████████████████  2 user records (67 %), 2 bytes\n",
        "spans several shards: consumers that filter by shard, such as the KCL, drop",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
}

#[test]
fn inspect_detects_the_format_and_reads_anything_else_as_raw_data() {
    let two = hex::decode(TWO).unwrap();
    for input in [
        two.clone(),
        TWO.into(),
        base64(&two).into(),
        format!("{{\"data\":\"{}\"}}", base64(&two)).into(),
    ] {
        assert!(inspect(&input).contains("2 user records, 2 partition keys"));
    }
    assert!(inspect(b"hello").contains("plain, no magic"));
}

#[test]
fn record_n_is_found_after_unreadable_lines() {
    let input = format!("{TWO}\nnot hex\n78\n{TWO}\n");
    let one = |number: &str| run(&["inspect", "--from", "hex", "--record", number], &input);
    let shown = one("2");
    assert_eq!(
        shown.lines()[0],
        "record 2 (<stdin>, line 3): plain, no magic"
    );
    assert_eq!(shown.stdout.matches("record 3").count(), 0);
    let unreadable = one("1");
    assert_eq!(unreadable.status, 1);
    assert!(
        unreadable.stdout.contains("line 2): unreadable"),
        "{unreadable:?}"
    );
    one("4").refused_saying(&["no record 4: the input has 4 Kinesis records, numbered from 0"]);
}
