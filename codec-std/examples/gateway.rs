//! A gateway: receives short aggregates from devices and packs their user
//! records into long ones.
//!
//! ```sh
//! cargo run -p kinesis-agg --example gateway
//! ```
//!
//! All user records get the gateway's explicit hash key. That decides on the
//! shard, so each aggregate belongs to one shard, whatever devices are in it; the
//! partition keys stay those of the devices.

use core::error::Error;

use kinesis_agg::codec::{AggregateWriter, NewUserRecord, Parsed, parse};
use kinesis_agg::{HashKey, KinesisRecord, RecordAggregator};

/// What a device sends: a few readings of its own in an aggregate.
fn blob_of(device: &str, round: u32) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut buffer = [0; 256];
    let mut writer = AggregateWriter::new(&mut buffer);
    for reading in 0..10 {
        let data = (10 * round + reading).to_be_bytes();
        writer.try_push(&NewUserRecord::new(device, &data))?;
    }
    Ok(writer.finish()?.data().to_vec())
}

/// Adds the user records of a device's blob. Returns aggregates that are full.
fn receive(
    blob: &[u8],
    hash_key: HashKey,
    aggregator: &mut RecordAggregator,
) -> Result<Vec<KinesisRecord>, Box<dyn Error>> {
    let Parsed::Aggregated(aggregated) = parse(blob)? else {
        return Err("the device sent something else".into());
    };
    let mut full = Vec::new();
    for user_record in aggregated.user_records() {
        let user_record = NewUserRecord::try_from(&user_record)?.with_explicit_hash_key(hash_key);
        let pushed = aggregator.push(user_record);
        full.extend(
            pushed
                .map_err(|error| error.to_string())?
                .map(KinesisRecord::from),
        );
    }
    Ok(full)
}

fn main() -> Result<(), Box<dyn Error>> {
    let hash_key = HashKey::of_partition_key(b"gateway-1");
    let mut aggregator = RecordAggregator::new();
    let mut put = Vec::new();
    let (devices, rounds) = (200, 20);
    for round in 0..rounds {
        for device in 0..devices {
            let blob = blob_of(&format!("device-{device}"), round)?;
            put.extend(receive(&blob, hash_key, &mut aggregator)?);
        }
    }
    // In a program that runs on: when the oldest user record is old enough.
    put.extend(aggregator.flush().map(KinesisRecord::from));

    // What a consumer gets: every reading of each device, in order, in one shard.
    let mut read = vec![Vec::new(); devices];
    for record in &put {
        assert_eq!(record.explicit_hash_key, Some(hash_key.to_string()));
        let Parsed::Aggregated(aggregated) = parse(&record.data)? else {
            return Err("not an aggregate".into());
        };
        for user_record in aggregated.user_records() {
            assert_eq!(user_record.hash_key(), Ok(hash_key));
            let device = user_record.partition_key().to_str()?;
            let device = device.strip_prefix("device-").ok_or("another key")?;
            let reading = u32::from_be_bytes(user_record.data().try_into()?);
            read[device.parse::<usize>()?].push(reading);
        }
    }
    assert!(
        read.into_iter()
            .all(|readings| readings.into_iter().eq(0..10 * rounds))
    );
    println!(
        "{} aggregates of {devices} devices became {}, with every reading in order",
        devices * usize::try_from(rounds)?,
        put.len()
    );
    Ok(())
}
