use crate::{MALFORMED_ERROR, TWO, framed, malformed, run};

fn inspect(blob: &[u8]) -> String {
    let ended = run(&["inspect"], blob);
    ended.lines();
    ended.stdout
}

#[test]
fn an_aggregate_is_shown_as_a_whole() {
    let expected = r#"record 0 (<stdin>): aggregated
  frame       f3899ac2 | message of 20 bytes | digest of 16 bytes
  digest      b0031909ae75891ca94acec2ecce3125 stored
              b0031909ae75891ca94acec2ecce3125 computed: good
  counts      2 user records, 2 partition keys, 0 explicit hash keys
  size        40 bytes: 2 of user data, 2 of keys
  overhead    38 bytes, keys included, about 19 a user record
  partition keys
    0  "a"
    1  "b"
  user records
  #  partition key  size  data
  0  "a"               1  "x"
  1  "b"               1  "y"
"#;
    assert_eq!(inspect(&hex::decode(TWO).unwrap()), expected);
}

#[test]
fn whatever_is_in_a_blob_each_line_stays_printable_and_within_80_characters() {
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
        "\"tab\\there\\r\\n\"",
        "0x00000000",
        "0xe282",
        "{\"a\":\"\\\"}",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn what_is_not_aggregated_is_explained() {
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
        (b"", &["plain, no magic", "there is no data"]),
        (
            b"\xf3\x89\x9a\xc2x",
            &[
                "plain, too short",
                "5 bytes",
                "more than 20",
                "0xf3899ac278",
            ],
        ),
        // What is inside is shown all the same, if it can be.
        (
            &wrong_digest,
            &[
                "plain, digest mismatch",
                "computed: wrong",
                "can be read",
                "  1  \"b\"",
            ],
        ),
        (
            &wrong_message,
            &[
                "plain, digest mismatch",
                "cannot be read",
                MALFORMED_ERROR,
                "^ byte 9",
            ],
        ),
        (
            &malformed(),
            &[
                "malformed",
                MALFORMED_ERROR,
                "computed: good",
                "08 07 1a",
                "^ byte 9",
            ],
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
fn the_formats_are_those_of_deaggregate_and_bad_lines_end_it_alike() {
    let ended = run(&["inspect", "--from", "hex"], format!("{TWO}\nx\n"));
    assert!(
        ended
            .failed_saying(&["<stdin>, line 2", "not hex"])
            .contains("record 0 (<stdin>, line 1)")
    );
    let line =
        r#"{"data":"","partitionKey":"outer","explicitHashKey":"7","sequenceNumber":"4959"}"#;
    let shown = run(&["inspect", "--from", "ndjson"], line).stdout;
    for part in [
        "put under   \"outer\"",
        "hash key    \"7\"",
        "sequence    \"4959\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
