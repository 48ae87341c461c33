//! Tests the protocol with the MultiLangDaemon: the meaning of each line, that no
//! line can cause a panic, and the answers of a runner.

use core::cell::RefCell;
use core::num::NonZeroU32;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::time::UNIX_EPOCH;

use kinesis_agg::multilang::{
    CheckpointError, CheckpointRejection, Checkpointer, DaemonRecord, Event, Initialization,
    LONGEST_CHECKPOINT_PAUSE, MisuseError, ProcessorError, Protocol, ProtocolErrorKind,
    RecordBatch, RecordProcessor, RunError, Runner, SHORTEST_CHECKPOINT_PAUSE,
    ShardEndCheckpointed, ShardEndCheckpointer, Undecoded,
};
use kinesis_agg::read::{MalformedPolicy, PlainReason, SequenceNumberError};
use kinesis_agg::{OwnedUserRecord, RecordAggregator};

/// A line as KCL 3.1.3 writes it.
const INITIALIZE: &str = r#"{"action":"initialize","shardId":"shardId-000000000001","sequenceNumber":"TRIM_HORIZON","subSequenceNumber":0}"#;

/// A line as KCL 3.1.3 writes it, except that the second partition key is missing,
/// as on AUTO streams.
const RECORDS: &str = r#"{"action":"processRecords","records":[{"data":"ZDI=","partitionKey":"k2","sequenceNumber":"49680652530419191241966325290656491076420434338697445394","approximateArrivalTimestamp":1795890724373,"subSequenceNumber":0,"action":"record"},{"data":"","partitionKey":null,"sequenceNumber":"49680652530419191241966325290656491076420434338697445394","approximateArrivalTimestamp":1795890724373,"subSequenceNumber":1,"action":"record"}],"millisBehindLatest":1500}"#;

const STORED: &str =
    r#"{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null,"error":null}"#;

/// The lines of a complete session, with each action. The variants of KCL 2 have
/// fewer fields, in another order.
const LINES: &[&str] = &[
    INITIALIZE,
    r#"{"shardId":"shardId-000000000001","action":"initialize","sequenceNumber":"7"}"#,
    RECORDS,
    r#"{"records":[{"sequenceNumber":"8","data":"ZDI="}],"action":"processRecords"}"#,
    r#"{"action":"processRecords","records":[],"millisBehindLatest":null}"#,
    STORED,
    r#"{"action":"checkpoint","sequenceNumber":"8","subSequenceNumber":3,"error":"ThrottlingException"}"#,
    r#"{"action":"checkpoint","checkpoint":"8"}"#,
    r#"{"action":"leaseLost"}"#,
    r#"{"action":"shardEnded"}"#,
    r#"{"action":"shutdownRequested"}"#,
    r#"{"action":"somethingNew","of":{"KCL":[4]}}"#,
];

/// Returns the protocol in each of its states.
fn states() -> [Protocol; 4] {
    let new = Protocol::new();
    let mut idle = new.clone();
    idle.receive(INITIALIZE.as_bytes()).unwrap();
    idle.complete().unwrap();
    let mut call = idle.clone();
    call.receive(br#"{"action":"shardEnded"}"#).unwrap();
    let mut checkpoint = call.clone();
    checkpoint.checkpoint(None).unwrap();
    [new, idle, call, checkpoint]
}

fn receive(line: &str) -> Event {
    let results = states().map(|mut state| state.receive(line.as_bytes()));
    let mut events: Vec<_> = results.into_iter().flatten().collect();
    let event = events.pop().expect("accepted in no state");
    // Unknown actions may also arrive before `initialize`.
    let is_known = !matches!(event, Event::Unknown { .. });
    assert_eq!(events.len(), usize::from(!is_known), "{line}");
    event
}

fn records(line: &str) -> RecordBatch {
    match receive(line) {
        Event::ProcessRecords(batch) => batch,
        event => panic!("{event:?}"),
    }
}

#[test]
fn each_daemon_line_is_accepted_in_exactly_one_protocol_state() {
    for line in LINES {
        receive(line);
    }
    let Event::Initialize(shard) = receive(INITIALIZE) else {
        panic!("not initialize");
    };
    assert_eq!(shard.shard_id(), "shardId-000000000001");
    assert_eq!(shard.sequence_number(), Some("TRIM_HORIZON"));
    let position = shard.extended_sequence_number().unwrap().unwrap();
    assert_eq!(position.to_string(), "TRIM_HORIZON:0");

    let batch = records(RECORDS);
    assert_eq!(batch.millis_behind_latest(), Some(1_500));
    let [one, other] = batch.records() else {
        panic!("two records");
    };
    assert_eq!(
        (&one.data()[..], one.partition_key()),
        (&b"d2"[..], Some("k2"))
    );
    assert_eq!((&other.data()[..], other.partition_key()), (&b""[..], None));
    assert_eq!(one.sequence_number(), other.sequence_number());
    assert_eq!(
        (one.sub_sequence_number(), other.sub_sequence_number()),
        (0, 1)
    );
    let arrival = UNIX_EPOCH + Duration::from_millis(1_795_890_724_373);
    assert_eq!(one.approximate_arrival_timestamp(), Some(arrival));
    assert!(one.extended_sequence_number().unwrap() < other.extended_sequence_number().unwrap());
}

#[test]
fn missing_fields_have_defaults_and_long_sequence_numbers_are_kept() {
    let number = "9".repeat(200);
    let line = format!(
        r#"{{"action":"processRecords","records":[{{"data":"","sequenceNumber":"{number}","approximateArrivalTimestamp":-1}}],"millisBehindLatest":-1}}"#
    );
    let batch = records(&line);
    assert_eq!(batch.millis_behind_latest(), None);
    let record = &batch.records()[0];
    assert_eq!(record.sequence_number(), number);
    assert_eq!(record.sub_sequence_number(), 0);
    let error = SequenceNumberError::TooLong { digit_count: 200 };
    assert_eq!(record.extended_sequence_number(), Err(error));
    let before = UNIX_EPOCH - Duration::from_millis(1);
    assert_eq!(record.approximate_arrival_timestamp(), Some(before));
}

/// Protects the runner from panics on any input, from lines that are accepted in part, and
/// from invalid lines that change the state.
#[test]
fn every_truncated_or_changed_line_is_an_event_or_an_error_with_its_line_number() {
    for line in LINES {
        let line = line.as_bytes();
        let states = states().into_iter();
        let expecting = states.filter(|state| state.clone().receive(line).is_ok());
        let expecting = expecting.collect::<Vec<_>>().pop().unwrap();
        let line_number = expecting.clone().receive(b"").unwrap_err().line_number;

        for len in 0..line.len() {
            let mut protocol = expecting.clone();
            let error = protocol.receive(&line[..len]).unwrap_err();
            assert_eq!(error.line_number, line_number);
            assert!(
                matches!(error.kind, ProtocolErrorKind::Malformed(_)),
                "{error}"
            );
            assert!(protocol.receive(line).is_ok());
        }
        let mut damaged = line.to_vec();
        for place in 0..line.len() {
            for byte in 0..=u8::MAX {
                damaged[place] = byte;
                if let Err(error) = expecting.clone().receive(&damaged) {
                    let text = format!("line {line_number} from the daemon is ");
                    assert!(error.to_string().starts_with(&text), "{error}");
                }
            }
            damaged[place] = line[place];
        }
    }
}

#[test]
fn a_protocol_error_states_the_line_number_and_the_reason() {
    let mut protocol = Protocol::new();
    protocol.receive(INITIALIZE.as_bytes()).unwrap();
    protocol.complete().unwrap();
    for (line, text) in [
        ("", "is malformed: EOF while parsing"),
        (
            "[]",
            "is malformed: invalid type: sequence, expected an object",
        ),
        (
            r#"["leaseLost"]"#,
            "is malformed: invalid type: sequence, expected an object",
        ),
        (
            r#"{"action":"processRecords","records":[["eA==",null,"7",0,0]]}"#,
            "is malformed: invalid type: sequence, expected an object at line 1 column 38",
        ),
        ("{}", "is malformed: missing field `action`"),
        (
            r#"{"action":"processRecords"}"#,
            "is malformed: missing field `records`",
        ),
        (
            r#"{"action":"processRecords","records":[{"data":"Z","sequenceNumber":"7"}]}"#,
            "is malformed: Invalid input length: 1 at line 1 column 49",
        ),
        (
            r#"{"action":"processRecords","records":[{"data":null,"sequenceNumber":"7"}]}"#,
            "is malformed: invalid type: null, expected data in base64",
        ),
        (INITIALIZE, r#"is not expected here: action "initialize""#),
        (STORED, r#"is not expected here: action "checkpoint""#),
    ] {
        let error = protocol.receive(line.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    let error = protocol.receive(b"x").unwrap_err();
    assert_eq!(error.line_number, 12);
}

#[test]
fn protocol_calls_in_the_wrong_state_are_rejected() {
    let [mut new, mut idle, mut ended, mut checkpoint] = states();
    for protocol in [&mut new, &mut idle, &mut checkpoint] {
        assert_eq!(protocol.complete(), Err(MisuseError::NotNow));
        assert_eq!(protocol.checkpoint(None), Err(MisuseError::NotNow));
    }
    let not_allowed = Err(MisuseError::CheckpointNotAllowed);
    assert_eq!(ended.complete(), Err(MisuseError::ShardEndNotCheckpointed));
    assert_eq!(ended.checkpoint(Some(("7", 0))), not_allowed);
    // A rejected checkpoint does not count.
    let rejected = br#"{"action":"checkpoint","error":"ThrottlingException"}"#;
    checkpoint.receive(rejected).unwrap();
    assert_eq!(
        checkpoint.complete(),
        Err(MisuseError::ShardEndNotCheckpointed)
    );
    checkpoint.checkpoint(None).unwrap();
    checkpoint.receive(STORED.as_bytes()).unwrap();
    assert!(checkpoint.complete().is_ok());

    new.receive(br#"{"action":"somethingNew"}"#).unwrap();
    new.complete().unwrap();
    assert!(new.receive(RECORDS.as_bytes()).is_err());
    new.receive(INITIALIZE.as_bytes()).unwrap();
    assert_eq!(new.checkpoint(None), not_allowed);
    idle.receive(br#"{"action":"leaseLost"}"#).unwrap();
    assert_eq!(idle.checkpoint(None), not_allowed);
    idle.complete().unwrap();
    idle.receive(RECORDS.as_bytes()).unwrap();
    let too_large = idle.checkpoint(Some(("7", 1 << 63)));
    assert_eq!(too_large, Err(MisuseError::SubSequenceNumberTooLarge));
}

/// Returns the line for an aggregate that the KCL cannot deaggregate.
fn line_with(data: &[u8], sub_sequence_number: u64) -> String {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(data);
    format!(
        r#"{{"action":"processRecords","records":[{{"data":"{data}","partitionKey":"a","sequenceNumber":"7","subSequenceNumber":{sub_sequence_number}}},{{"data":"eA==","sequenceNumber":"8"}}]}}"#
    )
}

fn valid_aggregate() -> Vec<u8> {
    let mut aggregator = RecordAggregator::new();
    assert!(
        aggregator
            .push(OwnedUserRecord::new("key", "data"))
            .unwrap()
            .is_none()
    );
    aggregator.flush().unwrap().into_parts().0.to_vec()
}

#[test]
fn a_record_that_the_kcl_could_not_deaggregate_is_flagged() {
    let valid = valid_aggregate();
    let mut other_digest = valid.clone();
    *other_digest.last_mut().unwrap() ^= 1;
    // A user record without data, with a valid digest.
    let malformed = b"\xf3\x89\x9a\xc2\x1a\x02\x08\x00\x52\x83\x06\x59\xb7\x13\xfc\xf5\x65\x27\x6c\xdc\xd1\x89\xb8\xa7";
    let undecoded = |data: &[u8], sub| records(&line_with(data, sub)).records()[0].undecoded();
    assert_eq!(undecoded(b"data", 0), None);
    // A valid aggregate is a user record's data, and is not deaggregated again.
    assert_eq!(undecoded(&valid, 0), None);
    let plain = |reason| Some(Undecoded::Plain(reason));
    assert_eq!(
        undecoded(&other_digest, 0),
        plain(PlainReason::DigestMismatch)
    );
    assert_eq!(undecoded(&valid[..7], 0), plain(PlainReason::TooShort));
    assert_eq!(undecoded(malformed, 1), None);

    let line = line_with(malformed, 0);
    let batch = records(&line);
    let record = &batch.records()[0];
    assert!(matches!(record.undecoded(), Some(Undecoded::Malformed(_))));
    let error = record.checked().unwrap_err();
    assert_eq!(
        (error.record_index, error.sequence_number.as_deref()),
        (0, Some("7"))
    );
    assert_eq!(Some(error.source), record.malformed());

    let mut protocol = Protocol::new().with_malformed(MalformedPolicy::LeaveOut);
    protocol.receive(INITIALIZE.as_bytes()).unwrap();
    protocol.complete().unwrap();
    let Ok(Event::ProcessRecords(filtered)) = protocol.receive(line.as_bytes()) else {
        panic!("not records");
    };
    assert_eq!(filtered.left_out(), &batch.records()[..1]);
    assert_eq!(filtered.records(), &batch.records()[1..]);
}

/// How the processor of a test processes records.
type OnRecords = fn(&[DaemonRecord], &mut Checkpointer<'_>) -> Result<(), ProcessorError>;

struct Processor<'a> {
    on_records: OnRecords,
    calls: &'a RefCell<Vec<&'static str>>,
}

impl RecordProcessor for Processor<'_> {
    fn initialize(&mut self, _: &Initialization) -> Result<(), ProcessorError> {
        self.calls.borrow_mut().push("initialize");
        Ok(())
    }

    fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError> {
        self.calls.borrow_mut().push("process_records");
        (self.on_records)(batch.records(), checkpointer)
    }

    fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        self.calls.borrow_mut().push("lease_lost");
        Ok(())
    }

    fn shard_ended(
        &mut self,
        checkpointer: ShardEndCheckpointer<'_>,
    ) -> Result<ShardEndCheckpointed, ProcessorError> {
        self.calls.borrow_mut().push("shard_ended");
        Ok(checkpointer.checkpoint()?)
    }
}

fn run_with(
    runner: Runner,
    on_records: OnRecords,
    lines: &[&str],
) -> (Result<(), RunError>, Vec<&'static str>, Vec<String>) {
    let calls = RefCell::new(Vec::new());
    let processor = Processor {
        on_records,
        calls: &calls,
    };
    let mut output = Vec::new();
    let input = lines.join("\n");
    let result = runner.run_on(processor, input.as_bytes(), &mut output);
    let output = String::from_utf8(output).unwrap();
    assert!(output.is_empty() || output.ends_with('\n'));
    (
        result,
        calls.into_inner(),
        output.lines().map(Into::into).collect(),
    )
}

fn status(action: &str) -> String {
    format!(r#"{{"action":"status","responseFor":"{action}"}}"#)
}

fn checkpoint(sequence_number: &str, sub_sequence_number: &str) -> String {
    format!(
        r#"{{"action":"checkpoint","sequenceNumber":{sequence_number},"subSequenceNumber":{sub_sequence_number}}}"#
    )
}

fn rejected(exception: &str) -> String {
    format!(r#"{{"action":"checkpoint","error":"{exception}"}}"#)
}

#[test]
fn the_runner_answers_every_line_from_initialize_to_shard_ended() {
    let (result, calls, output) = run_with(
        Runner::new(),
        |records, checkpointer| {
            checkpointer.checkpoint_at(&records[1])?;
            checkpointer.checkpoint_at_position(&records[1].extended_sequence_number()?)?;
            Ok(checkpointer.checkpoint()?)
        },
        &[
            INITIALIZE,
            RECORDS,
            STORED,
            STORED,
            STORED,
            r#"{"action":"somethingNew"}"#,
            r#"{"action":"shutdownRequested"}"#,
            r#"{"action":"shardEnded"}"#,
            STORED,
        ],
    );
    result.unwrap();
    assert_eq!(calls, ["initialize", "process_records", "shard_ended"]);
    let inside = checkpoint(
        r#""49680652530419191241966325290656491076420434338697445394""#,
        "1",
    );
    let end = checkpoint("null", "null");
    let mut expected = vec![status("initialize"), inside.clone(), inside, end.clone()];
    expected.extend(["processRecords", "somethingNew", "shutdownRequested"].map(status));
    expected.extend([end, status("shardEnded")]);
    let parse = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let (output, expected): (Vec<_>, Vec<_>) = (
        output.iter().map(parse).collect(),
        expected.iter().map(parse).collect(),
    );
    assert_eq!(output, expected);
}

thread_local! {
    static PAUSES: RefCell<Vec<Duration>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn throttled_checkpoints_are_retried_after_growing_bounded_pauses() {
    let throttled = rejected("ThrottlingException");
    let dependency = rejected("KinesisClientLibDependencyException");
    let runner = Runner::new().with_sleep(|pause| PAUSES.with_borrow_mut(|all| all.push(pause)));

    let lines = [INITIALIZE, RECORDS, &throttled, &dependency, STORED];
    let on_records: OnRecords = |_, checkpointer| Ok(checkpointer.checkpoint()?);
    run_with(runner, on_records, &lines).0.unwrap();
    let shortest = SHORTEST_CHECKPOINT_PAUSE;
    assert_eq!(PAUSES.take(), [shortest, shortest * 2]);

    let attempts = NonZeroU32::new(20).unwrap();
    let mut lines = vec![INITIALIZE, RECORDS];
    lines.extend([throttled.as_str(); 20]);
    let on_records: OnRecords = |_, checkpointer| {
        let error = checkpointer.checkpoint().unwrap_err();
        let reason = CheckpointRejection::Throttled;
        assert_eq!(
            error,
            CheckpointError::Rejected {
                reason,
                attempts: 20
            }
        );
        Err(error.into())
    };
    let runner = runner.with_checkpoint_attempts(attempts);
    let (result, _, output) = run_with(runner, on_records, &lines);
    assert!(matches!(
        result,
        Err(RunError::Processor {
            method: "process_records",
            ..
        })
    ));
    assert_eq!(output.len(), 21);
    let pauses = PAUSES.take();
    assert_eq!(pauses.len(), 19);
    assert!(pauses.is_sorted());
    assert_eq!(pauses.last(), Some(&LONGEST_CHECKPOINT_PAUSE));
}

#[test]
fn other_checkpoint_rejections_are_typed_and_not_retried() {
    let on_records: OnRecords = |records, checkpointer| {
        for reason in [
            CheckpointRejection::Shutdown,
            CheckpointRejection::InvalidState,
            CheckpointRejection::OutOfRange,
            CheckpointRejection::Other("NullPointerException".into()),
        ] {
            let error = checkpointer.checkpoint_at(&records[0]).unwrap_err();
            assert_eq!(
                error,
                CheckpointError::Rejected {
                    reason,
                    attempts: 1
                }
            );
        }
        Ok(())
    };
    let answers = [
        "ShutdownException",
        "InvalidStateException",
        "IllegalArgumentException",
        "NullPointerException",
    ];
    let answers = answers.map(rejected);
    let mut lines = vec![INITIALIZE, RECORDS];
    lines.extend(answers.iter().map(String::as_str));
    run_with(Runner::new(), on_records, &lines).0.unwrap();
}

/// Protects the daemon's other shards: once another worker holds the lease, an
/// error of the processor must not end the process.
#[test]
fn a_processor_error_after_a_lost_lease_does_not_end_the_process() {
    let shutdown = rejected("ShutdownException");
    let on_records: OnRecords = |_, checkpointer| Ok(checkpointer.checkpoint()?);
    let lines = [INITIALIZE, RECORDS, &shutdown, r#"{"action":"leaseLost"}"#];
    let (result, calls, output) = run_with(Runner::new(), on_records, &lines);
    result.unwrap();
    assert_eq!(calls, ["initialize", "process_records", "lease_lost"]);
    assert_eq!(output.last(), Some(&status("leaseLost")));

    // `shardEnded` cannot be answered without its checkpoint.
    let lines = [INITIALIZE, r#"{"action":"shardEnded"}"#, &shutdown];
    let (result, _, output) = run_with(Runner::new(), on_records, &lines);
    assert!(matches!(
        result,
        Err(RunError::Processor {
            method: "shard_ended",
            ..
        })
    ));
    assert_eq!(output.len(), 2);
}

#[test]
fn a_connection_that_ends_during_a_checkpoint_ends_the_runner() {
    // The processor ignores the error.
    let on_records: OnRecords = |_, checkpointer| {
        for _ in 0..2 {
            let error = checkpointer.checkpoint().unwrap_err();
            assert_eq!(error, CheckpointError::Disconnected);
        }
        Ok(())
    };
    let (result, _, output) = run_with(Runner::new(), on_records, &[INITIALIZE, RECORDS]);
    assert!(matches!(result, Err(RunError::Disconnected)));
    assert_eq!(output.len(), 2);
    let lines = [INITIALIZE, RECORDS, RECORDS];
    let (result, _, _) = run_with(Runner::new(), on_records, &lines);
    let Err(RunError::Protocol(error)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(error.line_number, 3);
    assert!(matches!(error.kind, ProtocolErrorKind::Unexpected { .. }));

    /// Fails to read and to write.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let calls = RefCell::new(Vec::new());
    let processor = || Processor {
        on_records: |_, _| Ok(()),
        calls: &calls,
    };
    let input = io::BufReader::new(Broken);
    let result = Runner::new().run_on(processor(), input, io::sink());
    assert!(matches!(result, Err(RunError::Io(_))));
    let result = Runner::new().run_on(processor(), INITIALIZE.as_bytes(), Broken);
    assert!(matches!(result, Err(RunError::Io(_))));
}
