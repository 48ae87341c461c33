//! Real inputs, and the bytes of real producers.

use serde_json::{Value, json};

use crate::{Ended, KPL_NDJSON, base64, fixture, json, run, unhex};

/// Returns the lines of all blobs but the empty one, which would be a blank line.
fn decode_lines() -> Vec<Value> {
    let lines = fixture("decode.jsonl");
    let lines = lines.lines().map(json);
    lines.filter(|line| line["input_hex"] != "").collect()
}

/// Returns a key as `deaggregate` prints it.
fn key(name: &str, bytes: Option<Vec<u8>>) -> (String, Value) {
    match bytes.map(String::from_utf8) {
        None => (name.to_owned(), Value::Null),
        Some(Ok(text)) => (name.to_owned(), json!(text)),
        Some(Err(error)) => (format!("{name}Base64"), json!(base64(error.as_bytes()))),
    }
}

/// Returns what must be printed for an aggregate, according to Google's C++ runtime.
fn user_records(record: usize, message: &Value) -> Vec<Value> {
    let entry = |table: &str, index: &Value| {
        let index: usize = index.as_str().unwrap().parse().unwrap();
        unhex(&message[table][index])
    };
    let line = |(place, user_record): (usize, &Value)| {
        let mut line = json!({
            "record": record,
            "aggregated": true,
            "subSequenceNumber": place,
            "data": base64(unhex(&user_record["data_hex"])),
        });
        let partition_key = entry("partition_keys_hex", &user_record["pk_index"]);
        let explicit_hash_key = match &user_record["ehk_index"] {
            Value::Null => None,
            index => Some(entry("explicit_hash_keys_hex", index)),
        };
        for (name, value) in [
            key("partitionKey", Some(partition_key)),
            key("explicitHashKey", explicit_hash_key),
        ] {
            line[name] = value;
        }
        line
    };
    let records = message["records"].as_array().unwrap();
    records.iter().enumerate().map(line).collect()
}

/// Checks what one run printed for all of `decode.jsonl`.
fn check_decoded(ended: &Ended, format: &str) {
    assert_eq!(ended.status, 0);
    let mut printed: Vec<Vec<Value>> = Vec::new();
    let fixtures = decode_lines();
    printed.resize_with(fixtures.len(), Vec::new);
    for line in ended.stdout.lines() {
        let line = json(line);
        let record = usize::try_from(line["record"].as_u64().unwrap()).unwrap();
        printed[record].push(line);
    }
    let mut empty_count = 0;
    for (record, (fixture, printed)) in fixtures.iter().zip(&mut printed).enumerate() {
        let id = &fixture["id"];
        let whole = |printed: &[Value]| {
            assert_eq!(printed.len(), 1, "{format} {id}");
            assert_eq!(printed[0]["aggregated"], false, "{format} {id}");
            let data = base64(unhex(&fixture["input_hex"]));
            assert_eq!(printed[0]["data"], json!(data), "{format} {id}");
            printed[0]["reason"].as_str().unwrap().to_owned()
        };
        match fixture["class"].as_str().unwrap() {
            "records" | "invalid_utf8" | "ehk_not_a_number" | "ehk_out_of_range" => {
                // C++ only counts the tags; another test reads them.
                for (line, wanted) in printed.iter_mut().zip(
                    fixture["cpp_protobuf_3_21_12"]["records"]
                        .as_array()
                        .unwrap(),
                ) {
                    let tags = line
                        .as_object_mut()
                        .unwrap()
                        .remove("tags")
                        .unwrap_or(json!([]));
                    assert_eq!(
                        tags.as_array().unwrap().len(),
                        usize::try_from(wanted["tags"].as_u64().unwrap()).unwrap(),
                        "{format} {id}"
                    );
                }
                let wanted = user_records(record, &fixture["cpp_protobuf_3_21_12"]);
                assert_eq!(*printed, wanted, "{format} {id}");
            }
            "not_aggregated" => {
                let reason = whole(printed);
                assert!(
                    ["no_magic", "too_short", "digest_mismatch"].contains(&&*reason),
                    "{format} {id}: {reason}"
                );
            }
            "malformed" | "bad_index" => {
                assert_eq!(whole(printed), "malformed", "{format} {id}");
                assert!(
                    printed[0]["error"].as_str().unwrap().contains(" at byte "),
                    "{format} {id}"
                );
            }
            "no_records" => {
                empty_count += 1;
                assert!(printed.is_empty(), "{format} {id}");
            }
            // Either verdict is accepted, but something must be printed.
            "runtimes_disagree" => assert!(!printed.is_empty(), "{format} {id}"),
            unknown => panic!("{unknown}"),
        }
    }
    assert!(empty_count > 0);
    assert_eq!(ended.stderr.lines().count(), empty_count);
}

#[test]
fn every_fixture_has_its_expected_output_in_every_format() {
    let blobs: Vec<_> = decode_lines()
        .iter()
        .map(|line| unhex(&line["input_hex"]))
        .collect();
    let lines = |encode: &dyn Fn(&Vec<u8>) -> String| -> String {
        blobs.iter().map(|blob| encode(blob) + "\n").collect()
    };
    for (format, input) in [
        ("hex", lines(&|blob| hex::encode(blob))),
        ("base64", lines(&|blob| base64(blob))),
        (
            "ndjson",
            lines(&|blob| json!({ "data": base64(blob) }).to_string()),
        ),
    ] {
        check_decoded(&run(&["deaggregate", "--from", format], &input), format);
        let inspected = run(&["inspect", "--from", format], &input);
        assert_eq!(inspected.status, 0);
        for record in 0..blobs.len() {
            assert!(
                inspected.stdout.contains(&format!("record {record} (")),
                "{format} {record}"
            );
        }
    }
}

#[test]
fn the_example_file_holds_the_records_of_the_real_kpl() {
    let kpl = json(&fixture("kpl.json"));
    let wanted: Vec<_> = kpl["fixtures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            json!({
                "data": record["input_base64"],
                "partitionKey": record["outer_partition_key"],
                "id": record["id"],
            })
        })
        .collect();
    let example = std::fs::read_to_string(KPL_NDJSON).unwrap();
    let lines: Vec<_> = example.lines().map(json).collect();
    assert_eq!(lines, wanted);
}

#[test]
fn the_real_kpls_user_records_come_out_and_go_back_into_the_same_bytes() {
    let kpl = json(&fixture("kpl.json"));
    let printed = run(&["deaggregate", "--from", "ndjson", KPL_NDJSON], "").json();
    let mut counts = Vec::new();
    for (record, fixture) in kpl["fixtures"].as_array().unwrap().iter().enumerate() {
        let lines: Vec<_> = printed
            .iter()
            .filter(|line| line["record"] == record)
            .collect();
        let wanted = fixture["expected_records"].as_array().unwrap();
        assert_eq!(lines.len(), wanted.len());
        counts.push(lines.len());
        for (line, wanted) in lines.iter().zip(wanted) {
            assert_eq!(line["aggregated"], fixture["aggregated"]);
            assert_eq!(line["id"], fixture["id"]);
            assert_eq!(line["partitionKey"], wanted["partition_key"]);
            assert_eq!(line["explicitHashKey"], wanted["explicit_hash_key"]);
            assert_eq!(line["data"], json!(base64(unhex(&wanted["data_hex"]))));
        }
        // A plain record, too, is unchanged if it is aggregated alone and raw.
        let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let again = run(&["aggregate", "--lone", "raw", "--outer-key", "kpl"], input).json();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0]["data"], fixture["input_base64"]);
        assert_eq!(again[0]["partitionKey"], fixture["outer_partition_key"]);
        assert_eq!(again[0]["userRecords"], wanted.len());
    }
    assert_eq!(counts, [4, 8, 4, 1]);
}

#[test]
fn aggregate_writes_what_the_kpl_writes_under_the_keys_that_it_uses() {
    let mut identical_count = 0;
    for line in fixture("encode.jsonl").lines() {
        let line = json(line);
        let id = &line["id"];
        let Some(records) = line["records"].as_array() else {
            continue;
        };
        let input: String = records
            .iter()
            .map(|record| {
                let data = match &record["data_rep"] {
                    Value::Null => unhex(&record["data_hex"]),
                    rep => {
                        let byte = u8::try_from(rep["byte"].as_u64().unwrap()).unwrap();
                        vec![byte; usize::try_from(rep["len"].as_u64().unwrap()).unwrap()]
                    }
                };
                let line = json!({
                    "partitionKey": record["partition_key"],
                    "explicitHashKey": record["explicit_hash_key"],
                    "data": base64(data),
                });
                format!("{line}\n")
            })
            .collect();
        let ended = run(
            &["aggregate", "--outer-key", "kpl", "--lone", "raw"],
            &input,
        );
        if line.get("kpl_error").is_some() {
            ended.failed_saying(&["line 1"]);
            continue;
        }
        let lines = ended.json();
        assert_eq!(lines.len(), 1, "{id}");
        let outer = &line["outer"]["kpl"];
        assert_eq!(
            json!([lines[0]["partitionKey"], lines[0]["explicitHashKey"]]),
            *outer,
            "{id}"
        );
        if line.get("kpl_single").is_some() {
            assert_eq!(
                lines[0]["data"],
                json!(base64(unhex(&records[0]["data_hex"])))
            );
        } else if line["kpl_hex"].is_null() {
            assert_eq!(lines[0]["size"], line["kpl_len"], "{id}");
        } else {
            assert_eq!(
                lines[0]["data"],
                json!(base64(unhex(&line["kpl_hex"]))),
                "{id}"
            );
            identical_count += 1;
        }
    }
    assert!(identical_count > 40);
}
