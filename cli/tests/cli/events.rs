//! Events as input, and the Python module's shape as output.

use serde_json::{Value, json};

use crate::{TWO, base64, file, fixture, json, malformed, run};

fn events() -> Value {
    json(&fixture("events.json"))
}

/// Name and content of each record, with what the Python module yields.
fn records() -> Vec<(String, Value, Vec<Value>)> {
    let events = events();
    let records = events["records"].as_array().unwrap();
    let take = |case: &Value| {
        let python = case["python_output"].as_array().unwrap().clone();
        (
            case["id"].as_str().unwrap().to_owned(),
            case["record"].clone(),
            python,
        )
    };
    records.iter().map(take).collect()
}

fn format_of(record: &Value) -> &'static str {
    if !record["kinesis"].is_null() {
        "lambda"
    } else if !record["kinesisRecordMetadata"].is_null() {
        "firehose"
    } else {
        "analytics"
    }
}

#[test]
fn records_come_out_as_the_python_module_yields_them() {
    for (id, record, python) in records() {
        let format = format_of(&record);
        let from = ["deaggregate", "--to", "event", "--from", format];
        for written in [
            record.to_string(),
            serde_json::to_string_pretty(&record).unwrap(),
            json!([record]).to_string(),
            json!({"Records": [record]}).to_string(),
            json!({"invocationId": "i", "records": [record]}).to_string(),
        ] {
            assert_eq!(run(&from, &written).json(), python, "{id}");
            assert_eq!(run(&from[..3], &written).json(), python, "{id}: guessed");
        }
        for other in ["lambda", "firehose", "analytics", "get-records"] {
            if other != format {
                let from = ["deaggregate", "--from", other];
                run(&from, record.to_string())
                    .failed_saying(&["not a record of the format", "<stdin>"]);
            }
        }
    }
}

#[test]
fn the_format_of_an_event_is_detected() {
    for case in events()["events"].as_array().unwrap() {
        let event = &case["event"];
        let ended = run(&["deaggregate"], event.to_string());
        let pretty = serde_json::to_string_pretty(event).unwrap();
        assert_eq!(run(&["deaggregate"], pretty).stdout, ended.stdout);
        let from_file = file("event.json", event.to_string());
        assert_eq!(run(&["deaggregate", &from_file], "").stdout, ended.stdout);
        let lines = ended.json();
        if let Some(count) = case["python_output_count"].as_u64() {
            assert_eq!(u64::try_from(lines.len()).unwrap(), count);
        }
        assert!(lines.iter().all(|line| line["sequenceNumber"].is_string()));
    }
}

/// Each field has one name in the output, whatever its name in the event.
#[test]
fn metadata_of_a_record_is_kept_in_every_output_shape() {
    let data = base64(hex::decode(TWO).unwrap());
    let ours = r#"{"record":0,"aggregated":true,"subSequenceNumber":1,"partitionKey":"b","explicitHashKey":null,"data":"eQ==","#;
    for (event, others) in [
        (
            format!(
                r#"{{"kinesis":{{"data":"{data}","partitionKey":"p","sequenceNumber":"7","approximateArrivalTimestamp":1.50}},"eventID":"e"}}"#
            ),
            r#""sequenceNumber":"7","approximateArrivalTimestamp":1.50,"eventID":"e"}"#,
        ),
        (
            format!(
                r#"{{"recordId":"r","approximateArrivalTimestamp":1,"data":"{data}","kinesisRecordMetadata":{{"sequenceNumber":"7","subsequenceNumber":"","approximateArrivalTimestamp":1562602080951.7}}}}"#
            ),
            r#""sequenceNumber":"7","subsequenceNumber":"","approximateArrivalTimestamp":1562602080951.7,"recordId":"r"}"#,
        ),
        (
            format!(
                r#"{{"Records":[{{"SequenceNumber":"7","ApproximateArrivalTimestamp":"2024-05-01T12:00:00.123456+00:00","Data":"{data}","PartitionKey":"p","EncryptionType":"KMS"}}],"NextShardIterator":"x","MillisBehindLatest":0}}"#
            ),
            r#""sequenceNumber":"7","approximateArrivalTimestamp":"2024-05-01T12:00:00.123456+00:00","encryptionType":"KMS"}"#,
        ),
    ] {
        let lines = run(&["deaggregate"], event).lines().join("\n");
        assert_eq!(
            lines.lines().nth(1),
            Some(format!("{ours}{others}").as_str())
        );
    }
    // What is not aggregated keeps its key.
    let plain = r#"{"Data":"eA==","PartitionKey":"p","SequenceNumber":"7"}"#;
    assert_eq!(
        run(&["deaggregate", "--from", "get-records"], plain).lines(),
        [
            r#"{"record":0,"aggregated":false,"reason":"no_magic","partitionKey":"p","data":"eA==","sequenceNumber":"7"}"#
        ]
    );
    assert_eq!(
        run(&["deaggregate", "--to", "event"], plain).lines(),
        [
            r#"{"kinesis":{"kinesisSchemaVersion":"1.0","sequenceNumber":"7","partitionKey":"p","data":"eA=="}}"#
        ]
    );
}

#[test]
fn the_other_formats_come_out_as_events_too() {
    let data = base64(hex::decode(TWO).unwrap());
    let line = format!(r#"{{"data":"{data}","sequenceNumber":"7","partitionKey":"p"}}"#);
    let user_record = |number: &str| {
        format!(
            r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0",{number}"explicitHashKey":null,"partitionKey":"a","subSequenceNumber":0,"aggregated":true,"data":"eA=="}}}}"#
        )
    };
    for (format, input, number) in [
        ("ndjson", line.into_bytes(), r#""sequenceNumber":"7","#),
        ("hex", TWO.into(), ""),
        ("base64", data.clone().into(), ""),
        ("raw", hex::decode(TWO).unwrap(), ""),
    ] {
        let ended = run(&["deaggregate", "--from", format, "--to", "event"], &input);
        assert_eq!(ended.lines()[0], user_record(number), "{format}");
        assert_eq!(
            run(&["deaggregate", "--to", "event"], &input).stdout,
            ended.stdout
        );
    }
}

#[test]
fn each_files_format_is_detected_by_its_beginning() {
    let raw = hex::decode(TWO).unwrap();
    let data = base64(&raw);
    let files = [
        file("guess.raw", &raw),
        file("guess.hex", format!("{}\n{TWO}\n", TWO.to_uppercase())),
        file("guess.b64", format!("{data}\n")),
        file(
            "guess.ndjson",
            format!("\n{{\"data\":\"{data}\"}}\n{{\"data\":\"\"}}\n"),
        ),
        file(
            "guess.json",
            format!("\n\n{{\n\"kinesis\" : {{\"data\":\"{data}\"}}}}\n{{\"Data\":\"\"}}"),
        ),
    ];
    let mut args = vec!["deaggregate"];
    args.extend(files.iter().map(String::as_str));
    let lines = run(&args, "").json();
    let records: Vec<_> = lines
        .iter()
        .map(|line| line["record"].as_u64().unwrap())
        .collect();
    assert_eq!(records, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 6, 7]);
}

#[test]
fn an_unknown_format_is_an_error_that_names_the_option() {
    for input in ["hello", "00", "eA==", "hello\nworld"] {
        let ended = run(&["deaggregate"], input);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{input:?}");
        assert!(ended.stderr.contains("--from"), "{ended:?}");
    }
    // What precedes the error is printed.
    let good = file("good.hex", TWO);
    let ended = run(&["deaggregate", &good, "-"], "hello");
    assert_eq!((ended.status, ended.stdout.lines().count()), (2, 2));
}

#[test]
fn a_bad_event_ends_the_run_after_all_earlier_output() {
    let good = r#"{"kinesis":{"data":"eA=="}}"#;
    for (bad, why) in [
        ("{", "the JSON ends in the middle: it was cut off"),
        ("{]", "not JSON: key must be a string at column 2"),
        ("7", "neither an event nor a record"),
        (r#"{"Records":7}"#, "not an event"),
        (
            r#"{"Records":[7]}"#,
            "element 0: neither an event nor a record",
        ),
        (r#"{"kinesis":{}}"#, "no data"),
        (r#"{"kinesis":{"data":"!"}}"#, "not base64"),
    ] {
        let ended = run(&["deaggregate"], format!("{good}\n{bad}"));
        let earlier = ended.failed_saying(&["<stdin>, line 2", why]);
        assert_eq!(earlier.lines().count(), 1, "{bad}");
    }
}

#[test]
fn malformed_records_of_events_pass_or_stop_as_elsewhere() {
    let data = base64(malformed());
    let event = format!(r#"{{"kinesis":{{"data":"{data}","sequenceNumber":"4959"}}}}"#);
    assert_eq!(
        run(&["deaggregate", "--to", "event"], &event).lines(),
        [event.as_str()]
    );
    for to in ["event", "ndjson"] {
        let args = ["deaggregate", "--malformed", "fail", "--to", to];
        run(&args, &event).failed_saying(&["record 0 (sequence number 4959) is malformed"]);
    }
}

/// EventBridge Pipes calls a function with an array of flat records.
const PIPES: &str = r#"{"kinesisSchemaVersion":"1.0","partitionKey":"p","sequenceNumber":"7","data":"eA==","approximateArrivalTimestamp":1545084650.987,"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:7","eventName":"aws:kinesis:record","awsRegion":"us-east-2"}"#;

#[test]
fn wrappers_around_events_are_read() {
    let record = r#"{"kinesis":{"data":"eA==","sequenceNumber":"7"}}"#;
    let event = format!(r#"{{"Records":[{record}]}}"#);
    let payload = |name: &str, value: String| {
        format!(
            r#"{{"requestContext":{{"condition":"RetryAttemptsExhausted"}},"version":"1.0","KinesisBatchInfo":{{"batchSize":1}},"{name}":{value}}}"#
        )
    };
    let data = r#"{"Data":"eA==","PartitionKey":"p","SequenceNumber":"7"}"#;
    let pushed = format!(
        r#"{{"SubscribeToShardEvent":{{"Records":[{data}],"ContinuationSequenceNumber":"8","MillisBehindLatest":0,"ChildShards":[]}}}}"#
    );
    for (from, document, count) in [
        ("lambda", payload("payload", json!(event).to_string()), 1),
        ("lambda", payload("payload", event.clone()), 1),
        ("lambda", payload("requestPayload", event.clone()), 1),
        ("get-records", pushed.clone(), 1),
        ("get-records", format!("[{pushed},{pushed}]"), 2),
        ("lambda", format!("[{event},{record}]"), 2),
        ("lambda", format!("[{PIPES}]"), 1),
        (
            "lambda",
            payload("payload", json!(format!("[{PIPES}]")).to_string()),
            1,
        ),
    ] {
        for args in [&["deaggregate", "--from", from][..], &["deaggregate"]] {
            let lines = run(args, &document).json();
            let numbers: Vec<_> = lines.iter().map(|line| &line["sequenceNumber"]).collect();
            assert_eq!(numbers, vec!["7"; count], "{document}");
        }
    }
}

#[test]
fn an_on_failure_document_without_payload_says_where_its_records_are() {
    let document = r#"{"requestContext":{},"KinesisBatchInfo":{"shardId":"shardId-1","startSequenceNumber":"4959","endSequenceNumber":"4960","batchSize":2}}"#;
    for args in [&["deaggregate", "--from", "lambda"][..], &["deaggregate"]] {
        run(args, document).failed_saying(&["no payload", "shardId-1", "4959", "4960"]);
    }
}

/// Such a record used to be dropped, with exit status 0.
#[test]
fn a_record_beside_a_stray_records_field_is_a_record() {
    for record in [
        r#"{"kinesis":{"data":"eA==","sequenceNumber":"7"},"records":[]}"#,
        r#"{"kinesis":{"data":"eA==","sequenceNumber":"7"},"Records":[]}"#,
        r#"{"data":"eA==","sequenceNumber":"7","records":[]}"#,
        r#"{"data":"eA==","sequenceNumber":"7","Records":[],"records":[]}"#,
        r#"{"Data":"eA==","SequenceNumber":"7","records":[]}"#,
        r#"{"data":"eA==","kinesisRecordMetadata":{"sequenceNumber":"7"},"records":{}}"#,
        r#"{"data":"eA==","sequenceNumber":"7","payload":"{\"Records\":[]}"}"#,
        r#"{"data":"eA==","sequenceNumber":"7","SubscribeToShardEvent":{"Records":[]}}"#,
    ] {
        for document in [record.to_owned(), format!("[{record}]")] {
            let lines = run(&["deaggregate"], &document).json();
            assert_eq!(lines.len(), 1, "{document}");
            assert_eq!(lines[0]["sequenceNumber"], "7", "{document}");
        }
    }
    // With two lists, it is an error: neither is dropped.
    let both = r#"{"Records":[],"records":[]}"#;
    run(&["deaggregate"], both).failed_saying(&["<stdin>", "both Records and records"]);
    // If a name is given twice, the last value counts.
    let twice = r#"{"Records":[],"Records":[{"kinesis":{"data":"eA=="}}]}"#;
    assert_eq!(run(&["deaggregate"], twice).lines().len(), 1);
}

#[test]
fn unusual_values_are_kept_in_every_output_shape() {
    for written in [
        "7",
        "1.50",
        "true",
        "null",
        r#"{"a": [1.0]}"#,
        r#""\ud800""#,
    ] {
        for record in [
            format!(r#"{{"data":"eA==","sequenceNumber":{written},"\ud800":1}}"#),
            format!(r#"{{"kinesis":{{"data":"eA==","sequenceNumber":{written},"\ud800":1}}}}"#),
            format!(r#"{{"data":"eA==","recordId":"r","sequenceNumber":{written},"\ud800":1}}"#),
            format!(r#"{{"data":"eA==","eventSource":"s","sequenceNumber":{written},"\ud800":1}}"#),
            format!(
                r#"{{"data":"eA==","kinesisRecordMetadata":{{"sequenceNumber":{written},"\ud800":1}}}}"#
            ),
            format!(
                r#"{{"data":"eA==","kinesisStreamRecordMetadata":{{"sequenceNumber":{written},"\ud800":1}}}}"#
            ),
            format!(
                r#"{{"data":"eA==","kinesisFirehoseRecordMetadata":{{"sequenceNumber":{written},"\ud800":1}}}}"#
            ),
            format!(r#"{{"Data":"eA==","SequenceNumber":{written},"\ud800":1}}"#),
        ] {
            let ended = run(&["deaggregate"], &record);
            let wanted = format!(r#""sequenceNumber":{written}"#);
            assert!(ended.lines()[0].contains(&wanted), "{record}: {ended:?}");
            assert!(
                ended.lines()[0].contains(r#""\ud800":1"#),
                "{record}: {ended:?}"
            );
            let ended = run(&["deaggregate", "--to", "event"], &record);
            assert!(ended.lines()[0].contains(&wanted), "{record}: {ended:?}");
        }
    }
}

#[test]
fn a_firehose_source_s_metadata_is_kept() {
    let event = r#"{"invocationId":"i","applicationArn":"a","streamArn":"s","records":[{"recordId":"r","data":"eA==","kinesisFirehoseRecordMetadata":{"approximateArrivalTimestamp":1520280173}}]}"#;
    for args in [
        &["deaggregate", "--from", "analytics"][..],
        &["deaggregate"],
    ] {
        let lines = run(args, event).json();
        assert_eq!(lines[0]["approximateArrivalTimestamp"], 1_520_280_173);
        let args = [args, &["--to", "event"]].concat();
        let lines = run(&args, event).json();
        assert_eq!(
            lines[0]["kinesis"]["approximateArrivalTimestamp"],
            1_520_280_173
        );
    }
}

/// A value over several lines used to break the output line in two.
#[test]
fn each_object_is_one_line_however_the_event_was_written() {
    let value = "{\n\"a\":\r\n1, \"b\": \"\\n\"}";
    let event = format!("{{\"kinesis\":{{\"data\":\"eA==\",\"x\":{value}}},\n\"y\":{value}}}");
    let transformation = format!(
        "{{\"records\":[{{\"recordId\":{value},\n\"data\":\"eA==\",\"kinesisRecordMetadata\":{{\"shardId\":{value}}}}}]}}"
    );
    for input in [event, transformation] {
        for to in ["ndjson", "event"] {
            let ended = run(&["deaggregate", "--to", to], &input);
            assert_eq!(ended.lines().len(), 1, "{ended:?}");
            assert!(!ended.stdout.contains('\r'), "{ended:?}");
            assert_eq!(ended.json().len(), 1);
        }
    }
}
