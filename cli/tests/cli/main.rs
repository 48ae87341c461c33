//! Tests the command line tool as a process: arguments and files, output and exit statuses.

mod aggregate;
mod color;
mod deaggregate;
mod events;
mod fixtures;
mod generated;
mod inputs;
mod inspect;
mod range;
mod stats;
mod streams;
mod usage;
mod verdicts;
mod verify;
mod windows;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// How a run ended.
#[derive(Debug)]
struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// Returns the output lines of a run that succeeded without messages.
    #[track_caller]
    fn lines(&self) -> Vec<&str> {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""), "{self:?}");
        self.stdout.lines().collect()
    }

    #[track_caller]
    fn json(&self) -> Vec<Value> {
        self.lines().into_iter().map(json).collect()
    }

    /// Returns the output of a run with exit status 1 whose message contains all of `words`.
    #[track_caller]
    fn failed_saying(&self, words: &[&str]) -> &str {
        self.ended_saying(1, words)
    }

    /// Returns the output of a run with exit status 2 whose message contains all of `words`.
    #[track_caller]
    fn refused_saying(&self, words: &[&str]) -> &str {
        self.ended_saying(2, words)
    }

    #[track_caller]
    fn ended_saying(&self, status: i32, words: &[&str]) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        &self.stdout
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinesis-agg"));
    command
        .args(args)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(args: &[&str], stdin: impl AsRef<[u8]>) -> Ended {
    let mut child = command(args).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.as_ref().to_vec();
    // A run that ends early does not read the rest.
    let writer = thread::spawn(move || drop(pipe.write_all(&stdin)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ended {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Creates a file for one test, and returns its path.
fn file(name: &str, content: impl AsRef<[u8]>) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    std::fs::read_to_string(path.join(name)).unwrap()
}

/// Two user records, `a: x` and `b: y`, from the KPL.
const TWO: &str =
    "f3899ac20a01610a01621a0508001a01781a0508011a0179b0031909ae75891ca94acec2ecce3125";

const TWO_LINES: [&str; 2] = [
    r#"{"record":0,"aggregated":true,"subSequenceNumber":0,"partitionKey":"a","explicitHashKey":null,"data":"eA=="}"#,
    r#"{"record":0,"aggregated":true,"subSequenceNumber":1,"partitionKey":"b","explicitHashKey":null,"data":"eQ=="}"#,
];

/// Returns a blob of this message with a good digest.
fn framed(message: &[u8]) -> Vec<u8> {
    let digest = kinesis_agg::codec::Digest::of(message).to_bytes();
    [&kinesis_agg::codec::MAGIC, message, &digest].concat()
}

/// The path of a file in the repository.
const KPL_NDJSON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/kpl.ndjson");

/// Partition key table `a`, a user record under key 7: index outside its table.
fn malformed() -> Vec<u8> {
    framed(b"\x0a\x01a\x1a\x05\x08\x07\x1a\x01x")
}

const MALFORMED_ERROR: &str = "partition key index 7 outside table of 1 at byte 9";
