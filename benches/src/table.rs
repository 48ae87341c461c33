//! The scenarios and their contestants.

use alloc::borrow::Cow;

use bytes::Bytes;
use kinesis_agg::digests::hash_keys_of;
use kinesis_agg::write::Limits;
use kinesis_agg::{Deaggregator, RecordAggregator};
use kinesis_agg_codec::{HashKey, limits};

use crate::batches::{Blobs, ragged, ten_of_a_megabyte, two_hundred_of_50_kilobytes};
use crate::contest::{Contest, Scenario, Work};
use crate::input::{Shape, Touched, UserRecordInput, partition_key, to_u64};
use crate::ours::{self, Writer};
use crate::peers::{self, message_of, verified_message_of};

/// A unit, see [`Scenario::unit`].
pub(crate) const RECORD: &str = "user record";
const KEY: &str = "key";

/// The shape that most targets apply to.
const MAIN: Shape = shape(9_000, 100, 1_000);

/// Returns all scenarios, in the order of the scoreboard.
#[must_use]
pub const fn scenarios() -> &'static [Scenario] {
    SCENARIOS
}

const SCENARIOS: &[Scenario] = &[
    row("walk 9,000 x 100 B, 1,000 keys", RECORD, || {
        walk(MAIN, WALK_TARGETS)
    })
    .guarded("walk"),
    row("walk 9,000 x 100 B, 1 key", RECORD, || {
        walk(shape(9_000, 100, 1), NO_TARGETS)
    }),
    row("walk 9,000 x 100 B, 100 keys", RECORD, || {
        walk(shape(9_000, 100, 100), NO_TARGETS)
    }),
    row("walk 10,000 x 100 B, 10,000 keys", RECORD, || {
        walk(shape(10_000, 100, 10_000), NO_TARGETS)
    }),
    row("walk 100,000 x 100 B, 100,000 keys", RECORD, || {
        walk(shape(100_000, 100, 100_000), NO_TARGETS)
    })
    // Each user record has its own key, so a reader reads as many keys as user records.
    .guarded("walk-many-keys"),
    row(
        "walk 9,000 x 100 B, 1,000 keys, 16 explicit hash keys",
        RECORD,
        || walk(with_explicit_hash_keys(MAIN), NO_TARGETS),
    )
    .guarded("walk-ehk"),
    row("walk 26,000 x 30 B, 1,000 keys", RECORD, || {
        walk(shape(26_000, 30, 1_000), NO_TARGETS)
    }),
    row("walk 1,000 x 1 kB, 100 keys", RECORD, || {
        walk(shape(1_000, 1_000, 100), NO_TARGETS)
    }),
    row("walk 10 x 100 kB, 10 keys", RECORD, || {
        walk(shape(10, 100_000, 10), NO_TARGETS)
    }),
    row(
        "verify and walk 9,000 x 100 B in codec",
        RECORD,
        verify_in_codec,
    )
    .guarded("verify"),
    row(
        "verify and walk 9,000 x 100 B in codec-std",
        RECORD,
        verify_in_codec_std,
    )
    .guarded("verify-std"),
    row("batch of 10 x 1 MB", RECORD, || {
        batch(ten_of_a_megabyte(), 6.0)
    }),
    row("batch of 200 x 50 kB", RECORD, || {
        batch(two_hundred_of_50_kilobytes(), 6.0)
    })
    .guarded("batch-std"),
    row("batch of 1 kB to 1 MB, ragged", RECORD, || {
        batch(ragged(), 5.0)
    }),
    row("batch of 10 x 1 MB, AVX2 lanes", RECORD, || {
        batch_with_avx2(ten_of_a_megabyte())
    }),
    row("batch of 200 x 50 kB, AVX2 lanes", RECORD, || {
        batch_with_avx2(two_hundred_of_50_kilobytes())
    }),
    row("batch of 1 kB to 1 MB, ragged, AVX2 lanes", RECORD, || {
        batch_with_avx2(ragged())
    }),
    row("encode 9,000 x 100 B, 1,000 keys", RECORD, || {
        encode(MAIN, Some(2.3))
    })
    .guarded("encode"),
    row(
        "encode 9,000 x 100 B, 1,000 keys, 16 explicit hash keys",
        RECORD,
        || encode(with_explicit_hash_keys(MAIN), None),
    )
    .guarded("encode-ehk"),
    row("encode 26,000 x 30 B, 1,000 keys", RECORD, || {
        encode(shape(26_000, 30, 1_000), None)
    }),
    row("encode 1,000 x 1 kB, 100 keys", RECORD, || {
        encode(shape(1_000, 1_000, 100), None)
    }),
    row(
        "encode with digest 9,000 x 100 B in codec",
        RECORD,
        encode_sealed_in_codec,
    )
    .guarded("encode-sealed"),
    row(
        "encode with digest 9,000 x 100 B in codec-std",
        RECORD,
        encode_sealed_in_codec_std,
    )
    .guarded("encode-std"),
    row("hash keys of 5,000 partition keys", KEY, hash_keys).guarded("hash-keys"),
    row(
        "growth of walk, 10 x 100 B, 10 keys",
        RECORD,
        growth_of_walk,
    ),
    row(
        "growth of walk with keys, 10,000 x 100 B, 1 key",
        RECORD,
        growth_with_keys,
    ),
    row(
        "growth of encode, 10 x 100 B, 10 keys",
        RECORD,
        growth_of_encode,
    ),
    row(
        "growth of encode with keys, 8,000 x 100 B, 1 key",
        RECORD,
        growth_of_encode_with_keys,
    ),
];

const fn row(name: &'static str, unit: &'static str, contest: fn() -> Contest) -> Scenario {
    Scenario {
        name: Cow::Borrowed(name),
        unit,
        guarded: None,
        work: Work::Row(contest),
    }
}

const fn shape(record_count: usize, data_len: usize, key_count: usize) -> Shape {
    Shape {
        record_count,
        data_len,
        key_count,
        explicit_hash_keys: false,
    }
}

const fn with_explicit_hash_keys(shape: Shape) -> Shape {
    Shape {
        explicit_hash_keys: true,
        ..shape
    }
}

/// Returns a run that calls `walk` with a new checksum.
fn walking(mut walk: impl FnMut(&mut Touched) + 'static) -> impl FnMut() -> u64 + 'static {
    move || {
        let mut touched = Touched::default();
        walk(&mut touched);
        touched.checksum()
    }
}

/// Minimum ratios of the times of quick-protobuf and prost `Bytes` to ours.
type WalkTargets = [Option<f64>; 2];
const WALK_TARGETS: WalkTargets = [Some(2.5), Some(3.0)];
const NO_TARGETS: WalkTargets = [None; 2];

fn ours_walking(shape: Shape) -> impl FnMut() -> u64 + 'static {
    ours_walking_over(shape.blob())
}

fn ours_walking_over(blob: Vec<u8>) -> impl FnMut() -> u64 + 'static {
    let mut slots = Vec::new();
    walking(move |touched| ours::walk(&blob, &mut slots, touched))
}

fn walk(shape: Shape, targets: WalkTargets) -> Contest {
    let blob = shape.blob();
    let [for_vec, for_buffa, for_micropb] = [(); 3].map(|()| blob.clone());
    walk_beside_two(shape, blob, targets)
        .against(
            "prost Vec",
            None,
            walking(move |touched| peers::prost::vec::walk(message_of(&for_vec), touched)),
        )
        .against(
            "buffa view",
            None,
            walking(move |touched| peers::buffa::walk(message_of(&for_buffa), touched)),
        )
        .against(
            "micropb",
            None,
            walking(move |touched| peers::micropb::walk(message_of(&for_micropb), touched)),
        )
}

/// A walk against quick-protobuf and prost `Bytes`, with a target for each.
pub(crate) fn walk_beside_two(shape: Shape, blob: Vec<u8>, targets: WalkTargets) -> Contest {
    let [quick_protobuf, prost_bytes] = targets;
    let for_quick = blob.clone();
    let for_bytes = Bytes::from(blob.clone());
    Contest::new("codec", shape.record_count, ours_walking_over(blob))
        .against(
            "quick-protobuf",
            quick_protobuf,
            walking(move |touched| peers::quick_protobuf::walk(message_of(&for_quick), touched)),
        )
        .against(
            "prost Bytes",
            prost_bytes,
            walking(move |touched| {
                let message = for_bytes.slice_ref(message_of(&for_bytes));
                peers::prost::shared::walk(message, touched);
            }),
        )
}

fn md5_alone(blobs: Vec<Vec<u8>>) -> impl FnMut() -> u64 + 'static {
    move || peers::md5_alone(&blobs)
}

fn verify_in_codec() -> Contest {
    let blob = MAIN.blob();
    let mut slots = Vec::new();
    let ours = walking(move |touched| ours::verify(&blob, &mut slots, touched));
    with_verifying_peers(Contest::new("codec", MAIN.record_count, ours), 1.10)
}

fn verify_in_codec_std() -> Contest {
    let blob = MAIN.blob();
    let mut deaggregator = Deaggregator::new();
    let ours = walking(move |touched| ours::deaggregate(&blob, &mut deaggregator, touched));
    with_verifying_peers(Contest::new("codec-std", MAIN.record_count, ours), 0.95)
}

fn with_verifying_peers(contest: Contest, times_md5: f64) -> Contest {
    let blob = || Bytes::from(MAIN.blob());
    let [for_quick, for_bytes] = [(); 2].map(|()| blob());
    contest
        .against_floor("md-5 alone", Some(times_md5), md5_alone(vec![MAIN.blob()]))
        .against(
            "quick-protobuf + md-5",
            None,
            walking(move |touched| {
                peers::quick_protobuf::walk(verified_message_of(&for_quick), touched);
            }),
        )
        .against(
            "prost Bytes + md-5",
            None,
            walking(move |touched| {
                let message = for_bytes.slice_ref(verified_message_of(&for_bytes));
                peers::prost::shared::walk(message, touched);
            }),
        )
}

fn batch(blobs: Blobs, target: f64) -> Contest {
    let ours = blobs.blobs.clone();
    let ours = walking(move |touched| ours::deaggregate_at_once(&ours, touched));
    let one_by_one = blobs.blobs.clone();
    let mut deaggregator = Deaggregator::new();
    let one_by_one = walking(move |touched| {
        for blob in &one_by_one {
            ours::deaggregate(blob, &mut deaggregator, touched);
        }
    });
    let contest = Contest::new("codec-std", blobs.record_count, ours);
    with_batch_peers(contest, blobs, target).against("codec-std, one by one", None, one_by_one)
}

fn batch_with_avx2(blobs: Blobs) -> Contest {
    let ours = blobs.blobs.clone();
    let mut slots = Vec::new();
    let ours = walking(move |touched| ours::verify_with_avx2(&ours, &mut slots, touched));
    let contest = Contest::new("codec", blobs.record_count, ours);
    with_batch_peers(contest, blobs, 4.0)
}

fn with_batch_peers(contest: Contest, blobs: Blobs, target: f64) -> Contest {
    let for_quick = blobs.blobs.clone();
    let for_bytes: Vec<_> = blobs.blobs.iter().cloned().map(Bytes::from).collect();
    contest
        .against(
            "prost Bytes + md-5",
            Some(target),
            walking(move |touched| {
                for blob in &for_bytes {
                    let message = blob.slice_ref(verified_message_of(blob));
                    peers::prost::shared::walk(message, touched);
                }
            }),
        )
        .against(
            "quick-protobuf + md-5",
            None,
            walking(move |touched| {
                for blob in &for_quick {
                    peers::quick_protobuf::walk(verified_message_of(blob), touched);
                }
            }),
        )
        .against_floor("md-5 alone", None, md5_alone(blobs.blobs))
}

pub(crate) fn ours_encoding(shape: Shape) -> impl FnMut() -> u64 + 'static {
    let user_records = shape.user_records();
    let mut writer = Writer::new(shape.key_count + 16);
    move || to_u64(writer.encode(&user_records))
}

/// A peer that encodes into a reused buffer.
pub(crate) fn peer_encoding(
    shape: Shape,
    encode: fn(&[UserRecordInput], &mut Vec<u8>),
) -> impl FnMut() -> u64 + 'static {
    let user_records = shape.user_records();
    let mut out = Vec::new();
    move || {
        encode(&user_records, &mut out);
        to_u64(out.len())
    }
}

fn encode(shape: Shape, target: Option<f64>) -> Contest {
    let prost_vec = peer_encoding(shape, peers::prost::vec::encode);
    let prost_bytes = peer_encoding(shape, peers::prost::shared::encode);
    Contest::new("codec", shape.record_count, ours_encoding(shape))
        .against("prost Vec, built and encoded", target, prost_vec)
        .against("prost Bytes, built and encoded", target, prost_bytes)
}

fn encode_sealed_in_codec() -> Contest {
    let user_records = MAIN.user_records();
    let mut writer = Writer::new(MAIN.key_count);
    let ours = move || to_u64(writer.encode_sealed(&user_records));
    with_sealing_peers(Contest::new("codec", MAIN.record_count, ours))
}

fn encode_sealed_in_codec_std() -> Contest {
    let user_records = MAIN.user_records();
    let limits = Limits::new().with_max_size(limits::LARGEST_MAX_SIZE);
    let mut aggregator = RecordAggregator::new().with_limits(limits.unwrap());
    let ours = move || to_u64(ours::aggregate(&mut aggregator, &user_records));
    with_sealing_peers(Contest::new("codec-std", MAIN.record_count, ours))
}

fn with_sealing_peers(contest: Contest) -> Contest {
    let user_records = MAIN.user_records();
    contest
        .against_floor("md-5 alone", Some(1.15), md5_alone(vec![MAIN.blob()]))
        .against("best-effort aggregator on prost", None, move || {
            let blobs = peers::best_effort::aggregate(&user_records, 10 << 20);
            blobs.iter().map(|blob| to_u64(blob.len())).sum()
        })
}

fn hash_keys() -> Contest {
    let keys: Vec<_> = (0..5_000).map(partition_key).collect();
    let sum = |hash_keys: &mut dyn Iterator<Item = HashKey>| {
        let low = |key: HashKey| u64::try_from(key.to_u128() >> 64).unwrap_or_default();
        hash_keys.fold(0, |sum: u64, key| sum.wrapping_add(low(key)))
    };
    let one_by_one = keys.clone();
    Contest::new("codec-std", keys.len(), move || {
        sum(&mut hash_keys_of(&keys).into_iter())
    })
    .against("one by one", Some(4.0), move || {
        let of = |key: &String| HashKey::of_partition_key(key.as_bytes());
        sum(&mut one_by_one.iter().map(of))
    })
}

/// Our contestant, then our own code with the larger shapes in `more`.
fn growing<R: FnMut() -> u64 + 'static>(
    ours: fn(Shape) -> R,
    first: Shape,
    more: &[(&'static str, Shape, Option<f64>)],
) -> Contest {
    let contest = Contest::new("codec", first.record_count, ours(first));
    more.iter()
        .fold(contest, |contest, &(name, shape, at_most)| {
            contest.growing(name, shape.record_count, at_most, ours(shape))
        })
}

fn growth_of_walk() -> Contest {
    growing(
        ours_walking,
        shape(10, 100, 10),
        &[
            ("100 user records", shape(100, 100, 10), Some(1.5)),
            ("1,000 user records", shape(1_000, 100, 10), Some(1.5)),
            ("10,000 user records", shape(10_000, 100, 10), Some(1.5)),
            ("100,000 user records", shape(100_000, 100, 10), Some(1.5)),
        ],
    )
}

fn growth_with_keys() -> Contest {
    growing(
        ours_walking,
        shape(10_000, 100, 1),
        &[
            ("100 keys", shape(10_000, 100, 100), Some(2.0)),
            ("1,000 keys", shape(10_000, 100, 1_000), Some(2.0)),
            ("10,000 keys", shape(10_000, 100, 10_000), Some(2.0)),
            (
                "100,000 user records and keys",
                shape(100_000, 100, 100_000),
                None,
            ),
        ],
    )
}

fn growth_of_encode() -> Contest {
    growing(
        ours_encoding,
        shape(10, 100, 10),
        &[
            ("100 user records", shape(100, 100, 10), Some(1.5)),
            ("1,000 user records", shape(1_000, 100, 10), Some(1.5)),
            ("10,000 user records", shape(10_000, 100, 10), Some(1.5)),
        ],
    )
}

fn growth_of_encode_with_keys() -> Contest {
    growing(
        ours_encoding,
        shape(8_000, 100, 1),
        &[
            ("100 keys", shape(8_000, 100, 100), Some(2.0)),
            ("1,000 keys", shape(8_000, 100, 1_000), Some(2.0)),
            ("8,000 keys", shape(8_000, 100, 8_000), Some(2.0)),
        ],
    )
}
