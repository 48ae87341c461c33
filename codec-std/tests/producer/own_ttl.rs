//! User records with a time to live of their own expire neither earlier nor later, wherever they
//! wait.

use kinesis_agg::producer::{FailureReason, ProducerSettings, PutError};
use kinesis_agg::shards::RejectionReason;
use tokio::time::Instant;

use crate::stream::{Faults, MemoryStream};
use crate::{denied, ms, paused, producer, user_record};

fn has_expired(error: &PutError) -> bool {
    match error {
        PutError::Failed(failure) => failure.reason == FailureReason::Expired,
        PutError::Rejected(_, reason) => *reason == RejectionReason::Expired,
        _ => false,
    }
}

#[test]
fn user_records_expire_by_the_time_to_live_of_their_handle() {
    paused(async {
        let stream = MemoryStream::new(1, denied(), 1);
        let settings = ProducerSettings::new().with_ttl(ms(2_000));
        let producer = producer(&stream, settings).await;
        let (short, long) = (producer.with_ttl(ms(300)), producer.with_ttl(ms(10_000)));
        let start = Instant::now();
        let longest = long.put(user_record("long", 0)).await;
        let usual = producer.put(user_record("usual", 0)).await;
        let batch = short.put_batch([user_record("short", 0), user_record("long", 1)]);
        let tried = short.try_put(user_record("usual", 1)).unwrap();
        let mut shortest = batch.await;
        shortest.push(tried);
        for delivery in shortest {
            assert!(has_expired(&delivery.await.unwrap_err()));
        }
        // An attempt in flight is not given up.
        let elapsed = start.elapsed();
        assert!(elapsed >= ms(300) && elapsed < ms(600), "{elapsed:?}");
        assert!(has_expired(&usual.await.unwrap_err()));
        let elapsed = start.elapsed();
        assert!(elapsed >= ms(2_000) && elapsed < ms(3_000), "{elapsed:?}");
        stream.set_faults(Faults::default());
        longest.await.unwrap();
        let none = producer.with_ttl(ms(0)).put(user_record("none", 0)).await;
        assert!(has_expired(&none.await.unwrap_err()));
        // A clone keeps the time to live.
        stream.set_faults(denied());
        let start = Instant::now();
        let clone = short.clone().put(user_record("short", 1)).await;
        assert!(has_expired(&clone.await.unwrap_err()));
        assert!(start.elapsed() < ms(600));
    });
}

#[test]
fn the_wait_for_room_counts() {
    paused(async {
        let stream = MemoryStream::new(1, denied(), 1);
        let settings = ProducerSettings::new().with_max_buffered_len(1_000);
        let producer = producer(&stream, settings).await;
        let _first = producer.put(user_record("key", 0)).await;
        let start = Instant::now();
        let short = producer.with_ttl(ms(300));
        let put = short.put(user_record("key", 1)).await;
        assert!(has_expired(&put.await.unwrap_err()));
        let put = short.put_within(user_record("key", 2), ms(10_000)).await;
        assert!(has_expired(&put.unwrap_err()));
        assert_eq!(start.elapsed(), ms(600));
    });
}

/// Protects from waiting for an aggregate to fill until the user record expires.
#[test]
fn a_short_time_to_live_shortens_the_wait_for_others() {
    paused(async {
        let stream = MemoryStream::new(1, Faults::default(), 1);
        let settings = ProducerSettings::new().with_max_age(ms(5_000));
        let producer = producer(&stream, settings).await;
        let start = Instant::now();
        let short = producer.with_ttl(ms(1_000));
        short.put(user_record("key", 0)).await.await.unwrap();
        assert_eq!(start.elapsed(), ms(500));
    });
}
