//! The grid: combinations of data sizes and key counts, with and without explicit
//! hash keys, to find slow combinations that no row of the table measures.

use alloc::borrow::Cow;

use bytes::Bytes;

use crate::contest::{Cell, Contest, MakeCell, Scenario, Work};
use crate::input::{Shape, to_u64};
use crate::ours;
use crate::peers::{self, message_of};
use crate::table::{RECORD, ours_encoding, peer_encoding, walk_beside_two};

/// The maximum length of a cell's blob, in bytes.
const MAX_BLOB_LEN: usize = 8 << 20;
/// The number of user records in a cell, unless they do not fit in
/// [`MAX_BLOB_LEN`] or more are needed to use every key.
const RECORD_COUNT: usize = 9_000;
const KEY_COUNTS: [usize; 4] = [1, 100, 1_000, 30_000];

/// Returns the data sizes to measure.
///
/// The length of 128 bytes of data takes one more byte to encode than that of 127
/// bytes, and the length of the enclosing record grows a few bytes earlier, so
/// each size around that point is included.
fn data_lens() -> impl Iterator<Item = usize> {
    let large = [200, 1_000, 16_000, 17_000, 100_000];
    [0, 16, 100].into_iter().chain(120..=130).chain(large)
}

const METRICS: [(&str, MakeCell); 3] = [
    ("grid walk", walk),
    ("grid check", check),
    ("grid encode", encode),
];

/// Returns all cells of the grid. Cells that differ only in their data size are
/// adjacent, smallest first.
#[must_use]
pub fn grid() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for (metric, contest) in METRICS {
        for explicit_hash_keys in [false, true] {
            for key_count in KEY_COUNTS {
                let shapes = data_lens()
                    .filter_map(|data_len| shape(data_len, key_count, explicit_hash_keys));
                scenarios.extend(shapes.map(|shape| scenario(Cell { metric, shape }, contest)));
            }
        }
    }
    scenarios
}

/// Returns the shape of a cell, or `None` if there would be more keys than user
/// records.
fn shape(data_len: usize, key_count: usize, explicit_hash_keys: bool) -> Option<Shape> {
    let shape = Shape {
        record_count: RECORD_COUNT.max(key_count),
        data_len,
        key_count,
        explicit_hash_keys,
    };
    let record_count = shape.record_count.min(shape.record_count_in(MAX_BLOB_LEN));
    (record_count >= key_count).then_some(Shape {
        record_count,
        ..shape
    })
}

fn scenario(cell: Cell, contest: MakeCell) -> Scenario {
    let Shape {
        record_count,
        data_len,
        key_count,
        explicit_hash_keys,
    } = cell.shape;
    let [record_count, data_len, keys] = [record_count, data_len, key_count].map(grouped);
    let plural = if key_count == 1 { "" } else { "s" };
    let explicit_hash_keys = match explicit_hash_keys {
        true => ", 16 explicit hash keys",
        false => "",
    };
    Scenario {
        name: Cow::Owned(format!(
            "{} {record_count} x {data_len} B, {keys} key{plural}{explicit_hash_keys}",
            cell.metric,
        )),
        unit: RECORD,
        guarded: None,
        work: Work::Cell(cell, contest),
    }
}

/// Formats a number up to 999,999 with a comma as thousands separator.
fn grouped(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

fn walk(shape: Shape) -> Contest {
    // With larger data, the target is only not to be slower than a peer.
    let targets = match shape.data_len {
        0..=1_000 => [2.2, 3.0],
        _ => [1.0, 1.0],
    };
    walk_beside_two(shape, shape.blob(), targets.map(Some))
}

/// Measures the validation of the message that precedes a walk. The peers have no
/// separate validation; they decode the message.
fn check(shape: Shape) -> Contest {
    let blob = shape.blob();
    let for_quick = blob.clone();
    let for_bytes = Bytes::from(blob.clone());
    let ours = move || to_u64(ours::check(&blob));
    Contest::new("codec", shape.record_count, ours)
        .against("quick-protobuf", None, move || {
            to_u64(peers::quick_protobuf::check(message_of(&for_quick)))
        })
        .against("prost Bytes", None, move || {
            let message = for_bytes.slice_ref(message_of(&for_bytes));
            to_u64(peers::prost::check(message))
        })
}

/// Measures encoding without the digest.
fn encode(shape: Shape) -> Contest {
    let quick_protobuf = peer_encoding(shape, peers::quick_protobuf::encode);
    let prost_bytes = peer_encoding(shape, peers::prost::shared::encode);
    Contest::new("codec", shape.record_count, ours_encoding(shape))
        .against("quick-protobuf", None, quick_protobuf)
        .against("prost Bytes", None, prost_bytes)
}
