//! Events in, and the Python module's shape out.

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
                run(&from, record.to_string()).failed_saying(&["of another kind", "<stdin>"]);
            }
        }
    }
}

#[test]
fn an_event_just_works() {
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

/// One name for one thing, whatever the event calls it.
#[test]
fn what_is_known_of_a_record_goes_along_in_every_shape() {
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
fn each_file_is_guessed_by_how_it_begins() {
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
fn what_cannot_be_guessed_is_asked_for() {
    for input in ["", "\n \n", "hello", "00", "eA==", "\u{1}"] {
        let ended = run(&["deaggregate"], input);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{input:?}");
        assert!(ended.stderr.contains("--from"), "{ended:?}");
    }
    // What came before is there.
    let good = file("good.hex", TWO);
    let ended = run(&["deaggregate", &good, "-"], "hello");
    assert_eq!((ended.status, ended.stdout.lines().count()), (2, 2));
}

#[test]
fn a_bad_event_ends_the_run_after_all_earlier_output() {
    let good = r#"{"kinesis":{"data":"eA=="}}"#;
    for (bad, why) in [
        ("{", "not JSON"),
        ("7", "neither an event nor a record"),
        (r#"{"Records":7}"#, "not an event"),
        (r#"{"Records":[7]}"#, "not a record"),
        (r#"{"kinesis":{}}"#, "no data"),
        (r#"{"kinesis":{"data":"A"}}"#, "not base64"),
    ] {
        let ended = run(&["deaggregate"], format!("{good}\n{bad}"));
        let earlier = ended.failed_saying(&["<stdin>, document 2", why]);
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
