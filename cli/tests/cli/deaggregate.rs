use serde_json::json;

use crate::{MALFORMED_ERROR, TWO, TWO_LINES, base64, file, framed, malformed, run};

fn two_base64() -> String {
    base64(hex::decode(TWO).unwrap())
}

#[test]
fn every_format_prints_the_same_bytes_for_the_same_blob() {
    let raw = hex::decode(TWO).unwrap();
    let encoded = base64(&raw);
    let unpadded = encoded.trim_end_matches('=');
    assert_ne!(unpadded, encoded);
    for (format, input) in [
        ("hex", TWO.to_owned().into_bytes()),
        ("hex", TWO.to_uppercase().into_bytes()),
        ("hex", format!("{TWO}\n").into_bytes()),
        ("hex", format!("{TWO}\r\n").into_bytes()),
        ("base64", encoded.clone().into_bytes()),
        ("base64", format!("{encoded}\r\n").into_bytes()),
        ("base64", unpadded.into()),
        ("raw", raw),
        ("ndjson", format!(r#"{{"data":"{encoded}"}}"#).into_bytes()),
        ("ndjson", format!(r#"{{"data":"{unpadded}"}}"#).into_bytes()),
        (
            "ndjson",
            format!("\n \t\r\n  {{ \"data\" : \"{encoded}\" }} \r\n\n").into_bytes(),
        ),
        // Some serializers escape slashes, and may escape any letter.
        (
            "ndjson",
            format!(r#"{{"d\u0061ta":"{}"}}"#, encoded.replace('/', "\\/")).into_bytes(),
        ),
    ] {
        let ended = run(&["deaggregate", "--from", format], &input);
        assert_eq!(ended.lines(), TWO_LINES, "{format}");
        let from_stdin = run(&["deaggregate", "-", "--from", format], &input);
        assert_eq!(from_stdin.lines(), TWO_LINES, "{format}");
    }
}

#[test]
fn records_that_are_not_aggregated_are_printed_unchanged_with_the_reason() {
    let mut damaged = hex::decode(TWO).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    let cases: &[(&[u8], &str)] = &[
        (b"plain", "no_magic"),
        (b"\xf3\x89\x9a", "no_magic"),
        (b"\xf3\x89\x9a\xc2", "too_short"),
        (
            &[b"\xf3\x89\x9a\xc2".as_slice(), &[0; 16]].concat(),
            "too_short",
        ),
        (&damaged, "digest_mismatch"),
    ];
    for (blob, reason) in cases {
        let data = base64(blob);
        let ended = run(&["deaggregate", "--from", "hex"], hex::encode(blob) + "\n");
        assert_eq!(
            ended.lines(),
            [format!(
                r#"{{"record":0,"aggregated":false,"reason":"{reason}","data":"{data}"}}"#
            )]
        );
    }
}

#[test]
fn malformed_records_pass_by_default_and_stop_the_run_on_request() {
    let input = format!("{TWO}\n{}\n{TWO}\n", hex::encode(malformed()));
    let passed = run(&["deaggregate", "--from", "hex"], &input);
    let data = base64(malformed());
    let line = format!(
        r#"{{"record":1,"aggregated":false,"reason":"malformed","error":"{MALFORMED_ERROR}","data":"{data}"}}"#
    );
    let lines = passed.lines();
    assert_eq!(lines.len(), 5);
    assert_eq!((&lines[..2], lines[2]), (&TWO_LINES[..], line.as_str()));

    let args = ["deaggregate", "--from", "hex", "--malformed"];
    assert_eq!(
        run(&[&args[..], &["pass"]].concat(), &input).stdout,
        passed.stdout
    );
    let failed = run(&[&args[..], &["fail"]].concat(), &input);
    let earlier = failed.failed_saying(&["record 1 is malformed", MALFORMED_ERROR, "line 2"]);
    assert_eq!(earlier.lines().collect::<Vec<_>>(), TWO_LINES);

    let numbered = format!(r#"{{"data":"{data}","sequenceNumber":"4959"}}"#);
    run(
        &["deaggregate", "--from", "ndjson", "--malformed", "fail"],
        numbered,
    )
    .failed_saying(&["record 0 (sequence number 4959) is malformed"]);
}

#[test]
fn an_aggregate_without_user_records_is_reported_on_stderr_and_counted() {
    let empty = hex::encode(framed(b"\x0a\x01a"));
    let ended = run(
        &["deaggregate", "--from", "hex"],
        format!("00\n{empty}\n\n01\n"),
    );
    assert_eq!(ended.status, 0);
    let records: Vec<_> = ended
        .stdout
        .lines()
        .map(|line| crate::json(line)["record"].clone())
        .collect();
    assert_eq!(records, [0, 2]);
    assert_eq!(ended.stderr.lines().count(), 1);
    assert!(ended.stderr.contains("record 1 "), "{ended:?}");
}

#[test]
fn records_are_counted_over_all_files_in_their_order() {
    // Blank lines are skipped, at the beginning and in the middle.
    let first = file("count-1.hex", "\n \t\r\n00\n\n01");
    let last = file("count-2.hex", "03\n");
    let args = ["deaggregate", "--from", "hex", &first, "-", &last];
    let lines = run(&args, "02\n").json();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| (&line["record"], &line["data"]))
        .collect();
    let data = ["AA==", "AQ==", "Ag==", "Aw=="].map(|data| json!(data));
    let records = [0, 1, 2, 3].map(|record| json!(record));
    assert_eq!(seen, records.iter().zip(&data).collect::<Vec<_>>());

    // An empty file is valid in every format.
    let nothing = file("count-0.hex", "");
    for format in ["raw", "hex", "base64", "ndjson"] {
        let ended = run(&["deaggregate", "--from", format, &nothing, "-"], "");
        assert_eq!(ended.lines().len(), 0, "{format}");
    }
}

#[test]
fn other_fields_are_copied_as_they_were_written() {
    let others = concat!(
        r#""sequenceNumber":"49590338271490256608559692538361571095921575989136588898","#,
        r#""n":12345678901234567890.10,"e":1E400,"none":null,"o":{ "x" : [1, 2.0, {}] },"#,
        r#""\u0061\/é":"\u00e9\ud83d\ude00","\ud800":"\udfff""#
    );
    let two = two_base64();
    let input = format!(r#"{{"data":"{two}",{others}}}"#);
    let expected = TWO_LINES.map(|line| format!("{},{others}}}", line.trim_end_matches('}')));
    assert_eq!(
        run(&["deaggregate", "--from", "ndjson"], input).lines(),
        expected
    );

    // If a field is given twice, the last value counts, in the place of the first.
    let twice = r#"{"x":1,"y":2,"x":3,"data":"AA==","data":""}"#;
    assert_eq!(
        run(&["deaggregate", "--from", "ndjson"], twice).lines(),
        [r#"{"record":0,"aggregated":false,"reason":"no_magic","data":"","x":3,"y":2}"#]
    );
}

#[test]
fn outer_keys_are_on_whole_records_and_never_on_user_records() {
    let two = two_base64();
    let bad = base64(malformed());
    for (data, key_fields, expected) in [
        (
            two.as_str(),
            r#""partitionKey":"outer","explicitHashKey":"5""#,
            None,
        ),
        (
            "",
            r#""explicitHashKey":"5","partitionKey":"outer""#,
            Some(r#""reason":"no_magic","partitionKey":"outer","explicitHashKey":"5","data":"""#),
        ),
        (
            "",
            r#""partitionKey":null"#,
            Some(r#""reason":"no_magic","partitionKey":null,"data":"""#),
        ),
        (
            "",
            r#""sequenceNumber":null"#,
            Some(r#""reason":"no_magic","data":"","sequenceNumber":null"#),
        ),
        (
            &bad,
            r#""partitionKey":"outer""#,
            Some(&*format!(
                r#""reason":"malformed","error":"{MALFORMED_ERROR}","partitionKey":"outer","data":"{bad}""#
            )),
        ),
    ] {
        let ended = run(
            &["deaggregate", "--from", "ndjson"],
            format!(r#"{{"data":"{data}",{key_fields}}}"#),
        );
        match expected {
            None => assert_eq!(ended.lines(), TWO_LINES),
            Some(expected) => assert_eq!(
                ended.lines(),
                [format!(r#"{{"record":0,"aggregated":false,{expected}}}"#)]
            ),
        }
    }
}

#[test]
fn input_fields_with_the_names_of_output_fields_are_left_out() {
    let ours = [
        "record",
        "aggregated",
        "subSequenceNumber",
        "partitionKey",
        "partitionKeyBase64",
        "explicitHashKey",
        "explicitHashKeyBase64",
        "tags",
        "reason",
        "error",
        "kept",
    ];
    let fields: Vec<_> = ours
        .iter()
        .map(|name| format!(r#""{name}":"theirs""#))
        .collect();
    let fields = fields.join(",");
    for (blob, theirs) in [
        // A user record has no reason and no error.
        (hex::decode(TWO).unwrap(), &["reason", "error", "kept"][..]),
        // A plain record has no place in an aggregate and no error; its keys are the input's.
        (
            Vec::new(),
            &[
                "subSequenceNumber",
                "partitionKey",
                "partitionKeyBase64",
                "explicitHashKey",
                "explicitHashKeyBase64",
                "tags",
                "error",
                "kept",
            ],
        ),
        (
            malformed(),
            &[
                "subSequenceNumber",
                "partitionKey",
                "partitionKeyBase64",
                "explicitHashKey",
                "explicitHashKeyBase64",
                "tags",
                "kept",
            ],
        ),
    ] {
        let input = format!(r#"{{{fields},"data":"{}"}}"#, base64(blob));
        let ended = run(&["deaggregate", "--from", "ndjson"], input);
        let line = &ended.json()[0];
        let mut found: Vec<_> = ours
            .iter()
            .filter(|name| line[**name] == "theirs")
            .collect();
        found.sort();
        let mut theirs: Vec<_> = theirs.iter().collect();
        theirs.sort();
        assert_eq!(found, theirs);
        for name in ours {
            assert!(ended.lines()[0].matches(&format!("\"{name}\":")).count() <= 1);
        }
    }
}

#[test]
fn keys_that_are_not_utf8_are_printed_in_base64_and_tags_as_text() {
    let message = [
        b"\x0a\x02\xff\x00".as_slice(),
        b"\x0a\x01a",
        b"\x12\x01\xfe",
        b"\x12\x017",
        b"\x1a\x07\x08\x00\x10\x00\x1a\x01x",
        b"\x1a\x15\x08\x01\x10\x01\x1a\x01y\x22\x06\x0a\x01k\x12\x01v\x22\x04\x0a\x02\xc3\xa9",
        b"\x1a\x0f\x08\x01\x1a\x01z\x22\x08\x0a\x01\xff\x12\x03\xc3\xa9\xc3",
    ]
    .concat();
    assert_eq!(
        run(&["deaggregate", "--from", "raw"], framed(&message)).lines(),
        [
            r#"{"record":0,"aggregated":true,"subSequenceNumber":0,"partitionKeyBase64":"/wA=","explicitHashKeyBase64":"/g==","data":"eA=="}"#,
            r#"{"record":0,"aggregated":true,"subSequenceNumber":1,"partitionKey":"a","explicitHashKey":"7","data":"eQ==","tags":[{"key":"k","value":"v"},{"key":"é","value":null}]}"#,
            r#"{"record":0,"aggregated":true,"subSequenceNumber":2,"partitionKey":"a","explicitHashKey":null,"data":"eg==","tags":[{"keyBase64":"/w==","valueBase64":"w6nD"}]}"#,
        ]
    );
}

#[test]
fn a_bad_line_ends_the_run_after_all_earlier_output() {
    let two = two_base64();
    for (format, good, bad, why) in [
        ("hex", TWO, "0", "hexadecimal digits is odd"),
        ("hex", TWO, "0g", "not hexadecimal: 'g' at character 2"),
        (
            "hex",
            TWO,
            "0x 12:3g",
            "not hexadecimal: 'g' at character 8",
        ),
        ("hex", TWO, "é", "not hexadecimal: 'é' at character 1"),
        (
            "base64",
            &two,
            "A",
            "the base64 ends in the middle of a group",
        ),
        (
            "base64",
            &two,
            "AA==AA==",
            "padding at character 3 is not at the end",
        ),
        ("base64", &two, "AAA A", "not base64: ' ' at character 4"),
        (
            "base64",
            &two,
            "AB==",
            "the base64 ends in the middle of a byte",
        ),
        ("ndjson", "", "{", "not JSON"),
        ("ndjson", "", "7", "neither an event nor a record"),
        (
            "ndjson",
            "",
            r#"{"data":"","x":1e}"#,
            "not JSON: invalid number",
        ),
        ("ndjson", "", "{}", "no data"),
        ("ndjson", "", r#"{"data":null}"#, "no data"),
        (
            "ndjson",
            "",
            r#"{"data":7}"#,
            "data is neither a base64 string nor an array of bytes",
        ),
        (
            "ndjson",
            "",
            r#"{"data":"!"}"#,
            "data: not base64: '!' at character 1",
        ),
    ] {
        let good = match format {
            "ndjson" => format!(r#"{{"data":"{two}"}}"#),
            _ => good.to_owned(),
        };
        let input = format!("{good}\n{bad}\n{good}\n");
        let path = file("bad-line", &input);
        let from_file = run(&["deaggregate", "--from", format, &path], "");
        let from_stdin = run(&["deaggregate", "--from", format], &input);
        for (ended, name) in [(from_file, path.as_str()), (from_stdin, "<stdin>")] {
            let earlier = ended.failed_saying(&[name, "line 2", why]);
            assert_eq!(earlier.lines().collect::<Vec<_>>(), TWO_LINES, "{bad}");
        }
    }
    // Blank lines count, and each file has its own line numbers.
    let (first, second) = (
        file("lines-1", "\n\n{\"data\":\"\"}\n"),
        file("lines-2", "\n\nx"),
    );
    run(&["deaggregate", "--from", "ndjson", &first, &second], "")
        .failed_saying(&["lines-2, line 3"]);
}

#[test]
fn a_file_that_cannot_be_read_ends_the_run_after_all_earlier_output() {
    let good = file("readable.hex", TWO);
    let missing = good.clone() + ".missing";
    for path in [missing.as_str(), env!("CARGO_TARGET_TMPDIR")] {
        let ended = run(&["deaggregate", "--from", "hex", &good, path], "");
        let earlier = ended.refused_saying(&[path]);
        assert_eq!(earlier.lines().collect::<Vec<_>>(), TWO_LINES);
    }
}
