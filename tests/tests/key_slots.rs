//! Tests key look-ups with every small number of keys and every small number of slots, with
//! records that refer to keys in different orders, and with tables at different places in the
//! message. Too few slots may cost time, but never correctness.

use kinesis_agg_codec::ReadSlot;
use kinesis_agg_tests::{Read, aggregated, read_in, reseal, wire};

/// Returns orders in which records refer to `count` keys.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let forward: Vec<_> = (0..count).collect();
    let backward: Vec<_> = (0..count).rev().collect();
    // Each look-up is far from the end of the last one.
    let zigzag = (0..count).map(|i| if i % 2 == 0 { i / 2 } else { count - 1 - i / 2 });
    // Each key after each other one, and after itself.
    let pairs = (0..count * count).flat_map(|i| [i / count, i % count]);
    vec![forward, backward, zigzag.collect(), pairs.collect()]
}

fn key(prefix: &str, index: usize) -> Vec<u8> {
    // Lengths differ, one key is empty.
    format!("{prefix}{index}").repeat(index).into_bytes()
}

/// Combines tables and records in different ways, keeping the order within each.
fn arrangements(
    partition_keys: &[Vec<u8>],
    explicit_hash_keys: &[Vec<u8>],
    records: &[Vec<u8>],
) -> [Vec<u8>; 6] {
    let unknown = b"\x28\x07\x2b\x1a\x01x\x2c";
    let (early, late) = records.split_at(records.len() / 2);
    let alternating = |parts: [&[Vec<u8>]; 3]| {
        let longest = parts
            .iter()
            .map(|part| part.len())
            .max()
            .unwrap_or_default();
        let mut message = Vec::new();
        for place in 0..longest {
            for part in parts {
                message.extend(part.get(place).into_iter().flatten());
            }
            message.extend(unknown);
        }
        message
    };
    [
        [partition_keys, explicit_hash_keys, records]
            .concat()
            .concat(),
        [records, explicit_hash_keys, partition_keys]
            .concat()
            .concat(),
        [early, partition_keys, explicit_hash_keys, late]
            .concat()
            .concat(),
        [partition_keys, records, explicit_hash_keys]
            .concat()
            .concat(),
        alternating([partition_keys, explicit_hash_keys, records]),
        alternating([records, explicit_hash_keys, partition_keys]),
    ]
}

fn check(partition_keys: usize, explicit_hash_keys: usize, slots: &mut [ReadSlot]) {
    let pks: Vec<_> = (0..partition_keys).map(|i| key("pk", i)).collect();
    let ehks: Vec<_> = (0..explicit_hash_keys).map(|i| key("7", i)).collect();
    let mut ehk_orders = orders(explicit_hash_keys);
    // Use another order for explicit hash keys than for partition keys.
    ehk_orders.rotate_left(1);
    for (pk_order, ehk_order) in orders(partition_keys).iter().zip(&ehk_orders) {
        let mut ehk_indices = ehk_order.iter().cycle();
        let mut records = Vec::new();
        let mut expected = Vec::new();
        for (place, &pk) in pk_order.iter().enumerate() {
            let ehk = (place % 3 != 2)
                .then(|| ehk_indices.next().copied())
                .flatten();
            let number = |index| u64::try_from(index).unwrap();
            let data = place.to_le_bytes();
            records.push(wire::record(number(pk), ehk.map(number), &data));
            expected.push(Read {
                partition_key: pks[pk].clone(),
                explicit_hash_key: ehk.map(|ehk| ehks[ehk].clone()),
                data: data.to_vec(),
                tags: Vec::new(),
                sub_sequence_number: number(place),
            });
        }
        let pk_table: Vec<_> = pks.iter().map(|key| wire::partition_key(key)).collect();
        let ehk_table: Vec<_> = ehks
            .iter()
            .map(|key| wire::explicit_hash_key(key))
            .collect();
        for message in arrangements(&pk_table, &ehk_table, &records) {
            // Without keys, the message is empty and the blob would not be aggregated.
            if message.is_empty() {
                continue;
            }
            let blob = reseal(&message);
            let view = aggregated(&blob);
            assert_eq!(view.key_count(), partition_keys + explicit_hash_keys);
            assert!(
                read_in(&view, slots) == expected,
                "{partition_keys} partition keys, {explicit_hash_keys} explicit hash keys, \
                 {} slots: {}",
                slots.len(),
                hex::encode(message)
            );
        }
    }
}

#[test]
fn every_key_is_found_with_any_number_of_slots() {
    for slot_count in 0..=13 {
        // The slots are reused, so they hold old content from the second blob on.
        let mut slots = [ReadSlot::default(); 13];
        for partition_keys in 0..=6 {
            for explicit_hash_keys in 0..=6 {
                check(partition_keys, explicit_hash_keys, &mut slots[..slot_count]);
            }
        }
    }
}

#[test]
fn many_keys_are_found_through_few_slots() {
    let mut slots = vec![ReadSlot::default(); 64];
    for slot_count in [0, 1, 2, 7, 16, 31, 39, 40, 41, 64] {
        for (partition_keys, explicit_hash_keys) in [(40, 0), (1, 39), (33, 8), (17, 16)] {
            check(partition_keys, explicit_hash_keys, &mut slots[..slot_count]);
        }
    }
}

/// Protects the documented bound on the cost of a look-up. All bytes before the slot
/// nearest to the key are overwritten, so that a look-up from an earlier slot would fail.
#[test]
fn a_look_up_starts_at_the_nearest_slot() {
    let count = 12;
    let pks: Vec<_> = (0..count).map(|i| key("pk", i)).collect();
    let table: Vec<_> = pks.iter().map(|key| wire::partition_key(key)).collect();
    for slot_count in 1..=count {
        let stride = count.div_ceil(slot_count);
        for (index, key) in pks.iter().enumerate() {
            let record = wire::record(u64::try_from(index).unwrap(), None, b"x");
            let mut message = [table.concat(), record].concat();
            let blob = reseal(&message);
            let slots = vec![ReadSlot::default(); slot_count];
            let mut walk = aggregated(&blob).user_records_in(slots).into_cursor();
            let before = table[..index - index % stride].concat().len();
            message[..before].fill(0xff);
            let read = walk.advance(&message).map(|read| read.partition_key());
            let found = read.is_some_and(|found| found.as_bytes() == key);
            assert!(found, "key {index} of {count} through {slot_count} slots");
        }
    }
}
