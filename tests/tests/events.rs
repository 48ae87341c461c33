//! Compares events of Lambda, Firehose and Analytics with what AWS's Python module yields
//! for them. Protects functions that are ported from that module, and services that match
//! responses by the identifiers they sent.

extern crate alloc;

use alloc::collections::BTreeMap;

use kinesis_agg::lambda::{
    AnalyticsEvent, BatchItemFailures, EventDocument, EventError, EventRecord, EventRecordError,
    FirehoseEvent, JsonField, KinesisEvent, PipesEvent, RecordShape, TimeWindowAnswer,
    TimeWindowEvent, TransformationFailure, TransformationResult, Transformed, UserRecordEvent,
};
use kinesis_agg::{Delivered, EnclosingRecord, deaggregate};
use kinesis_agg_tests::fixtures::{compact, events};
use kinesis_agg_tests::{message_of, reseal};
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn to_json(delivered: Delivered<'_, EventRecord>) -> String {
    serde_json::to_string(&UserRecordEvent::from(delivered)).unwrap()
}

fn yielded(record: &EventRecord) -> Vec<String> {
    deaggregate(core::slice::from_ref(record))
        .map(to_json)
        .collect()
}

fn event<T: serde::de::DeserializeOwned>(id: &str) -> T {
    let events = events().events;
    let case = events.iter().find(|case| case.id == id).unwrap();
    serde_json::from_str(case.event.get()).unwrap()
}

/// The JSON text is equal, including the order of fields and the digits of numbers.
#[test]
fn user_records_equal_the_python_modules_output_field_for_field() {
    for case in events().records {
        let record: EventRecord = serde_json::from_str(case.record.get()).unwrap();
        let python: Vec<_> = case
            .python_output
            .iter()
            .map(|json| compact(json))
            .collect();
        assert_eq!(yielded(&record), python, "{}", case.id);
    }
}

#[test]
fn records_serialize_to_their_input() {
    for case in events().records {
        let record: EventRecord = serde_json::from_str(case.record.get()).unwrap();
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            compact(&case.record)
        );
        // The same if a runtime has parsed the event before.
        let value: Value = serde_json::from_str(case.record.get()).unwrap();
        let parsed: EventRecord = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&parsed).unwrap(), value);
        assert_eq!(parsed.data(), record.data());
    }
}

#[test]
fn the_sample_event_yields_what_the_python_module_does() {
    let case = &events().events[0];
    let event: KinesisEvent = serde_json::from_str(case.event.get()).unwrap();
    let all: Vec<_> = event.user_records().map(to_json).collect();
    let python = |json: &Option<Box<RawValue>>| Some(compact(json.as_ref().unwrap()));
    assert_eq!(Some(all.len()), case.python_output_count);
    assert_eq!(all.first().cloned(), python(&case.python_output_first));
    assert_eq!(all.last().cloned(), python(&case.python_output_last));
    let with_envelope = serde_json::to_string(&event).unwrap();
    assert_eq!(with_envelope, compact(&case.event));
}

/// The records in the events are also fixtures of their own.
#[test]
fn transformation_events_yield_the_user_records_of_their_records() {
    let firehose: FirehoseEvent = event("firehose_transformation_event");
    let analytics: AnalyticsEvent = event("analytics_preprocessing_event");
    let python = |ids: &[&str]| -> Vec<String> {
        let records = events().records;
        let cases = ids
            .iter()
            .map(|id| records.iter().find(|case| case.id == *id).unwrap());
        cases
            .flat_map(|case| case.python_output.iter().map(|json| compact(json)))
            .collect()
    };
    let of_firehose: Vec<_> = firehose.user_records().map(to_json).collect();
    assert_eq!(of_firehose, python(&["firehose_aggregated"]));
    let of_analytics: Vec<_> = analytics.user_records().map(to_json).collect();
    let ids = ["kpl_generated_ka_rec", "kpl_generated_ka_non_agg_rec"];
    assert_eq!(of_analytics, python(&ids));
    for (ours, id) in [
        (
            serde_json::to_string(&firehose),
            "firehose_transformation_event",
        ),
        (
            serde_json::to_string(&analytics),
            "analytics_preprocessing_event",
        ),
    ] {
        let events = events().events;
        let case = events.iter().find(|case| case.id == id).unwrap();
        assert_eq!(ours.unwrap(), compact(&case.event));
    }
}

#[test]
fn user_records_keep_the_metadata_of_their_record() {
    let event: KinesisEvent = event("java_sample_lambda_event");
    let last = event.user_records().last().unwrap();
    let record = last.enclosing();
    assert_eq!(record.shape(), RecordShape::Kinesis);
    assert_eq!(record.partition_key(), Some("partitionKey-03"));
    assert_eq!(last.partition_key().unwrap(), "abc");
    assert_eq!(last.sub_sequence_number(), 99);
    assert_eq!(record.field("awsRegion").unwrap().get(), r#""us-east-1""#);
    assert_eq!(
        record.metadata("kinesisSchemaVersion").unwrap().get(),
        r#""1.0""#
    );
    let arrived = record.approximate_arrival_timestamp().unwrap();
    assert_eq!(arrived.get(), "1428537600");
    assert!(record.field("kinesis").is_none() && record.metadata("data").is_none());
}

#[test]
fn timestamps_are_passed_on_unchanged() {
    for written in [
        "1.5",
        "1518133507.063",
        "1518133507.0630000001",
        "1562602080951",
        "1562602080951.7",
        "1.50e9",
        "\"2024-05-01T12:00:00.123456+00:00\"",
        "null",
    ] {
        let all = [
            format!(r#"{{"kinesis":{{"data":"eA==","approximateArrivalTimestamp":{written}}}}}"#),
            format!(
                r#"{{"recordId":"r","data":"eA==","kinesisRecordMetadata":{{"approximateArrivalTimestamp":{written},"subsequenceNumber":"7"}}}}"#
            ),
            format!(r#"{{"Data":"eA==","ApproximateArrivalTimestamp":{written}}}"#),
            format!(r#"{{"recordId":"r","approximateArrivalTimestamp":{written},"data":"eA=="}}"#),
        ];
        for json in all {
            let record: EventRecord = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&record).unwrap(), json);
            assert_eq!(
                record.approximate_arrival_timestamp().unwrap().get(),
                written
            );
            let wanted = format!(r#""approximateArrivalTimestamp":{written}"#);
            assert!(yielded(&record)[0].contains(&wanted), "{json}");
        }
    }
}

/// The Python and Node modules take the first explicit hash key in the table instead of
/// none, and lose keys that are not UTF-8.
#[test]
fn a_missing_explicit_hash_key_stays_missing_and_keys_that_are_not_utf8_are_kept() {
    let message = [
        b"\x0a\x02\xff\x00".as_slice(),
        b"\x12\x017",
        b"\x1a\x05\x08\x00\x1a\x01x",
    ]
    .concat();
    let data = serde_json::to_value(Base64(&reseal(&message))).unwrap();
    let record = json!({"kinesis": {"sequenceNumber": "1", "data": data}, "eventID": "e"});
    let record: EventRecord = serde_json::from_value(record).unwrap();
    assert_eq!(
        yielded(&record),
        [
            r#"{"kinesis":{"sequenceNumber":"1","explicitHashKey":null,"partitionKeyBase64":"/wA=","subSequenceNumber":0,"aggregated":true,"data":"eA=="},"eventID":"e"}"#
        ]
    );
}

/// A `recordId` field in a Lambda record has no special meaning and is not moved.
#[test]
fn a_record_id_field_in_a_lambda_record_stays_in_place() {
    let message = b"\x0a\x01a\x1a\x05\x08\x00\x1a\x01x";
    let data = serde_json::to_value(Base64(&reseal(message))).unwrap();
    let record = json!({"kinesis": {"recordId": "in", "data": data}, "recordId": "beside"});
    let record: EventRecord = serde_json::from_value(record).unwrap();
    assert_eq!(
        yielded(&record),
        [
            r#"{"kinesis":{"explicitHashKey":null,"partitionKey":"a","subSequenceNumber":0,"aggregated":true,"data":"eA==","recordId":"in"},"recordId":"beside"}"#
        ]
    );
}

struct Base64<'a>(&'a [u8]);

impl serde::Serialize for Base64<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(self.0))
    }
}

#[test]
fn a_malformed_record_is_passed_through_unchanged() {
    let data = serde_json::to_value(Base64(&reseal(b"\x1a\x02\x08\x07"))).unwrap();
    let json = json!({"kinesis": {"data": data, "partitionKey": "p"}, "x": 1});
    let record: EventRecord = serde_json::from_value(json.clone()).unwrap();
    let delivered = deaggregate(core::slice::from_ref(&record)).next().unwrap();
    assert!(delivered.malformed().is_some());
    assert_eq!(
        serde_json::from_str::<Value>(&to_json(delivered)).unwrap(),
        json
    );
}

#[test]
fn the_error_for_an_invalid_record_states_the_reason() {
    for (json, why) in [
        (r#"{"kinesis":7}"#, "kinesis is not an object"),
        (r#"{"kinesis":{}}"#, "no data: expected a string of base64"),
        (
            r#"{"kinesis":{"data":null}}"#,
            "no data: expected a string of base64",
        ),
        (r#"{"data":"A"}"#, "data is not base64 at byte 1"),
        (r#"{"data":"eA-="}"#, "data is not base64 at byte 2"),
        (r#"{"data":"eB=="}"#, "data is not base64 at byte 1"),
        (r#"{"Data":"A"}"#, "Data is not base64"),
        (
            r#"{"kinesisRecordMetadata":[],"data":""}"#,
            "kinesisRecordMetadata is not an object",
        ),
        ("{}", "no data: expected a string of base64"),
        ("[]", "not a JSON object"),
    ] {
        let error = serde_json::from_str::<EventRecord>(json).unwrap_err();
        assert!(error.to_string().contains(why), "{json}: {error}");
    }
    let error = serde_json::from_str::<FirehoseEvent>(
        r#"{"invocationId":"i","records":[{"data":"eA=="}]}"#,
    );
    assert!(error.unwrap_err().to_string().contains("no recordId"));
}

#[test]
fn batch_item_failures_name_each_kinesis_record_once() {
    let plain = |number: &str| json!({"kinesis": {"data": "eA==", "sequenceNumber": number}});
    let mut event: Value = serde_json::from_str(events().events[0].event.get()).unwrap();
    let records = event["Records"].as_array_mut().unwrap();
    records.insert(0, plain("1"));
    records.push(plain("3"));
    records.push(json!({"kinesis": {"data": "eA=="}}));
    let event: KinesisEvent = serde_json::from_value(event).unwrap();
    let mut failures = BatchItemFailures::default();
    assert!(failures.is_empty());
    assert_eq!(
        serde_json::to_string(&failures).unwrap(),
        r#"{"batchItemFailures":[]}"#
    );
    for delivered in event.user_records().skip(1) {
        failures.push(&delivered);
    }
    assert!(!failures.is_empty());
    let aggregate = event.records[1].sequence_number().unwrap();
    // An empty identifier fails the whole batch.
    let numbers: Vec<_> = failures.identifiers().collect();
    assert_eq!(numbers, [aggregate, "3", ""]);
    assert_eq!(
        serde_json::to_value(&failures).unwrap(),
        json!({"batchItemFailures": [
            {"itemIdentifier": aggregate}, {"itemIdentifier": "3"}, {"itemIdentifier": ""},
        ]})
    );
}

#[test]
fn the_state_of_a_time_window_is_passed_on_unchanged() {
    let mut json: Value = serde_json::from_str(events().events[0].event.get()).unwrap();
    let more = json!({
        "window": {"start": "2020-07-30T17:00:00Z", "end": "2020-07-30T17:05:00Z"},
        "state": {"1": 282, "2": 715},
        "shardId": "shardId-000000000006",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/lambda-stream",
        "isFinalInvokeForWindow": false,
        "isWindowTerminatedEarly": false,
    });
    json.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let event: TimeWindowEvent = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(event.user_records().count(), 100);
    assert_eq!(serde_json::to_value(&event).unwrap(), json);
    let answer = TimeWindowAnswer {
        state: event.state().to_owned(),
        failures: BatchItemFailures::default(),
    };
    assert_eq!(
        serde_json::to_string(&answer).unwrap(),
        r#"{"state":{"1":282,"2":715},"batchItemFailures":[]}"#
    );
    // The invocation that only ends the window has no records.
    let last = r#"{"window":{"start":"s","end":"e"},"isFinalInvokeForWindow":true}"#;
    let last: TimeWindowEvent = serde_json::from_str(last).unwrap();
    assert!(last.records.is_empty() && last.is_final_invoke_for_window);
}

/// A user record in an aggregate has no `recordId` of its own, so the response has one
/// result for the whole aggregate.
#[test]
fn a_transformation_returns_one_result_per_record_id() {
    let event: AnalyticsEvent = event("analytics_preprocessing_event");
    let [aggregate, plain] = [0, 1].map(|place| &event.records[place]);
    let number = |d: &Delivered<'_, EventRecord>| (d.record_index(), d.sub_sequence_number());
    let line = |d: &Delivered<'_, EventRecord>| [d.data(), b"\n"].concat();
    let lines = |record: &EventRecord| {
        deaggregate(core::slice::from_ref(record))
            .flat_map(|d| line(&d))
            .collect()
    };
    let [all, one]: [Vec<u8>; 2] = [lines(aggregate), lines(plain)];
    let check = |transform: &mut dyn FnMut(Delivered<'_, EventRecord>) -> Transformed,
                 expected: [(TransformationResult, &[u8]); 2]| {
        let answer = event.transform(transform);
        let records = answer.records();
        assert_eq!(records.len(), 2);
        let ids = [aggregate, plain].map(|record| record.record_id().unwrap());
        for ((answered, id), (result, data)) in records.iter().zip(ids).zip(expected) {
            assert_eq!(answered.record_id, id);
            assert_eq!(answered.result, result);
            assert_eq!(answered.data, data);
        }
    };
    use TransformationResult::{Dropped, Ok, ProcessingFailed};
    // The outputs of an aggregate's user records are concatenated.
    check(&mut |d| Transformed::Ok(line(&d)), [(Ok, &all), (Ok, &one)]);
    check(
        &mut |d| match number(&d) {
            (0, 2) => Transformed::Ok(b"two".to_vec()),
            (0, 3) => Transformed::Ok(b"+three".to_vec()),
            _ => Transformed::Dropped,
        },
        [(Ok, b"two+three"), (Dropped, b"")],
    );
    // If one fails, the whole record fails, and the service keeps it.
    let mut asked = Vec::new();
    check(
        &mut |d| {
            asked.push(number(&d));
            match number(&d) {
                (0, 1) => Transformed::ProcessingFailed,
                _ => Transformed::Ok(Vec::new()),
            }
        },
        [(ProcessingFailed, aggregate.data()), (Ok, b"")],
    );
    assert_eq!(asked, [(0, 0), (0, 1), (1, 0)]);

    let answer = event.transform(|_| Transformed::Ok(b"x".to_vec()));
    assert_eq!(
        serde_json::to_value(&answer).unwrap()["records"][1],
        json!({"recordId": plain.record_id(), "result": "Ok", "data": "eA=="})
    );
}

#[test]
fn an_aggregate_without_user_records_is_dropped() {
    let empty = reseal(b"\x0a\x01a");
    assert_eq!(message_of(&empty), b"\x0a\x01a");
    let data = serde_json::to_value(Base64(&empty)).unwrap();
    let event = json!({"invocationId": "i", "records": [{"recordId": "r", "data": data}]});
    let event: FirehoseEvent = serde_json::from_value(event).unwrap();
    let answer = event.transform(|_| Transformed::Ok(Vec::new()));
    let [record] = answer.records() else { panic!() };
    assert_eq!(record.result, TransformationResult::Dropped);
    assert_eq!((record.record_id.as_str(), record.data.len()), ("r", 0));
}

#[test]
fn metadata_is_separate_from_other_fields_and_numbers_keep_their_text() {
    let json =
        r#"{"kinesis":{"partitionKey":12,"sequenceNumber":-7.50,"data":"eA==","x":null},"data":1}"#;
    let record: EventRecord = serde_json::from_str(json).unwrap();
    assert_eq!(record.partition_key(), Some("12"));
    assert_eq!(record.sequence_number(), Some("-7.50"));
    let names: Vec<_> = record
        .metadata_fields()
        .filter_map(JsonField::name)
        .collect();
    assert_eq!(names, ["partitionKey", "sequenceNumber", "x"]);
    let names: Vec<_> = record.fields().filter_map(JsonField::name).collect();
    assert_eq!(names, ["data"]);
    assert_eq!(record.field("data").unwrap().get(), "1");
    // If the data is not in the metadata, a field `data` in the metadata is an ordinary field.
    let json = r#"{"recordId":"r","data":"eA==","kinesisRecordMetadata":{"data":2}}"#;
    let record: EventRecord = serde_json::from_str(json).unwrap();
    assert!(record.field("data").is_none());
    let names: Vec<_> = record.fields().filter_map(JsonField::name).collect();
    assert_eq!(names, ["recordId"]);
    assert_eq!(record.metadata("data").unwrap().get(), "2");
}

/// Unusual values of a sequence number that JSON allows.
const ODD: [&str; 7] = [
    "7",
    "-1.50e400",
    "true",
    "null",
    r#"{"a": [1.0],"a":2}"#,
    r#""\ud800""#,
    r#""\u0037""#,
];

/// Returns a record of each shape with this sequence number, and with fields of unusual
/// names wherever the shape allows fields.
fn odd_records(written: &str) -> [(RecordShape, String); 7] {
    let odd = r#""\ud800":1,"\u0061":2,"":3"#;
    let in_object = |name: &str| {
        format!(
            r#"{{"recordId":"r","{name}":{{"sequenceNumber":{written},{odd}}},"data":"eA==",{odd}}}"#
        )
    };
    [
        (
            RecordShape::Kinesis,
            format!(
                r#"{{"kinesis":{{"sequenceNumber":{written},"data":"eA==",{odd}}},"recordId":"r",{odd}}}"#
            ),
        ),
        (
            RecordShape::Analytics,
            in_object("kinesisStreamRecordMetadata"),
        ),
        (
            RecordShape::AnalyticsOfFirehose,
            in_object("kinesisFirehoseRecordMetadata"),
        ),
        (RecordShape::Firehose, in_object("kinesisRecordMetadata")),
        (
            RecordShape::GetRecords,
            format!(r#"{{"SequenceNumber":{written},"Data":"eA==","recordId":"r",{odd}}}"#),
        ),
        (
            RecordShape::Pipes,
            format!(
                r#"{{"sequenceNumber":{written},"data":"eA==","eventSource":"aws:kinesis","recordId":"r",{odd}}}"#
            ),
        ),
        (
            RecordShape::Bare,
            format!(r#"{{"sequenceNumber":{written},"data":"eA==","recordId":"r",{odd}}}"#),
        ),
    ]
}

#[test]
fn unusual_names_and_values_are_kept_in_every_shape() {
    for written in ODD {
        for (shape, json) in odd_records(written) {
            let record: EventRecord = serde_json::from_str(&json).unwrap();
            assert_eq!(record.shape(), shape);
            assert_eq!(serde_json::to_string(&record).unwrap(), json);
            let text = match written {
                "7" | r#""\u0037""# => Some("7"),
                "-1.50e400" => Some(written),
                _ => None,
            };
            assert_eq!(record.sequence_number(), text, "{json}");
            let [python] = yielded(&record).try_into().unwrap();
            let wanted = format!(r#""sequenceNumber":{written}"#);
            assert!(python.contains(&wanted), "{python}");
        }
    }
}

/// Fields next to the aggregate are also copied to its user records.
#[test]
fn unusual_names_and_values_are_kept_in_user_records() {
    let data = serde_json::to_string(&Base64(&reseal(b"\x0a\x01a\x1a\x05\x08\x00\x1a\x01x")));
    let data = data.unwrap();
    for written in ODD {
        for (shape, json) in odd_records(written) {
            let json = json.replace(r#""eA==""#, &data);
            let record: EventRecord = serde_json::from_str(&json).unwrap();
            let [python] = yielded(&record).try_into().unwrap();
            let wanted = format!(r#""sequenceNumber":{written},"explicitHashKey":null"#);
            assert!(python.contains(&wanted), "{python}");
            let beside = r#""\ud800":1,"\u0061":2,"":3}"#;
            let has_beside = matches!(shape, RecordShape::Kinesis | RecordShape::Pipes);
            assert_eq!(python.ends_with(beside), has_beside, "{python}");
        }
    }
}

#[test]
fn the_last_value_of_a_repeated_name_is_used() {
    for (json, once) in [
        (
            r#"{"kinesis":7,"kinesis":{"data":7,"data":"eA==","sequenceNumber":1,"sequenceNumber":2}}"#,
            r#"{"kinesis":{"data":"eA==","sequenceNumber":2}}"#,
        ),
        (
            r#"{"recordId":null,"data":"-","data":"eA==","kinesisRecordMetadata":{"sequenceNumber":2},"recordId":"r"}"#,
            r#"{"recordId":"r","data":"eA==","kinesisRecordMetadata":{"sequenceNumber":2}}"#,
        ),
    ] {
        let record: EventRecord = serde_json::from_str(json).unwrap();
        assert_eq!(record.sequence_number(), Some("2"));
        assert_eq!(serde_json::to_string(&record).unwrap(), once);
    }
    let record = r#"{"recordId":"r","data":"eA=="}"#;
    fn round<T: serde::de::DeserializeOwned + serde::Serialize>(json: &str, once: &str) {
        let event: T = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), once);
    }
    let stream = format!(r#"{{"Records":7,"x":1,"Records":[{record}],"\ud800":1.50,"x":2}}"#);
    let once = format!(r#"{{"Records":[{record}],"x":2,"\ud800":1.50}}"#);
    round::<KinesisEvent>(&stream, &once);
    let window = r#"{"window":7,"state":1,"window":{"start":"s","end":"e","z":1.0},"state":2.50}"#;
    let once = r#"{"window":{"start":"s","end":"e","z":1.0},"state":2.50}"#;
    round::<TimeWindowEvent>(window, once);
    let json = format!(
        r#"{{"invocationId":7,"invocationId":"i","records":[],"y":1.0,"records":[{record}]}}"#
    );
    let once = format!(r#"{{"invocationId":"i","records":[{record}],"y":1.0}}"#);
    round::<FirehoseEvent>(&json, &once);
    round::<AnalyticsEvent>(&json, &once);
    round::<PipesEvent>(
        &format!("[{record},{record}]"),
        &format!("[{record},{record}]"),
    );
}

#[test]
fn the_error_for_an_invalid_event_states_the_place_and_the_reason() {
    let wrong = |name, expected| EventError::WrongType { name, expected };
    let record = |index, error| EventError::Record { index, error };
    for (json, error) in [
        ("[]", EventError::NotAnEvent),
        ("{}", wrong("Records", "an array")),
        (r#"{"Records":null}"#, wrong("Records", "an array")),
        (
            r#"{"Records":[{"data":""},7]}"#,
            record(1, EventRecordError::NotARecord),
        ),
        (
            r#"{"Records":[{"data":""},{"data":""},{"kinesis":{"data":"eAA-"}}]}"#,
            record(
                2,
                EventRecordError::NotBase64 {
                    name: "data",
                    offset: 3,
                },
            ),
        ),
    ] {
        assert_eq!(KinesisEvent::parse(json).unwrap_err(), error, "{json}");
    }
    for (json, error) in [
        (r#"{"records":[]}"#, wrong("invocationId", "a string")),
        (
            r#"{"invocationId":7,"records":[]}"#,
            wrong("invocationId", "a string"),
        ),
        (r#"{"invocationId":"i"}"#, wrong("records", "an array")),
        (
            r#"{"invocationId":"i","records":[{"data":"","recordId":"r"},{"data":""}]}"#,
            record(1, EventRecordError::NoRecordId),
        ),
    ] {
        assert_eq!(FirehoseEvent::parse(json).unwrap_err(), error, "{json}");
        assert_eq!(AnalyticsEvent::parse(json).unwrap_err(), error, "{json}");
    }
    for (json, error) in [
        ("{}", wrong("window", "an object")),
        (r#"{"window":{"start":"s"}}"#, wrong("end", "a string")),
        (
            r#"{"window":{"start":"s","end":"e"},"isFinalInvokeForWindow":1}"#,
            wrong("isFinalInvokeForWindow", "true or false"),
        ),
        (
            r#"{"window":{"start":"s","end":"e"},"Records":{}}"#,
            wrong("Records", "an array"),
        ),
    ] {
        assert_eq!(TimeWindowEvent::parse(json).unwrap_err(), error, "{json}");
    }
    let error = PipesEvent::parse("{}").unwrap_err();
    assert_eq!(error, wrong("the event", "an array"));
    let error = serde_json::from_str::<PipesEvent>(r#"[{"data":"eA=="},{}]"#).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("record 1 of the event: no data: expected a string of base64")
    );
}

/// Returns a record of the array that AWS documents for Pipes.
fn pipes_record(sequence_number: &str, data: &[u8]) -> Value {
    json!({
        "kinesisSchemaVersion": "1.0", "partitionKey": "1", "sequenceNumber": sequence_number,
        "data": serde_json::to_value(Base64(data)).unwrap(),
        "approximateArrivalTimestamp": 1545084650.987,
        "eventSource": "aws:kinesis", "eventVersion": "1.0",
        "eventID": format!("shardId-000000000006:{sequence_number}"),
        "eventName": "aws:kinesis:record", "awsRegion": "us-east-2",
    })
}

#[test]
fn pipes_events_report_failures_by_event_id_and_yield_the_same_as_lambda_events() {
    let aggregate = reseal(b"\x0a\x01a\x1a\x05\x08\x00\x1a\x01x");
    let event = json!([pipes_record("7", &aggregate), pipes_record("8", b"y")]);
    let event: PipesEvent = serde_json::from_value(event).unwrap();
    let [first, second] = event.records.as_slice() else {
        panic!()
    };
    assert_eq!(first.shape(), RecordShape::Pipes);
    assert_eq!(first.text("eventID").unwrap(), "shardId-000000000006:7");
    assert_eq!(second.partition_key(), Some("1"));
    let mut failures = BatchItemFailures::default();
    for delivered in event.user_records() {
        failures.push_event_id(&delivered);
        failures.push_event_id(&delivered);
    }
    let ids: Vec<_> = failures.identifiers().collect();
    assert_eq!(ids, ["shardId-000000000006:7", "shardId-000000000006:8"]);
    let all: Vec<_> = event.user_records().map(to_json).collect();
    let as_lambda_has_it = |record: &Value| {
        let mut outer = record.as_object().unwrap().clone();
        let mut kinesis = serde_json::Map::new();
        for name in [
            "kinesisSchemaVersion",
            "partitionKey",
            "sequenceNumber",
            "data",
            "approximateArrivalTimestamp",
        ] {
            kinesis.insert(name.to_owned(), outer.remove(name).unwrap());
        }
        outer.insert("kinesis".to_owned(), kinesis.into());
        let record: EventRecord = serde_json::from_value(outer.into()).unwrap();
        yielded(&record)
            .iter()
            .map(|json| serde_json::from_str::<Value>(json).unwrap())
            .collect::<Vec<_>>()
    };
    for (record, json) in [pipes_record("7", &aggregate), pipes_record("8", b"y")]
        .iter()
        .zip(&all)
    {
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!(as_lambda_has_it(record), [json]);
    }
}

#[test]
fn a_firehose_source_of_analytics_keeps_its_metadata() {
    let json = r#"{"invocationId":"i","applicationArn":"arn:aws:kinesisanalytics","streamArn":"arn:aws:firehose","records":[{"recordId":"r","data":"eA==","kinesisFirehoseRecordMetadata":{"approximateArrivalTimestamp":1520280173,"x":1.0}}]}"#;
    let event: AnalyticsEvent = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), json);
    assert_eq!(event.stream_arn().unwrap(), "arn:aws:firehose");
    let [record] = event.records.as_slice() else {
        panic!()
    };
    assert_eq!(record.shape(), RecordShape::AnalyticsOfFirehose);
    assert_eq!(
        record.metadata_text("approximateArrivalTimestamp").unwrap(),
        "1520280173"
    );
    assert_eq!(
        record.approximate_arrival_timestamp().unwrap().get(),
        "1520280173"
    );
    assert_eq!(
        yielded(record),
        [
            r#"{"kinesis":{"kinesisSchemaVersion":"1.0","approximateArrivalTimestamp":1520280173,"data":"eA==","recordId":"r"}}"#
        ]
    );
}

fn read(document: &str) -> Result<Vec<String>, EventError> {
    EventDocument::parse(document)?
        .into_iter()
        .map(|record| Ok(record?.sequence_number().unwrap_or("none").to_owned()))
        .collect()
}

#[test]
fn the_records_of_every_document_are_found() {
    let lambda = r#"{"kinesis":{"data":"eA==","sequenceNumber":"7"}}"#;
    let event = format!(r#"{{"Records":[{lambda},{lambda}]}}"#);
    let bare = r#"{"data":"eA==","sequenceNumber":"8"}"#;
    let transformation = format!(r#"{{"invocationId":"i","records":[{bare}]}}"#);
    let data = r#"{"Data":"eA==","SequenceNumber":"9"}"#;
    let answer = format!(r#"{{"Records":[{data}],"NextShardIterator":null}}"#);
    let pushed = format!(r#"{{"SubscribeToShardEvent":{answer}}}"#);
    let pipe = pipes_record("10", b"y").to_string();
    let failed = |event: &str| {
        let event = json!(event);
        format!(r#"{{"requestContext":{{}},"KinesisBatchInfo":{{}},"payload":{event}}}"#)
    };
    for (document, numbers) in [
        (lambda.to_owned(), vec!["7"]),
        (event.clone(), vec!["7", "7"]),
        (transformation.clone(), vec!["8"]),
        (answer, vec!["9"]),
        (pushed.clone(), vec!["9"]),
        (format!("[{pipe},{pipe}]"), vec!["10", "10"]),
        (
            format!("[{pushed},{event},{bare},{pipe}]"),
            vec!["9", "7", "7", "8", "10"],
        ),
        (failed(&event), vec!["7", "7"]),
        (failed(&format!("[{pipe}]")), vec!["10"]),
        (failed(&pushed), vec!["9"]),
        (format!(r#"{{"requestPayload":{event}}}"#), vec!["7", "7"]),
        (format!(" \n{event}\n"), vec!["7", "7"]),
        ("[]".to_owned(), vec![]),
        (r#"{"Records":[]}"#.to_owned(), vec![]),
        // An object with data is a record, whatever other fields it has.
        (format!(r#"{{"records":[],{}"#, &lambda[1..]), vec!["7"]),
        (
            format!(r#"{{"Records":[],"payload":"{{}}",{}"#, &bare[1..]),
            vec!["8"],
        ),
        (format!(r#"{{"records":[{bare}],{}"#, &data[1..]), vec!["9"]),
        // A field that is null counts as missing.
        (
            format!(r#"{{"data":null,"records":null,"Records":[{bare}]}}"#),
            vec!["8"],
        ),
    ] {
        assert_eq!(read(&document).unwrap(), numbers, "{document}");
        let parsed: EventDocument = serde_json::from_str(&document).unwrap();
        assert_eq!(parsed.into_iter().len(), numbers.len());
    }
}

#[test]
fn the_error_for_a_document_without_records_states_the_reason() {
    let wrong = |name, expected| EventError::WrongType { name, expected };
    let no_data = |index| EventError::Record {
        index,
        error: EventRecordError::NoData { name: "data" },
    };
    for (document, error) in [
        ("", EventError::NotAnEvent),
        ("7", EventError::NotAnEvent),
        ("{", EventError::NotAnEvent),
        (r#"{"payload":"7"}"#, EventError::NotAnEvent),
        (r#"{"Records":7}"#, wrong("Records", "an array")),
        (r#"{"records":{}}"#, wrong("records", "an array")),
        (r#"{"payload":"{"}"#, wrong("payload", "JSON text")),
        (r#"{"Records":[],"records":[]}"#, EventError::TwoLists),
        ("{}", no_data(0)),
        (r#"[{"data":""},{"x":1}]"#, no_data(1)),
        (
            r#"[{"data":""},[]]"#,
            EventError::Record {
                index: 1,
                error: EventRecordError::NotARecord,
            },
        ),
        (
            r#"{"KinesisBatchInfo":{"shardId":"s","startSequenceNumber":"1","endSequenceNumber":2}}"#,
            EventError::NoPayload {
                shard_id: "s".to_owned(),
                start_sequence_number: "1".to_owned(),
                end_sequence_number: "2".to_owned(),
            },
        ),
    ] {
        assert_eq!(read(document).unwrap_err(), error, "{document}");
    }
    // One bad record does not hide the next.
    let document = EventDocument::parse(r#"[{"data":"-"},{"data":"eA=="}]"#).unwrap();
    let good: Vec<_> = document.into_iter().map(|record| record.is_ok()).collect();
    assert_eq!(good, [false, true]);
    // Deep nesting must neither overflow the stack nor take long.
    let deep = r#"{"SubscribeToShardEvent":"#.repeat(100_000) + "{}" + &"}".repeat(100_000);
    assert_eq!(read(&deep).unwrap_err(), no_data(0));
}

/// Returns an event of Firehose records, each of which holds an aggregate of these lines.
fn firehose_event(aggregates: &[&[&str]]) -> FirehoseEvent {
    let record = |(index, lines): (usize, &&[&str])| {
        let mut message = b"\x0a\x01a".to_vec();
        for line in *lines {
            let len = u8::try_from(line.len()).unwrap();
            message.extend([0x1a, len + 4, 0x08, 0x00, 0x1a, len]);
            message.extend(line.as_bytes());
        }
        let data = serde_json::to_value(Base64(&reseal(&message))).unwrap();
        json!({"recordId": format!("r{index}"), "data": data})
    };
    let records: Vec<_> = aggregates.iter().enumerate().map(record).collect();
    serde_json::from_value(json!({"invocationId": "i", "records": records})).unwrap()
}

/// Sends a line `key=value,rest` to that partition, and other lines to none.
fn partitioned(delivered: &Delivered<'_, EventRecord>) -> Transformed {
    let line = str::from_utf8(delivered.data()).unwrap();
    match line.split_once(',') {
        _ if line == "drop" => Transformed::Dropped,
        _ if line == "fail" => Transformed::ProcessingFailed,
        None => Transformed::Ok(line.into()),
        Some((key, rest)) => {
            let (name, value) = key.split_once('=').unwrap();
            Transformed::Partitioned {
                data: rest.into(),
                partition_keys: BTreeMap::from([(name.into(), value.into())]),
            }
        }
    }
}

/// A result has a single set of partition keys. An aggregate whose user records need
/// different ones fails as a whole, so that Firehose keeps it: no user record may go to
/// another's partition, and none may be lost.
#[test]
fn an_aggregate_that_needs_several_partitions_fails_as_a_whole() {
    let event = firehose_event(&[
        &["c=de,1", "drop", "c=de,2"],
        &["c=de,1", "c=fr,2", "fail"],
        &["c=de,1", "2"],
        &["1", "c=de,2"],
        &["c=de,1", "k=de,2"],
        &["1", "2"],
        &["drop", "drop"],
        &["fail", "c=de,1"],
        &[],
    ]);
    let mut asked = 0;
    let answer = event.transform(|delivered| {
        asked += 1;
        partitioned(&delivered)
    });
    assert_eq!(asked, 3 + 2 + 2 + 2 + 2 + 2 + 2 + 1);
    use TransformationFailure::{DifferentPartitionKeys, Failed};
    use TransformationResult::{Dropped, Ok, ProcessingFailed};
    let results: Vec<_> = answer
        .records()
        .iter()
        .map(|record| (record.result, record.failure))
        .collect();
    assert_eq!(
        results,
        [
            (Ok, None),
            (ProcessingFailed, Some(DifferentPartitionKeys)),
            (ProcessingFailed, Some(DifferentPartitionKeys)),
            (ProcessingFailed, Some(DifferentPartitionKeys)),
            (ProcessingFailed, Some(DifferentPartitionKeys)),
            (Ok, None),
            (Dropped, None),
            (ProcessingFailed, Some(Failed)),
            (Dropped, None),
        ]
    );
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(
        json["records"][0],
        json!({"recordId": "r0", "result": "Ok", "data": "MTI=", "metadata": {"partitionKeys": {"c": "de"}}})
    );
    assert_eq!(
        json["records"][5],
        json!({"recordId": "r5", "result": "Ok", "data": "MTI="})
    );
    // A failed record keeps all of its data.
    for (record, answered) in event.records.iter().zip(answer.records()) {
        if answered.result == ProcessingFailed {
            assert_eq!(answered.data, record.data());
            assert!(answered.partition_keys.is_empty());
        }
    }
}

/// Whatever the limit, the response fits, and each record has its result, is returned to
/// be put again, or fails.
#[test]
fn a_response_fits_its_size_limit_and_the_rest_is_returned_to_be_put_again() {
    let long = "x".repeat(100);
    let event = firehose_event(&[
        &["c=de,1"],
        &[&long],
        &["drop"],
        &[&long, &long],
        &["fail"],
        &["2"],
    ]);
    let whole = event.transform(|delivered| partitioned(&delivered));
    let whole_len = serde_json::to_string(&whole).unwrap().len();
    let least_len = {
        let mut answer = whole.clone();
        let again = answer.limit_len(0);
        assert!(again.is_empty());
        serde_json::to_string(&answer).unwrap().len()
    };
    let mut put_again = 0;
    for max_len in 0..whole_len + 100 {
        let mut answer = whole.clone();
        let again = answer.limit_len(max_len);
        let len = serde_json::to_string(&answer).unwrap().len();
        assert!(len <= max_len.max(least_len), "{len} > {max_len}");
        put_again += again.len();
        let mut is_any_kept = false;
        for (position, (answered, before)) in
            answer.records().iter().zip(whole.records()).enumerate()
        {
            assert_eq!(answered.record_id, before.record_id);
            if again.contains(&position) {
                assert_eq!(answered.result, TransformationResult::Dropped);
                assert!(answered.data.is_empty() && answered.partition_keys.is_empty());
            } else if answered == before {
                is_any_kept |= answered.result == TransformationResult::Ok;
            } else {
                assert_eq!(answered.failure, Some(TransformationFailure::TooLong));
                assert_eq!(answered.result, TransformationResult::ProcessingFailed);
            }
        }
        assert!(again.is_empty() || is_any_kept, "{max_len}");
        if max_len >= whole_len + 60 {
            assert_eq!(answer, whole);
        }
    }
    assert!(put_again > 0);
}
