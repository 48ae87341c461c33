//! The inputs that people have: each form of one aggregate gives its two user records.

use std::io::Write as _;

use serde_json::json;

use crate::{TWO, base64, file, json, run};

fn two() -> Vec<u8> {
    hex::decode(TWO).unwrap()
}

/// Returns a blob that is longer than a line of any tool: two user records of 100 bytes.
fn long() -> String {
    let line = |key: &str| {
        format!(
            "{{\"partitionKey\":\"{key}\",\"data\":\"{}\"}}\n",
            base64([7; 100])
        )
    };
    let made = run(&["aggregate"], line("a") + &line("b")).json();
    made[0]["data"].as_str().unwrap().to_owned()
}

fn bytes(base64: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(base64)
        .unwrap()
}

/// Breaks the text into lines of `width` characters.
fn wrapped(text: &str, width: usize) -> String {
    let lines = text
        .as_bytes()
        .chunks(width)
        .map(|line| str::from_utf8(line).unwrap());
    lines.map(|line| format!("{line}\n")).collect()
}

fn xxd(bytes: &[u8]) -> String {
    let line = |(number, line): (usize, &[u8])| {
        let digits: Vec<_> = line.chunks(2).map(hex::encode).collect();
        format!(
            "{:08x}: {:<40} {}\n",
            number * 16,
            digits.join(" "),
            ".".repeat(line.len())
        )
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

fn hexdump(bytes: &[u8]) -> String {
    let line = |(number, line): (usize, &[u8])| {
        let digits: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let (first, last) = digits.split_at(digits.len().min(8));
        format!(
            "{:08x}  {:<23}  {:<23}  |{}|\n",
            number * 16,
            first.join(" "),
            last.join(" "),
            ".".repeat(line.len())
        )
    };
    let lines: String = bytes.chunks(16).enumerate().map(line).collect();
    format!("{lines}{:08x}\n", bytes.len())
}

fn python(bytes: &[u8]) -> String {
    let escaped = bytes.iter().map(|byte| format!("\\x{byte:02x}"));
    format!("b'{}'", escaped.collect::<String>())
}

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    [0xff, 0xfe].into_iter().chain(units).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_form_that_people_have_is_read() {
    let raw = two();
    let data = base64(&raw);
    let unpadded = data.trim_end_matches('=');
    let url_safe = data.replace('+', "-").replace('/', "_");
    let record = json!({"SequenceNumber": "7", "ApproximateArrivalTimestamp": "2024-05-01T12:00:00.123000+00:00", "Data": data, "PartitionKey": "p"});
    let response = json!({"Records": [record], "NextShardIterator": "x", "MillisBehindLatest": 0});
    let with_data = |data: serde_json::Value| {
        json!({"Records": [{"Data": data, "PartitionKey": "p", "SequenceNumber": "7"}]}).to_string()
    };
    let numbers: serde_json::Value = raw.iter().copied().collect();
    let by_index: Vec<_> = raw
        .iter()
        .enumerate()
        .map(|(n, byte)| format!("\"{n}\":{byte}"))
        .collect();
    let by_index = format!("{{{}}}", by_index.join(","));
    let buffer = json!({"type": "Buffer", "data": numbers});
    let lambda = json!({"Records": [{"kinesis": {"data": data, "sequenceNumber": "7"}, "eventSource": "aws:kinesis"}]});
    let on_failure = json!({"requestContext": {}, "KinesisBatchInfo": {"shardId": "s"}, "payload": lambda.to_string()});
    let pipes = json!([{"eventSource": "aws:kinesis", "data": data, "sequenceNumber": "7", "partitionKey": "p"}]);
    let pushed =
        json!({"SubscribeToShardEvent": {"Records": [record], "ContinuationSequenceNumber": "8"}});
    let pretty = serde_json::to_string_pretty(&response).unwrap();
    let with_crlf = pretty.replace('\n', "\r\n");
    let text = |text: &str| text.as_bytes().to_vec();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("json", text(&response.to_string())),
        ("json over several lines", text(&pretty)),
        ("CRLF", text(&with_crlf)),
        ("--query 'Records[].Data'", text(&json!([data]).to_string())),
        (
            "--query, over several lines",
            text(&format!("[\n    \"{data}\"\n]\n")),
        ),
        ("quoted", text(&format!("\"{data}\"\n"))),
        ("boto3, default=str", text(&with_data(json!(python(&raw))))),
        ("Buffer", text(&with_data(buffer.clone()))),
        ("Buffer alone", text(&buffer.to_string())),
        ("numbers", text(&with_data(numbers.clone()))),
        ("numbers alone", text(&numbers.to_string())),
        ("numbers by index", text(&with_data(json(&by_index)))),
        ("numbers by index, alone", text(&by_index)),
        ("SubscribeToShardEvent", text(&pushed.to_string())),
        ("Lambda", text(&lambda.to_string())),
        ("on-failure", text(&on_failure.to_string())),
        ("Pipes", text(&pipes.to_string())),
        (
            "BOM",
            [b"\xef\xbb\xbf", response.to_string().as_bytes()].concat(),
        ),
        ("UTF-16", utf16(&with_crlf)),
        ("UTF-16 base64", utf16(&format!("{data}\r\n"))),
        ("spaces around", text(&format!("  {data} \n"))),
        (
            "spaces around in JSON",
            text(&with_data(json!(format!(" {data}\n")))),
        ),
        ("base64url", text(&url_safe)),
        ("base64url in JSON", text(&with_data(json!(url_safe)))),
        ("unpadded", text(unpadded)),
        ("unpadded in JSON", text(&with_data(json!(unpadded)))),
        ("hex in JSON", text(&with_data(json!(TWO)))),
        ("hex with 0x", text(&format!("0x{TWO}"))),
        ("hex with spaces", text(&wrapped(TWO, 2).replace('\n', " "))),
        ("Python", text(&python(&raw))),
        ("Python base64", text(&format!("b'{data}'"))),
        ("xxd", text(&xxd(&raw))),
        ("hexdump -C", text(&hexdump(&raw))),
        ("gzip", gzip(response.to_string().as_bytes())),
        (
            "gzip twice in a file",
            [gzip(b"\n"), gzip(data.as_bytes())].concat(),
        ),
        (
            "zstd",
            ruzstd::encoding::compress_to_vec(
                response.to_string().as_bytes(),
                ruzstd::encoding::CompressionLevel::Fastest,
            ),
        ),
        (
            "zstd base64",
            ruzstd::encoding::compress_to_vec(
                data.as_bytes(),
                ruzstd::encoding::CompressionLevel::Fastest,
            ),
        ),
        ("raw", raw.clone()),
        ("blank lines", text(&format!("\n\r\n \n{data}\n\n\n"))),
    ];
    for (name, input) in cases {
        let ended = run(&["deaggregate"], &input);
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (0, ""),
            "{name}: {ended:?}"
        );
        let found: Vec<_> = ended
            .json()
            .iter()
            .map(|line| {
                (
                    line["record"].clone(),
                    line["partitionKey"].clone(),
                    line["data"].clone(),
                )
            })
            .collect();
        assert_eq!(
            json!(found),
            json!([[0, "a", "eA=="], [0, "b", "eQ=="]]),
            "{name}"
        );
        let from_file = run(&["verify", &file("form", &input)], "");
        assert_eq!(
            from_file.lines(),
            ["1 Kinesis record: 1 aggregated with 2 user records, 0 plain; none bad"],
            "{name}"
        );
    }
}

#[test]
fn several_values_in_a_line_or_document_are_separate_records() {
    let data = base64(two());
    for input in [
        format!("{data}\t{data}\n"),
        format!("[\"{data}\",\"{data}\"]"),
        format!("\"{data}\"\n\"{data}\"\n"),
        format!("{TWO}\n\n{}\n", TWO.to_uppercase()),
        xxd(&two()) + &xxd(&two()),
        format!("{{\"data\":\"{data}\"}}\n{{\"Records\":[{{\"Data\":\"{data}\"}}]}}"),
        format!("{{\"Records\":[{{\n\"Data\":\"{data}\"}}]}}\n{{\"data\":\"{data}\"}}"),
        // The first line is plain, so the format is detected from all lines.
        format!("{}\n{data}\n{data}\n", base64(b"plain")),
        format!("{}\n{TWO}\n{TWO}\n", hex::encode(b"plain")),
    ] {
        let verified = run(&["verify"], &input);
        let summary = verified.lines()[0].to_owned();
        assert!(
            summary.contains("2 aggregated with 4 user records"),
            "{input}: {summary}"
        );
        assert!(run(&["inspect"], &input).stderr.is_empty(), "{input}");
    }
}

#[test]
fn wrapped_base64_and_hex_are_joined_with_a_note() {
    let data = long();
    let digits = hex::encode(bytes(&data));
    for (text, width) in [(&data, 76), (&data, 64), (&digits, 60)] {
        let one = wrapped(text, width);
        for (input, count) in [(one.clone(), 2), (one.clone() + &one, 4)] {
            let ended = run(&["deaggregate"], &input);
            assert_eq!(
                (ended.status, ended.stdout.lines().count()),
                (0, count),
                "{ended:?}"
            );
            assert!(
                ended
                    .stderr
                    .contains("into one blob, because they look wrapped"),
                "{ended:?}"
            );
        }
    }
}

#[test]
fn unsupported_formats_are_rejected_with_a_way_to_convert_them() {
    for (input, hint) in [
        (
            "RECORDS\t2024-05-01T12:00:00\t84mawgo=\tp\t4959\n",
            "--output json",
        ),
        (
            "MillisBehindLatest: 0\nNextShardIterator: x\nRecords:\n- Data: 84mawgo=\n",
            "--output json",
        ),
        ("Records:\n- Data: 84mawgo=\n", "--output json"),
        (
            "{'Records': [{'Data': b'\\xf3'}]}",
            "json.dumps(response, default=str)",
        ),
        ("BZh91AY&SY", "bzip2"),
    ] {
        run(&["deaggregate"], input).refused_saying(&["<stdin>", hint]);
    }
    let whole = gzip(long().as_bytes());
    for cut in [&whole[..whole.len() - 20], &whole[..whole.len() - 4]] {
        run(&["deaggregate"], cut).refused_saying(&["<stdin>: cannot decompress", "cut off"]);
    }
}

#[test]
fn empty_input_prints_nothing_and_succeeds() {
    for input in ["", "\n \r\n", "\u{feff}"] {
        for command in ["deaggregate", "aggregate", "inspect"] {
            assert_eq!(run(&[command], input).lines(), [""; 0], "{command}");
        }
        assert_eq!(run(&["verify"], input).lines().len(), 1);
        assert_eq!(
            run(&["stats", "--json"], input).json()[0]["kinesisRecords"],
            0
        );
    }
}

#[test]
fn several_files_of_several_kinds_are_one_input() {
    let data = base64(two());
    let ndjson = file("several.ndjson", format!("{{\"data\":\"{data}\"}}\n"));
    let event = file(
        "several.json",
        format!("{{\"Records\":[\n{{\"kinesis\":{{\"data\":\"{data}\"}}}}]}}"),
    );
    let raw = file("several.bin", two());
    for files in [
        [&ndjson, &event, &raw],
        [&event, &raw, &ndjson],
        [&raw, &ndjson, &event],
    ] {
        let [a, b, c] = files.map(String::as_str);
        assert_eq!(run(&["deaggregate", a, b, c], "").lines().len(), 6);
    }
}

#[test]
fn aggregate_reads_what_jq_and_powershell_write() {
    let lines = run(&["deaggregate"], TWO);
    let pretty: Vec<_> = lines
        .json()
        .iter()
        .map(|line| serde_json::to_string_pretty(line).unwrap())
        .collect();
    let pretty = pretty.join("\n");
    let expected = run(&["aggregate"], &lines.stdout).stdout;
    for input in [
        pretty.as_bytes().to_vec(),
        utf16(&pretty),
        gzip(pretty.as_bytes()),
    ] {
        assert_eq!(
            run(&["aggregate"], input).lines().join("\n") + "\n",
            expected
        );
    }
}

#[test]
fn requests_for_put_records_keep_the_services_limits() {
    let line = |key: &str, len: usize| {
        format!(
            "{{\"partitionKey\":\"{key}\",\"explicitHashKey\":\"7\",\"data\":\"{}\"}}\n",
            base64(vec![0; len])
        )
    };
    let requests = run(
        &["aggregate", "--to", "put-records", "--max-count", "1"],
        line("é", 1).repeat(501),
    )
    .json();
    let counts: Vec<_> = requests
        .iter()
        .map(|request| request["Records"].as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [500, 1]);
    let entry = &requests[1]["Records"][0];
    assert_eq!(
        (&entry["PartitionKey"], &entry["ExplicitHashKey"]),
        (&json!("é"), &json!("7"))
    );
    let lone = run(&["deaggregate"], requests[1].to_string()).json();
    assert_eq!(lone[0]["data"], "AA==");
    let large = run(
        &["aggregate", "--to", "put-records"],
        line("k", 1_000_000).repeat(12),
    )
    .json();
    let lens = large.iter().map(|request| {
        let entries = request["Records"].as_array().unwrap().iter();
        entries
            .map(|entry| entry["Data"].as_str().unwrap().len() / 4 * 3 + 1)
            .sum::<usize>()
    });
    let lens: Vec<_> = lens.collect();
    assert_eq!(lens.len(), 2);
    assert!(lens.iter().all(|len| *len <= 10 << 20), "{lens:?}");
}

#[test]
fn per_key_starts_an_aggregate_whenever_the_keys_change() {
    let line = |key: &str| format!("{{\"partitionKey\":\"{key}\",\"data\":\"eA==\"}}\n");
    let made = run(
        &["aggregate", "--per-key"],
        [line("a"), line("a"), line("b")].concat(),
    )
    .json();
    let counts: Vec<_> = made
        .iter()
        .map(|line| (&line["partitionKey"], &line["userRecords"]))
        .collect();
    assert_eq!(json!(counts), json!([["a", 2], ["b", 1]]));
}

#[test]
fn data_alone_is_printed_in_three_framings() {
    let args = ["deaggregate", "--to", "data"];
    assert_eq!(run(&args, TWO).stdout, "x\ny\n");
    assert_eq!(
        run(&[&args[..], &["--print0"]].concat(), TWO).stdout,
        "x\0y\0"
    );
    assert_eq!(
        run(&[&args[..], &["--length-prefix"]].concat(), TWO).stdout,
        "\0\0\0\u{1}x\0\0\0\u{1}y"
    );
    let broken = run(&args, r#"{"data":"eAp5"}"#);
    assert_eq!((broken.status, broken.stdout.as_str()), (0, "x\ny\n"));
    assert!(
        broken
            .stderr
            .contains("line ends inside the data of 1 record"),
        "{broken:?}"
    );
}

#[test]
fn a_range_alone_drops_whole_aggregates() {
    let args = ["deaggregate", "--range", "0:1"];
    let ended = run(&args, TWO);
    assert_eq!((ended.status, ended.stdout.as_str()), (0, ""));
    assert!(ended.stderr.contains("dropped 2 user records"), "{ended:?}");
}

#[test]
fn errors_name_the_place_and_the_cause_without_printing_the_blob() {
    let data = long();
    for (from, input, words) in [
        (
            "base64",
            format!("{data}\n\n{}\n", &data[..101]),
            "line 3: read as base64 (see --from): the base64 ends in the middle of a group of 4 characters: it was cut off",
        ),
        (
            "base64",
            format!("{data}{data}\n"),
            "is not at the end: are these several values?",
        ),
        (
            "hex",
            format!("{}f\n", hex::encode(bytes(&data))),
            "digits is odd: it was cut off",
        ),
        (
            "json",
            format!("{{\"data\":\"{}", &data[..200]),
            "line 1: the JSON ends in the middle: it was cut off",
        ),
        (
            "json",
            format!("{{\"data\":\"{}\"}}", &data[..201]),
            "line 1: data: the base64 ends in the middle",
        ),
    ] {
        let ended = run(&["deaggregate", "--from", from], &input);
        ended.failed_saying(&[words]);
        assert!(!ended.stderr.contains(&data[..40]), "{ended:?}");
    }
}

#[test]
fn output_fits_the_terminals_width_in_display_cells() {
    let uuid = "c4ca4238-a0b9-2382-0dcc-509a6f75849b";
    let line = |key: &str| {
        format!(
            "{{\"partitionKey\":\"{key}\",\"data\":\"{}\"}}\n",
            base64("日本語😀".repeat(40))
        )
    };
    let blob = run(
        &["aggregate"],
        line(uuid) + &line("鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵"),
    )
    .stdout;
    for columns in [60, 80, 120, 200] {
        for command in ["inspect", "stats", "verify"] {
            for args in [&[command][..], &[command, "--color", "always"]] {
                let path = file(
                    "cells.ndjson",
                    blob.clone() + "{\"data\":\"!!\"}\n{\"data\":\"H4sI\"}\n",
                );
                let mut child = crate::command(&[args, &[&path]].concat());
                let output = child.env("COLUMNS", columns.to_string()).output().unwrap();
                let shown = String::from_utf8(output.stdout).unwrap();
                for line in shown.lines() {
                    let plain = crate::color::plain(line);
                    let width = unicode_width::UnicodeWidthStr::width(plain.as_str());
                    // Only a path may be longer, since it is one word.
                    assert!(
                        width <= columns || line.contains("cells.ndjson"),
                        "{columns}: {width} {line}"
                    );
                }
            }
        }
    }
    let path = file("cells.ndjson", &blob);
    let output = crate::command(&["inspect", &path])
        .env("COLUMNS", "120")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    // In the table of keys and in that of user records.
    assert_eq!(shown.matches(&format!("\"{uuid}\"")).count(), 3, "{shown}");
}

#[test]
fn shards_are_read_from_describe_stream_and_other_documents_get_a_hint() {
    let shards = crate::aggregate::SHARDS;
    let described = file(
        "described.json",
        format!("{{\"StreamDescription\":{shards}}}"),
    );
    assert_eq!(run(&["stats", "--shards", &described], TWO).status, 0);
    let summary = file(
        "summary.json",
        r#"{"StreamDescriptionSummary":{"OpenShardCount":2}}"#,
    );
    run(&["stats", "--shards", &summary], TWO).refused_saying(&["aws kinesis list-shards"]);
}
