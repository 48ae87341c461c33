//! Computing digests together gives the same output as computing them one by one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use kinesis_agg::write::Limits;
use kinesis_agg::{OwnedUserRecord, RecordAggregator};

use crate::{Ended, TWO, base64, command, framed, malformed, run};

/// Pseudorandom numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// Returns an aggregate of `count` user records of 1 kB each.
fn aggregate_of(count: u64) -> Vec<u8> {
    let mut aggregator = RecordAggregator::new();
    for n in 0..count {
        let user_record = OwnedUserRecord::new(format!("key {}", n % 7), vec![0; 1000]);
        aggregator.push(user_record).unwrap();
    }
    aggregator.flush().unwrap().data().to_vec()
}

/// Returns blobs of every kind, and how many lines each prints.
fn mixture(numbers: &mut Numbers, count: usize) -> Vec<(Vec<u8>, usize)> {
    let two = hex::decode(TWO).unwrap();
    let blob = |_| match numbers.below(12) {
        0 => (b"plain".to_vec(), 1),
        1 => (two[..20].to_vec(), 1),
        2 => (malformed(), 1),
        // No user record.
        3 => (framed(b"\x0a\x01a"), 0),
        4 => (Vec::new(), 1),
        5 => {
            let mut damaged = aggregate_of(numbers.below(100) + 1);
            let place = usize::try_from(numbers.below(900)).unwrap() + 4;
            damaged[place] ^= 1;
            (damaged, 1)
        }
        6..9 => {
            let count = numbers.below(100) + 1;
            (aggregate_of(count), usize::try_from(count).unwrap())
        }
        _ => (two.clone(), 2),
    };
    (0..count).map(blob).collect()
}

/// Writes each line only after all output for the lines before it.
fn run_line_by_line(args: &[&str], lines: &[(String, usize)]) -> Ended {
    let mut child = command(args).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut stdout = String::new();
    for (line, delivers) in lines {
        if stdin.write_all(line.as_bytes()).is_err() {
            break;
        }
        for _ in 0..*delivers {
            out.read_line(&mut stdout).unwrap();
        }
    }
    drop(stdin);
    out.read_to_string(&mut stdout).unwrap();
    let ended = child.wait_with_output().unwrap();
    Ended {
        status: ended.status.code().unwrap(),
        stdout,
        stderr: String::from_utf8(ended.stderr).unwrap(),
    }
}

#[test]
fn reading_ahead_does_not_change_the_output() {
    let mut numbers = Numbers(1);
    for (args, bad_line) in [
        (&["--from", "hex"][..], None),
        (&["--from", "hex"], Some("x\n")),
        (&["--from", "ndjson"], Some("{\"data\":7}\n")),
        (&["--from", "ndjson", "--malformed", "fail"], None),
        (&["--from", "ndjson", "--to", "event"], None),
        (&["--from", "firehose"], Some("{\"data\":7}\n")),
        (
            &[
                "--from",
                "hex",
                "--range",
                "0:9",
                "--filter",
                "per-user-record",
            ],
            None,
        ),
    ] {
        let args = [&["deaggregate"], args].concat();
        let is_filtered = args.contains(&"--filter");
        let mut lines: Vec<_> = mixture(&mut numbers, 60)
            .into_iter()
            .enumerate()
            .map(|(number, (blob, delivers))| {
                let line = match args[2] {
                    // A blank line is skipped.
                    "hex" if blob.is_empty() => "00".to_owned(),
                    "hex" => hex::encode(blob),
                    _ => format!(
                        r#"{{"sequenceNumber":"{number}","data":"{}","x":[1.0]}}"#,
                        base64(blob)
                    ),
                };
                // If a filter leaves records out, there is no output to wait for.
                (line + "\n", if is_filtered { 0 } else { delivers })
            })
            .collect();
        lines.extend(bad_line.map(|line| (line.to_owned(), 0)));
        let expected = run_line_by_line(&args, &lines);
        let all: String = lines.into_iter().map(|(line, _)| line).collect();
        let together = run(&args, all);
        assert_eq!(together.status, expected.status, "{args:?}");
        assert_eq!(together.stderr, expected.stderr, "{args:?}");
        assert!(together.stdout == expected.stdout, "{args:?}");
    }
}

#[test]
fn aggregates_that_are_finished_together_are_those_of_the_library() {
    // Some are finished one by one, others together; sizes range from 1 kB to 1 MB.
    for (max_size, max_count) in [(2000, 1000), (90_000, 80), (90_000, 1000), (1 << 20, 700)] {
        let limits = Limits::new().with_max_size(max_size).unwrap();
        let limits = limits.with_max_count(max_count).unwrap();
        let mut aggregator = RecordAggregator::new().with_limits(limits);
        let mut numbers = Numbers(2);
        let (mut input, mut expected) = (String::new(), Vec::new());
        for _ in 0..4000 {
            let key = format!("key {}", numbers.below(99));
            let data = vec![b'x'; usize::try_from(numbers.below(1900)).unwrap()];
            let encoded = base64(&data);
            input += &format!("{{\"partitionKey\":\"{key}\",\"data\":\"{encoded}\"}}\n");
            expected.extend(aggregator.push(OwnedUserRecord::new(key, data)).unwrap());
        }
        expected.extend(aggregator.flush());
        let expected: Vec<_> = expected.iter().map(|a| base64(a.data())).collect();
        let (max_size, max_count) = (max_size.to_string(), max_count.to_string());
        let args = [
            "aggregate",
            "--max-size",
            &max_size,
            "--max-count",
            &max_count,
        ];
        let made = run(&args, input).json();
        assert!(
            made.iter().map(|line| &line["data"]).eq(&expected),
            "{args:?}"
        );
    }
}
