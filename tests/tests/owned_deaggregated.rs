//! Compares the iterator that owns its Kinesis records with the one that borrows them.
//! Both must deliver the same with all settings, and if records are added in pieces.

use bytes::Bytes;
use kinesis_agg::read::MalformedPolicy;
use kinesis_agg::{
    Deaggregator, ExtendedSequenceNumber, HashKey, HashKeyFilter, HashKeyRange, KinesisRecord,
    OwnedDelivered,
};
use kinesis_agg_tests::fixtures::decode_cases;

type Seen = (
    OwnedDelivered<KinesisRecord>,
    Option<ExtendedSequenceNumber>,
);

fn fixtures() -> Vec<KinesisRecord> {
    let blobs = decode_cases().into_iter().map(|case| case.blob);
    let records = blobs.enumerate().map(|(n, data)| KinesisRecord {
        data: Bytes::from(data),
        partition_key: Some("outer".into()),
        explicit_hash_key: None,
        sequence_number: Some(n.to_string()),
    });
    records.collect()
}

fn settings() -> Vec<Deaggregator> {
    let range = HashKeyRange::new(HashKey::MIN, HashKey::new(u128::MAX / 2)).unwrap();
    let filters = [
        None,
        Some(HashKeyFilter::WholeAggregate(range)),
        Some(HashKeyFilter::PerUserRecord(range)),
    ];
    let mut settings = Vec::new();
    for filter in filters {
        for malformed in [MalformedPolicy::Deliver, MalformedPolicy::LeaveOut] {
            for checkpoint in [None, Some("3:0"), Some("40:1")] {
                let mut one = Deaggregator::new().with_malformed(malformed);
                if let Some(filter) = filter {
                    one = one.with_filter(filter);
                }
                one.set_checkpoint(checkpoint.map(|text| text.parse().unwrap()));
                settings.push(one);
            }
        }
    }
    settings
}

#[test]
fn the_owned_iterator_delivers_the_same_as_the_borrowing_one() {
    let records = fixtures();
    for deaggregator in settings() {
        let mut borrowing = deaggregator.clone();
        let mut borrowed = borrowing.deaggregate(&records);
        let mut expected: Vec<Seen> = Vec::new();
        while let Some(delivered) = borrowed.next() {
            expected.push((delivered.into_owned(), borrowed.checkpoint().unwrap()));
        }
        let end = borrowed.checkpoint().unwrap();
        let counters = borrowed.deaggregator().counters();
        assert!(expected.len() > 50, "{}", expected.len());

        for ahead in [false, true] {
            for batch_len in [1, 7, records.len()] {
                let deaggregator = deaggregator.clone().with_digests_ahead(ahead);
                let mut owned = deaggregator.into_owned_deaggregated([]);
                let mut seen: Vec<Seen> = Vec::new();
                for batch in records.chunks(batch_len) {
                    // Some records are still undelivered when more are added.
                    if let Some(delivered) = owned.next() {
                        seen.push((delivered, owned.checkpoint().unwrap()));
                    }
                    owned.extend(batch.iter().cloned());
                }
                assert_eq!(owned.is_empty(), records.is_empty());
                while let Some(delivered) = owned.next() {
                    seen.push((delivered, owned.checkpoint().unwrap()));
                }
                assert_eq!(seen, expected);
                assert!(owned.is_empty() && owned.next().is_none());
                assert_eq!(owned.checkpoint().unwrap(), end);
                assert_eq!(owned.deaggregator().counters(), counters);
            }
        }
    }
}
