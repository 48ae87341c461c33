//! Tests the standard streams of a runner's process, and a panic in it, without a daemon.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, process};

const LINES: &str = r#"{"action":"initialize","shardId":"shardId-000000000000","sequenceNumber":"TRIM_HORIZON","subSequenceNumber":0}
{"action":"processRecords","records":[{"data":"a2V5LTAvMA==","partitionKey":"key-0","sequenceNumber":"7","subSequenceNumber":0},{"data":"a2V5LTAvMQ==","partitionKey":"key-0","sequenceNumber":"7","subSequenceNumber":1}]}
{"action":"shardEnded"}
{"action":"checkpoint","error":null}
"#;

fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("multilang-{name}-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(logs: &Path) -> Output {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_worker"))
        .env("WORKER", "one")
        .env("LOGS", logs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = worker.stdin.take().unwrap();
    input.write_all(LINES.as_bytes()).unwrap();
    drop(input);
    let output = worker.wait_with_output().unwrap();
    fs::remove_dir_all(logs).unwrap();
    output
}

#[test]
fn prints_go_to_standard_error_and_protocol_lines_to_standard_output() {
    let output = run(&folder("printed"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "this goes to standard error\n");
    let actions = ["initialize", "processRecords", "checkpoint", "shardEnded"];
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), actions.len(), "{stdout}");
    for (line, action) in stdout.lines().zip(actions) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let is_status = line["responseFor"] == action;
        assert!(is_status || line["action"] == action, "{line}");
    }
    assert!(output.status.success());
}

/// The runner is in a thread whose panic the program ignores. The process must end anyway.
#[test]
fn a_panic_ends_the_process_with_its_message() {
    let logs = folder("panic");
    fs::write(logs.join("panic-one"), "").unwrap();
    let output = run(&logs);
    assert_eq!(output.status.code(), Some(101));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("panic requested by "), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
}
