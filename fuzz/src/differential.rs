//! The same message through three decoders. Each disagreement is explained by
//! a rule of the format, see [`Explained`], or is a bug.

use kinesis_agg_codec::{DecodeErrorKind, Parsed, parse};
use kinesis_agg_tests::reseal;

use crate::decode::all_of;
use crate::explained::{Explained, repair};
use crate::peers::{PEERS, Peer, Verdict};
use crate::{decode, reference};

/// A message, see [`decode::message_of`].
pub fn check(input: &[u8]) {
    drop(explanations(input));
}

/// Checks a message; returns which peers disagreed, and why.
#[must_use]
pub fn explanations(input: &[u8]) -> Vec<(&'static str, Explained)> {
    let message = decode::message_of(input);
    // No frame holds an empty message.
    if message.is_empty() {
        return Vec::new();
    }
    PEERS
        .iter()
        .flat_map(|peer| {
            compare(peer, &message)
                .into_iter()
                .map(|why| (peer.name, why))
        })
        .collect()
}

fn compare(peer: &Peer, message: &[u8]) -> Vec<Explained> {
    let (ours, theirs) = (ours(message), (peer.read)(message));
    let all = repair(message, peer.explanations);
    if agree(&ours, &theirs, all.is_whole) {
        return Vec::new();
    }
    let name = peer.name;
    assert!(
        !all.found.is_empty(),
        "nothing explains {name}: {theirs:?}, ours: {ours:?}"
    );
    let repaired = if all.message.is_empty() {
        // Nothing is left but what every decoder makes of nothing.
        Verdict::Valid(reference::Message::default())
    } else {
        self::ours(&all.message)
    };
    let theirs = (peer.read)(&all.message);
    assert!(
        agree(&repaired, &theirs, all.is_whole),
        "more than {:?} explains {name}: {theirs:?}, ours: {repaired:?}",
        all.found
    );
    // What is only written otherwise has to say the same.
    if !all.found.iter().any(|explained| explained.is_stricter()) {
        assert_eq!(repaired, ours, "without {:?}", all.found);
    }
    all.found.into_iter().collect()
}

/// Where a required field is missing before a structural fault, we say the
/// one, others the other.
fn agree(ours: &Verdict, theirs: &Verdict, is_whole: bool) -> bool {
    ours == theirs || (*ours == Verdict::Missing && *theirs == Verdict::Unreadable && !is_whole)
}

fn ours(message: &[u8]) -> Verdict {
    let blob = reseal(message);
    let read = parse(&blob);
    let reference = reference::read(message);
    match (read, reference) {
        (Ok(Parsed::Aggregated(aggregated)), Ok(reference)) => {
            let read = all_of(&aggregated);
            assert_eq!(read, reference);
            Verdict::Valid(read)
        }
        (Err(error), Err(fault)) => {
            assert_eq!((error.kind(), error.offset()), fault);
            match error.kind() {
                DecodeErrorKind::MissingField { .. } => Verdict::Missing,
                index @ (DecodeErrorKind::PartitionKeyIndex { .. }
                | DecodeErrorKind::ExplicitHashKeyIndex { .. }) => Verdict::Index(index),
                _ => Verdict::Unreadable,
            }
        }
        (read, reference) => panic!("{read:?}, and the reference: {reference:?}"),
    }
}
