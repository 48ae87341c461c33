//! Tests the key slots that callers lend to the writer. Old content in them must not
//! change the output, and the cost of a look-up must be bounded however the keys were
//! chosen. Protects devices that reuse the same memory after a reset, and services that
//! receive keys from others.

use kinesis_agg_codec::limits::{LARGEST_MAX_SIZE, MAX_KEY_PROBES};
use kinesis_agg_codec::{
    AggregateWriter, HashKey, KeyLookup as _, KeySlots, Limits, NewUserRecord, WriteSlot,
};
use kinesis_agg_tests::aggregated;
use proptest::collection::vec;
use proptest::prelude::*;

type Writer = AggregateWriter<Vec<u8>, KeySlots<Vec<WriteSlot>>>;

fn writer(buffer: Vec<u8>, slots: Vec<WriteSlot>) -> Writer {
    let limits = Limits::new().with_max_size(LARGEST_MAX_SIZE).unwrap();
    AggregateWriter::with_key_lookup(buffer, KeySlots::new(slots)).with_limits(limits)
}

fn push(writer: &mut Writer, key: &str, number: Option<u128>) {
    let user_record =
        NewUserRecord::new(key, b"data").with_explicit_hash_key(number.map(HashKey::new));
    let promised = writer.encoded_len_with(&user_record);
    writer.try_push(&user_record).unwrap();
    assert_eq!(writer.encoded_len(), promised);
}

/// A regression test: an earlier version wrote `cc`, `dd`, `dd`.
#[test]
fn a_writer_that_reuses_buffers_of_a_dropped_one_forgets_its_keys() {
    let mut dropped = writer(vec![0; 128], vec![WriteSlot::EMPTY; 4]);
    for key in ["aa", "bb"] {
        push(&mut dropped, key, None);
    }
    let (buffer, slots) = dropped.into_parts();
    let mut writer = writer(buffer, slots.into_slots());
    for key in ["cc", "bb", "dd"] {
        push(&mut writer, key, None);
    }
    let blob = writer.finish().unwrap();
    assert_eq!(blob.partition_key(), "cc");
    let view = aggregated(blob.data());
    let keys = view.user_records().map(|read| read.partition_key());
    assert!(keys.eq(["cc", "bb", "dd"]));
}

fn key() -> impl Strategy<Value = (String, Option<u128>)> {
    let text = prop_oneof![(0..20_u8).prop_map(|n| format!("k{n}")), "[a-c]{1,40}"];
    let number = prop::option::of(prop_oneof![0..8_u128, any::<u128>()]);
    (text, number)
}

proptest! {
    /// Uses the slots of an interrupted writer, which hold another aggregate's keys, and
    /// a buffer of arbitrary bytes.
    #[test]
    fn old_content_of_buffer_and_slots_does_not_change_the_output(
        before in vec(key(), 0..30),
        keys in vec(key(), 1..30),
        slot_count in 0..40_usize,
        noise in vec(any::<u8>(), 5000),
        is_finished in any::<bool>(),
    ) {
        let mut dropped = writer(vec![0; 5000], vec![WriteSlot::EMPTY; slot_count]);
        for (key, number) in &before {
            push(&mut dropped, key, *number);
        }
        if is_finished {
            let _ = dropped.finish();
        }
        let (_, dirty) = dropped.into_parts();
        let mut in_dirty = writer(noise, dirty.into_slots());
        let mut in_clean = writer(vec![0; 5000], vec![WriteSlot::EMPTY; slot_count]);
        for (key, number) in &keys {
            push(&mut in_dirty, key, *number);
            push(&mut in_clean, key, *number);
        }
        let in_dirty = in_dirty.finish().unwrap();
        let in_clean = in_clean.finish().unwrap();
        prop_assert_eq!(in_dirty.data(), in_clean.data());
        prop_assert_eq!(in_dirty, in_clean);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// With twice as many slots as keys of both kinds, each key is stored once, as in the
    /// KPL's output.
    #[test]
    fn with_twice_as_many_slots_30_000_keys_are_each_stored_once(seed in any::<u64>(), kind in 0..5_u8) {
        const KEYS: u64 = 15_000;
        let mix = |n: u64| (n ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        let text = |n: u64| match kind {
            0 => format!("{n}"),
            1 => format!("device-{n:012}"),
            2 => format!("{:016x}", mix(n)),
            3 => format!("{:08x}-0000-4000-8000-{:012x}", mix(n) >> 32, n),
            _ => format!("{}/{:x}", mix(n), n),
        };
        let number = |n: u64| match kind {
            0 | 1 => u128::from(n),
            2 => u128::from(n) << 64,
            _ => u128::from(mix(n)) << 64 | u128::from(mix(!n)),
        };
        let slots = vec![WriteSlot::EMPTY; usize::try_from(4 * KEYS).unwrap()];
        let mut writer = writer(vec![0; 8 << 20], slots);
        for n in (0..KEYS).chain((0..KEYS).rev()) {
            push(&mut writer, &text(n), Some(number(n)));
        }
        let blob = writer.finish().unwrap();
        let view = aggregated(blob.data());
        let expected = usize::try_from(KEYS).unwrap();
        prop_assert_eq!(view.partition_key_count(), expected);
        prop_assert_eq!(view.explicit_hash_key_count(), expected);
    }
}

/// A regression test: of 468,750 ranges of keys, these are the two in which almost all hashes were
/// equal.
#[test]
fn consecutive_keys_are_each_stored_once_with_twice_as_many_slots() {
    for start in [13_938_944, 13_939_200] {
        let mut writer = writer(vec![0; 8 << 10], vec![WriteSlot::EMPTY; 256]);
        for n in (start..start + 128).chain(start..start + 128) {
            push(&mut writer, &format!("device-{n:012}"), None);
        }
        let blob = writer.finish().unwrap();
        assert_eq!(
            aggregated(blob.data()).partition_key_count(),
            128,
            "{start}"
        );
    }
}

/// Uses explicit hash keys that all hash to 0, whatever the number of slots.
#[test]
fn keys_chosen_to_collide_cost_a_bounded_number_of_comparisons() {
    const HIGH: u128 = 0x9e37_79b9_7f4a_7c15 << 64;
    for slot_count in [1, 63, 64, 65, 1000, 4000] {
        let mut writer = writer(vec![0; 1 << 20], vec![WriteSlot::EMPTY; slot_count]);
        for n in 0..1000 {
            push(&mut writer, "k", Some(HIGH | n));
        }
        let (_, slots) = writer.clone().into_parts();
        for n in 0..1000 {
            let mut comparisons = 0;
            slots.find(&(HIGH | n).to_le_bytes(), |_| {
                comparisons += 1;
                false
            });
            assert!(comparisons <= MAX_KEY_PROBES);
        }
        let blob = writer.finish().unwrap();
        let read = aggregated(blob.data());
        let numbers = (0..1000).map(|n| HashKey::new(HIGH | n));
        assert!(read.user_records().zip(numbers).all(|(read, number)| {
            read.hash_key() == Ok(number) && read.partition_key() == "k"
        }));
    }
}

/// A table of n slots remembers n keys, for each small n.
#[test]
fn a_small_write_table_uses_all_of_its_slots() {
    for slot_count in 0..=MAX_KEY_PROBES {
        let mut writer = writer(vec![0; 1 << 16], vec![WriteSlot::EMPTY; slot_count]);
        for n in (0..slot_count).chain(0..slot_count).chain([1000, 1000]) {
            push(&mut writer, &format!("key-{n}"), None);
        }
        let blob = writer.finish().unwrap();
        // A key beyond the slots is stored again at each use.
        let expected = slot_count + 2;
        assert_eq!(aggregated(blob.data()).partition_key_count(), expected);
    }
}
