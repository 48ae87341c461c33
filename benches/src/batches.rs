//! Batches of blobs, such as a `GetRecords` response holds.

use crate::input::{Shape, below};

const USER_RECORD: Shape = Shape {
    record_count: 0,
    data_len: 100,
    key_count: 0,
    explicit_hash_keys: false,
};

/// Returns a blob of about `len` bytes: user records of 100 bytes, one key per nine
/// of them.
fn blob_of_about(len: usize) -> Vec<u8> {
    let record_count = (len / 111).max(1);
    Shape {
        record_count,
        key_count: record_count.div_ceil(9),
        ..USER_RECORD
    }
    .blob()
}

/// Blobs and their user records.
#[derive(Debug)]
pub(crate) struct Blobs {
    pub(crate) blobs: Vec<Vec<u8>>,
    pub(crate) record_count: usize,
}

fn of_lens(lens: impl Iterator<Item = usize>) -> Blobs {
    let blobs: Vec<_> = lens.map(blob_of_about).collect();
    let count = |blob: &Vec<u8>| match kinesis_agg_codec::parse_without_digest(blob) {
        Ok(kinesis_agg_codec::Parsed::Aggregated(aggregated)) => aggregated.record_count(),
        _ => 0,
    };
    let record_count = blobs.iter().map(count).sum();
    Blobs {
        blobs,
        record_count,
    }
}

pub(crate) fn ten_of_a_megabyte() -> Blobs {
    of_lens((0..10).map(|_| 1_000_000))
}

pub(crate) fn two_hundred_of_50_kilobytes() -> Blobs {
    of_lens((0..200).map(|_| 50_000))
}

/// Blobs of 1 kB to 1 MB in mixed order, 10 MB in total.
pub(crate) fn ragged() -> Blobs {
    let mut left = 10_000_000_usize;
    let lens = (0..).map_while(|n| {
        let len = match n % 8 {
            0 => 20_000 + below(n, 980_000),
            1..=4 => 1_000 + below(n, 19_000),
            _ => 20_000 + below(n, 80_000),
        };
        left = left.checked_sub(len)?;
        Some(len)
    });
    of_lens(lens)
}
