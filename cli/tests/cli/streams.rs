use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::thread;

use crate::{TWO, TWO_LINES, command};

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    let record = "{\"partitionKey\":\"a\",\"data\":\"eA==\"}\n";
    for (args, line) in [
        (&["deaggregate", "--from", "hex"][..], format!("{TWO}\n")),
        (
            &["deaggregate", "--from", "hex", "--malformed", "fail"],
            format!("{TWO}\n"),
        ),
        (&["aggregate", "--max-count", "1"], record.to_owned()),
        (&["inspect", "--from", "hex"], format!("{TWO}\n")),
        (&["verify", "--from", "hex"], "x\n".into()),
    ] {
        let mut child = command(args).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // The tool stops reading when it can no longer write.
        let writer = thread::spawn(move || while stdin.write_all(line.as_bytes()).is_ok() {});
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 10]).unwrap();
        drop(stdout);
        let ended = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert_eq!(
            (ended.status.code(), ended.stderr),
            (Some(0), Vec::new()),
            "{args:?}"
        );
    }
}

#[test]
fn user_records_come_out_while_the_input_is_still_open() {
    let mut child = command(&["deaggregate", "--from", "hex"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for record in 0..3 {
        writeln!(stdin, "{TWO}").unwrap();
        for line in TWO_LINES {
            let line = line.replace("\"record\":0", &format!("\"record\":{record}"));
            assert_eq!(lines.next().unwrap().unwrap(), line);
        }
    }
    drop(stdin);
    assert!(lines.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn records_are_shown_while_the_input_is_still_open() {
    let mut child = command(&["inspect", "--from", "hex"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for record in 0..3 {
        writeln!(stdin, "{TWO}").unwrap();
        let heading = format!("record {record} (<stdin>, line {}): aggregated", record + 1);
        assert!(lines.any(|line| line.unwrap() == heading));
    }
    drop(stdin);
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());
}

/// With a search of the whole line for each document, this took minutes.
#[test]
fn the_time_for_many_documents_on_a_line_is_linear() {
    const COUNT: usize = 50_000;
    let line = "{\"partitionKey\":\"a\",\"data\":\"eA==\"} ".repeat(COUNT);
    for args in [&["aggregate", "--max-count", "1"][..], &["deaggregate"]] {
        assert_eq!(crate::run(args, &line).lines().len(), COUNT, "{args:?}");
    }
}

/// Returns the peak memory of a process, in kB.
#[cfg(target_os = "linux")]
fn peak_memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_stream() {
    let record = format!(
        "{{\"partitionKey\":\"a\",\"data\":\"{}\"}}\n",
        "A".repeat(1000)
    );
    let two = || format!("{TWO}\n");
    for (args, line, megabytes, grown) in [
        // How much is read ahead varies: at most 16 MiB of Kinesis records, 4 MiB of user records.
        // Without that limit, 12 MB of lines would take 60 MB.
        (&["deaggregate", "--from", "hex"][..], two(), 16, 20_000),
        (&["aggregate", "--max-size", "100000"], record, 16, 8000),
        (&["inspect", "--from", "hex"], two(), 12, 20_000),
        (&["verify", "--from", "hex"], two(), 12, 20_000),
        // Memory grows with the number of keys, which is two here.
        (&["stats", "--from", "hex"], two(), 12, 20_000),
    ] {
        let mut child = command(args).stdout(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let lines = line.repeat((1 << 20) / line.len());
        // Writes until the channels are full.
        for _ in 0..6 {
            stdin.write_all(lines.as_bytes()).unwrap();
        }
        let before = peak_memory(child.id());
        for _ in 0..megabytes {
            stdin.write_all(lines.as_bytes()).unwrap();
        }
        let after = peak_memory(child.id());
        drop(stdin);
        assert!(child.wait().unwrap().success());
        assert!(
            after < before + grown,
            "{args:?}: {before} kB, then {after} kB"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = command(&["hash-key", "a"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("cannot write to standard output")
    );
}
