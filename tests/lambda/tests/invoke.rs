//! Runs the function as Lambda does: the function requests an event from the runtime
//! API and posts its response there. Protects the whole path from the JSON of the event
//! to the JSON of the response.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// Kills the function on drop, because it waits for the next event forever.
struct Function(Child);

impl Drop for Function {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Reads a request. Returns its first line and its body.
fn request(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut len = 0;
    let mut chunked = false;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            len = value.trim().parse().unwrap();
        }
        chunked |= line == "transfer-encoding: chunked";
    }
    let mut body = Vec::new();
    while chunked {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let chunk_len = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let mut chunk = vec![0; chunk_len + 2];
        reader.read_exact(&mut chunk).unwrap();
        chunk.truncate(chunk_len);
        body.extend(chunk);
        chunked = chunk_len > 0;
    }
    if body.is_empty() {
        body.resize(len, 0);
        reader.read_exact(&mut body).unwrap();
    }
    (first, body)
}

fn answer(mut stream: &TcpStream, status: &str, headers: &str, body: &str) {
    let len = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\
         Connection: close\r\n{headers}\r\n{body}"
    )
    .unwrap();
}

/// Returns the command that starts the function. `LAMBDA_PROGRAM` replaces the program
/// that cargo built, and `LAMBDA_RUNNER` runs it, for example to emulate another
/// processor.
fn command(function: &str) -> Command {
    let runner = std::env::var("LAMBDA_RUNNER").unwrap_or_default();
    let program = std::env::var("LAMBDA_PROGRAM").unwrap_or_else(|_| function.into());
    let mut words: Vec<_> = runner.split_whitespace().collect();
    words.push(&program);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// Starts the function and passes one event to it. Returns the path and the body that
/// the function posts.
fn invoke(function: &str, event: &Value) -> (String, Value) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let child = command(function)
        .env(
            "AWS_LAMBDA_RUNTIME_API",
            listener.local_addr().unwrap().to_string(),
        )
        .env("AWS_LAMBDA_FUNCTION_NAME", "test")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "test")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _function = Function(child);
    loop {
        let (stream, _) = listener.accept().unwrap();
        let (first, body) = request(&stream);
        if first.starts_with("GET /2018-06-01/runtime/invocation/next ") {
            let headers = "Lambda-Runtime-Aws-Request-Id: r-1\r\n\
                Lambda-Runtime-Deadline-Ms: 99999999999999\r\n\
                Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:test\r\n";
            answer(&stream, "200 OK", headers, &event.to_string());
        } else {
            answer(&stream, "202 Accepted", "", "{}");
            let path = first.split(' ').nth(1).unwrap().to_owned();
            return (path, serde_json::from_slice(&body).unwrap());
        }
    }
}

const BULK: &str = env!("CARGO_BIN_EXE_bulk");
const LAZY: &str = env!("CARGO_BIN_EXE_lazy");
const ANSWERED: &str = "/2018-06-01/runtime/invocation/r-1/response";

/// Returns the sample event, and the number of user records that the Python module
/// yields for it.
fn sample() -> (Value, u64) {
    let fixtures = include_str!("../../fixtures/events.json");
    let fixtures: Value = serde_json::from_str(fixtures).unwrap();
    let case = &fixtures["events"][0];
    let count = case["python_output_count"].as_u64().unwrap();
    (case["event"].clone(), count)
}

#[test]
fn the_bulk_handler_responds_like_the_python_sample() {
    let (event, count) = sample();
    let words = format!("Successfully processed {count} records.");
    assert_eq!(invoke(BULK, &event), (ANSWERED.into(), json!(words)));
}

#[test]
fn the_lazy_handler_reports_the_failed_record() {
    let (mut event, _) = sample();
    let none = json!({"batchItemFailures": []});
    assert_eq!(invoke(LAZY, &event), (ANSWERED.into(), none));
    // "fail" in base64.
    let failing = json!({"kinesis": {"sequenceNumber": "4959", "data": "ZmFpbA=="}});
    event["Records"].as_array_mut().unwrap().push(failing);
    let one = json!({"batchItemFailures": [{"itemIdentifier": "4959"}]});
    assert_eq!(invoke(LAZY, &event), (ANSWERED.into(), one));
}

/// The bulk handler cannot report single records, so the whole batch fails.
#[test]
fn the_bulk_handler_fails_if_a_user_record_fails() {
    let failing = json!({"kinesis": {"sequenceNumber": "4959", "data": "ZmFpbA=="}});
    let event = json!({"Records": [failing]});
    let (path, error) = invoke(BULK, &event);
    assert_eq!(path, "/2018-06-01/runtime/invocation/r-1/error");
    assert_eq!(error["errorMessage"], "the user record asks to fail");
}
