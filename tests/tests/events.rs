//! Events of Lambda, Firehose and Analytics against what AWS's Python module
//! yields of them. Protects whoever ports a function line by line, and that
//! answers name what the services gave.

use kinesis_agg::lambda::{
    AnalyticsEvent, BatchItemFailures, EventRecord, FirehoseEvent, KinesisEvent, RecordShape,
    TimeWindowAnswer, TimeWindowEvent, TransformationResult, Transformed, UserRecordEvent,
};
use kinesis_agg::{Delivered, EnclosingRecord, deaggregate};
use kinesis_agg_tests::fixtures::{compact, events};
use kinesis_agg_tests::{message_of, reseal};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Records whose Python output format.md rules otherwise. There is none: in
/// each, every user record has an explicit hash key or the table is empty.
const RULED_OTHERWISE: [&str; 0] = [];

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

/// Text for text: names, order, digits.
#[test]
fn user_records_have_the_python_module_s_shape_field_for_field() {
    for case in events().records {
        let record: EventRecord = serde_json::from_str(case.record.get()).unwrap();
        let python: Vec<_> = case
            .python_output
            .iter()
            .map(|json| compact(json))
            .collect();
        assert!(!RULED_OTHERWISE.contains(&case.id.as_str()));
        assert_eq!(yielded(&record), python, "{}", case.id);
    }
}

#[test]
fn records_come_out_as_they_came_in() {
    for case in events().records {
        let record: EventRecord = serde_json::from_str(case.record.get()).unwrap();
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            compact(&case.record)
        );
        // Also where a runtime parsed the event before.
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

/// The records in the envelopes are those that stand alone.
#[test]
fn events_of_transformations_yield_what_their_records_do() {
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
fn user_records_bring_the_metadata_of_their_record() {
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
fn timestamps_go_on_as_they_came() {
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

/// Where the Python and Node modules take the table's first, and lose what is
/// not UTF-8.
#[test]
fn keys_are_neither_invented_nor_replaced() {
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

/// A `recordId` of another function's stays where it stood.
#[test]
fn a_kinesis_record_keeps_fields_of_transformations_apart() {
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
fn what_is_malformed_is_passed_through_as_it_came() {
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
fn what_is_no_record_says_why() {
    for (json, why) in [
        (r#"{"kinesis":7}"#, "kinesis is not an object"),
        (r#"{"kinesis":{}}"#, "no data in base64"),
        (r#"{"kinesis":{"data":null}}"#, "no data in base64"),
        (r#"{"data":"A"}"#, "data is not base64"),
        (r#"{"Data":"A"}"#, "Data is not base64"),
        (
            r#"{"kinesisRecordMetadata":[],"data":""}"#,
            "kinesisRecordMetadata is not an object",
        ),
        ("{}", "no data in base64"),
        ("[]", "an object"),
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
fn failures_name_each_kinesis_record_once() {
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
    let numbers: Vec<_> = failures.sequence_numbers().collect();
    assert_eq!(numbers, [aggregate, "3", ""]);
    assert_eq!(
        serde_json::to_value(&failures).unwrap(),
        json!({"batchItemFailures": [
            {"itemIdentifier": aggregate}, {"itemIdentifier": "3"}, {"itemIdentifier": ""},
        ]})
    );
}

#[test]
fn a_window_hands_its_state_on_as_it_was_written() {
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
        state: event.state,
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

/// A user record in an aggregate has no `recordId`: the aggregate is answered
/// for as one.
#[test]
fn a_transformation_answers_once_for_each_record_id() {
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
            assert_eq!((&answered.record_id, answered.result), (&id, result));
            assert_eq!(answered.data, data);
        }
    };
    use TransformationResult::{Dropped, Ok, ProcessingFailed};
    // What they became, one behind the other.
    check(&mut |d| Transformed::Ok(line(&d)), [(Ok, &all), (Ok, &one)]);
    check(
        &mut |d| match number(&d) {
            (0, 2) => Transformed::Ok(b"two".to_vec()),
            (0, 3) => Transformed::Ok(b"+three".to_vec()),
            _ => Transformed::Dropped,
        },
        [(Ok, b"two+three"), (Dropped, plain.data())],
    );
    // One that fails keeps the others back: the service keeps the whole.
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
    assert_eq!((record.record_id.as_str(), &record.data), ("r", &empty));
}

#[test]
fn metadata_is_told_apart_from_the_data_and_numbers_are_taken_as_written() {
    let json =
        r#"{"kinesis":{"partitionKey":12,"sequenceNumber":-7.50,"data":"eA==","x":null},"data":1}"#;
    let record: EventRecord = serde_json::from_str(json).unwrap();
    assert_eq!(record.partition_key(), Some("12"));
    assert_eq!(record.sequence_number(), Some("-7.50"));
    let names: Vec<_> = record.metadata_fields().map(|(name, _)| name).collect();
    assert_eq!(names, ["partitionKey", "sequenceNumber", "x"]);
    let names: Vec<_> = record.fields().map(|(name, _)| name).collect();
    assert_eq!(names, ["data"]);
    assert_eq!(record.field("data").unwrap().get(), "1");
    // Where the data stands beside the metadata, a field of that name in it is another.
    let json = r#"{"recordId":"r","data":"eA==","kinesisRecordMetadata":{"data":2}}"#;
    let record: EventRecord = serde_json::from_str(json).unwrap();
    assert!(record.field("data").is_none());
    let names: Vec<_> = record.fields().map(|(name, _)| name).collect();
    assert_eq!(names, ["recordId"]);
    assert_eq!(record.metadata("data").unwrap().get(), "2");
}
