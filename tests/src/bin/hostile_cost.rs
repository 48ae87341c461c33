//! Processes one hostile input, for `tests/hostile-cost.sh`, which counts the
//! instructions of `measured`.
//!
//! `hostile_cost CASE N`: the cost may grow with the size N.

use core::hint::black_box;
use std::env;
use std::process::ExitCode;

use kinesis_agg::RecordAggregator;
use kinesis_agg::codec::{
    AggregateWriter, KeyLookup as _, KeySlots, MAGIC, Parsed, ReadSlot, WriteSlot,
    parse_without_digest,
};
use kinesis_agg::write::NewUserRecord;
use kinesis_agg_tests::wire::{bytes as bytes_field, number as number_field, record};

/// Returns a blob with a wrong digest, for parsing without the digest: the cost of MD5
/// would hide that of parsing.
fn framed(message: &[u8]) -> Vec<u8> {
    [&MAGIC, message, &[0; 16]].concat()
}

fn keys(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| bytes_field(1, format!("key-{n:08}").as_bytes()))
        .collect()
}

/// Returns a key index that jumps around in a table of `count` keys.
fn jumping(n: usize, count: usize) -> u64 {
    u64::try_from((n.wrapping_mul(0x9e37_79b1) ^ (n >> 3)) % count).unwrap()
}

#[inline(never)]
fn measured<R>(run: impl FnOnce() -> R) -> R {
    black_box(run())
}

/// Reads everything in a blob.
fn read(blob: &[u8], slot_count: Option<usize>) {
    let mut slots = vec![ReadSlot::default(); slot_count.unwrap_or(1 << 20)];
    let read = measured(|| {
        let Ok(Parsed::Aggregated(aggregated)) = parse_without_digest(black_box(blob)) else {
            return 0;
        };
        let slot_count = slot_count.unwrap_or(aggregated.key_count());
        aggregated
            .user_records_in(&mut slots[..slot_count])
            .map(|user_record| {
                user_record.data().len()
                    + user_record.partition_key().as_bytes().len()
                    + user_record.tags().iter().count()
            })
            .sum()
    });
    assert!(read > 0, "the blob of this case has no user records");
}

/// Parses a blob that is malformed at its end, so that all of it is read before.
fn reject(blob: &[u8]) {
    assert!(measured(|| parse_without_digest(black_box(blob)).is_err()));
}

/// Adds `n` user records, each with two new keys.
fn write(mut writer: AggregateWriter<Vec<u8>, KeySlots<Vec<WriteSlot>>>, n: usize) {
    let keys: Vec<_> = (0..n).map(|n| format!("key-{n:08}")).collect();
    measured(|| {
        for (n, key) in (0_u128..).zip(&keys) {
            let user_record = NewUserRecord::new(key, b"data")
                .with_explicit_hash_key(kinesis_agg::HashKey::new(n));
            writer.try_push(&user_record).unwrap();
        }
        assert!(!writer.finish_unsealed().unwrap().message().is_empty());
    });
}

fn writer(
    capacity: usize,
    slot_count: usize,
) -> AggregateWriter<Vec<u8>, KeySlots<Vec<WriteSlot>>> {
    let slots = KeySlots::new(vec![WriteSlot::EMPTY; slot_count]);
    let limits = kinesis_agg::write::Limits::new()
        .with_max_size(10 << 20)
        .unwrap();
    AggregateWriter::with_key_lookup(vec![0xa5; capacity], slots).with_limits(limits)
}

/// Returns keys whose look-up starts at the same one of `slot_count` slots.
fn keys_of_first_slot(count: usize, slot_count: usize) -> Vec<String> {
    // In a table with one key, a look-up of another key compares the two only if it starts at
    // the slot of the first.
    let mut writer = writer(100, slot_count);
    writer.try_push(&NewUserRecord::new("k", b"")).unwrap();
    let (_, slots) = writer.into_parts();
    let starts_there = |key: &String| {
        let mut is_compared = false;
        slots.find(key.as_bytes(), |_| {
            is_compared = true;
            false
        });
        is_compared
    };
    let keys = (0_u64..).map(|n| format!("{n:x}"));
    keys.filter(starts_there).take(count).collect()
}

fn run(case: &str, n: usize) -> bool {
    let smallest = || record(0, None, b"");
    match case {
        "smallest-records" => read(&framed(&[keys(1), smallest().repeat(n)].concat()), None),
        "unknown-fields" => {
            let unknown = [
                number_field(9, u64::MAX),
                bytes_field(10, b"unknown"),
                vec![13 << 3 | 5, 1, 2, 3, 4],
                vec![14 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8],
            ];
            let body = [keys(1), unknown.concat().repeat(n), smallest()].concat();
            read(&framed(&body), None);
        }
        "deep-groups" => {
            let groups = [[9 << 3 | 3; 100], [9 << 3 | 4; 100]].concat();
            read(
                &framed(&[keys(1), groups.repeat(n / 100), smallest()].concat()),
                None,
            );
        }
        "long-varints" => {
            let index = [&[0x08][..], &[0x80; 9], &[0x00]].concat();
            let data = [&[0x1a][..], &[0x80; 9], &[0x00]].concat();
            let record = bytes_field(3, &[index, data].concat());
            read(&framed(&[keys(1), record.repeat(n)].concat()), None);
        }
        "tags" => {
            let tag = bytes_field(4, &bytes_field(1, b"k"));
            let body = [number_field(1, 0), bytes_field(3, b""), tag.repeat(n)].concat();
            read(&framed(&[keys(1), bytes_field(3, &body)].concat()), None);
        }
        "jumping-keys" => {
            let records = (0..n).flat_map(|at| record(jumping(at, n), None, b""));
            read(&framed(&[keys(n), records.collect()].concat()), None);
        }
        "keys-between-records" => {
            let mixed = (0..n).flat_map(|at| {
                let key = bytes_field(1, format!("key-{at:08}").as_bytes());
                [key, record(jumping(at, n), None, b"")].concat()
            });
            read(&framed(&mixed.collect::<Vec<_>>()), None);
        }
        "keys-in-order-without-slots" => {
            let records = (0_u64..).take(n).flat_map(|at| record(at, None, b""));
            read(&framed(&[keys(n), records.collect()].concat()), Some(0));
        }
        "quadratic-control" => {
            let records = (0..n).flat_map(|at| record(jumping(at, n), None, b""));
            read(&framed(&[keys(n), records.collect()].concat()), Some(1));
        }
        // The number of records is fixed, so that only the cost of a look-up grows.
        "jumping-keys-16-slots" => {
            let records = (0..1000).flat_map(|at| record(jumping(at, n), None, b""));
            read(&framed(&[keys(n), records.collect()].concat()), Some(16));
        }
        "bad-index-last" => {
            let bad = record(7, None, b"");
            reject(&framed(&[keys(1), smallest().repeat(n), bad].concat()));
        }
        "truncated-last" => reject(&framed(
            &[keys(1), smallest().repeat(n), vec![0x1a]].concat(),
        )),
        "write-with-room" => write(writer(100 * n, 4 * n), n),
        "write-without-room" => {
            let mut sized = writer(100 * n, 4 * n);
            for (n, key) in (0_u128..).zip((0..n).map(|n| format!("key-{n:08}"))) {
                let user_record = NewUserRecord::new(&key, b"data")
                    .with_explicit_hash_key(kinesis_agg::HashKey::new(n));
                sized.try_push(&user_record).unwrap();
            }
            write(
                writer(usize::try_from(sized.encoded_len()).unwrap(), 4 * n),
                n,
            );
        }
        "write-16-slots" => write(writer(100 * n, 16), n),
        // All keys have the same slot, whatever the number of slots.
        "write-chosen-hash-keys" => {
            let mut writer = writer(100 * n, 4 * n);
            measured(|| {
                for low in (0_u128..).take(n) {
                    let number = 0x9e37_79b9_7f4a_7c15 << 64 | low;
                    let user_record = NewUserRecord::new("k", b"data")
                        .with_explicit_hash_key(kinesis_agg::HashKey::new(number));
                    writer.try_push(&user_record).unwrap();
                }
            });
        }
        "write-chosen-keys" => {
            let keys = keys_of_first_slot(n, 4 * n);
            let mut writer = writer(100 * n, 4 * n);
            measured(|| {
                for key in &keys {
                    writer.try_push(&NewUserRecord::new(key, b"data")).unwrap();
                }
            });
        }
        "aggregator" => {
            let keys: Vec<_> = (0..n).map(|n| format!("key-{n:08}")).collect();
            let mut aggregator = RecordAggregator::new().with_limits(
                kinesis_agg::write::Limits::new()
                    .with_max_size(10 << 20)
                    .unwrap(),
            );
            measured(|| {
                for key in &keys {
                    let pushed = aggregator.push(NewUserRecord::new(key, b"data")).unwrap();
                    assert!(pushed.is_none());
                }
            });
        }
        _ => return false,
    }
    true
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let known = match (args.next(), args.next().map(|n| n.parse())) {
        (Some(case), Some(Ok(n))) => run(&case, n),
        _ => false,
    };
    ExitCode::from(if known { 0 } else { 2 })
}
