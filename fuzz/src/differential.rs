//! Reads the same message with three decoders. Each disagreement is either explained
//! by a rule of the format, see [`Explained`], or a bug.

use kinesis_agg_codec::{DecodeErrorKind, Parsed, parse};
use kinesis_agg_tests::reseal;

use crate::decode::all_of;
use crate::explained::{Explained, repair};
use crate::peers::{PEERS, Peer, Verdict};
use crate::{decode, reference};

/// Checks the message that the input encodes, see [`decode::message_of`].
pub fn check(input: &[u8]) {
    drop(explanations(input));
}

/// Checks a message. Returns the peers that disagreed, each with a rule that explains
/// it.
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
        "{name} disagrees and no rule explains it: {theirs:?}, ours: {ours:?}"
    );
    let repaired = if all.message.is_empty() {
        // Every decoder reads an empty message as an empty aggregate.
        Verdict::Valid(reference::Message::default())
    } else {
        self::ours(&all.message)
    };
    let theirs = (peer.read)(&all.message);
    assert!(
        agree(&repaired, &theirs, all.is_whole),
        "{name} disagrees even without {:?}: {theirs:?}, ours: {repaired:?}",
        all.found
    );
    // A repair that changes only the encoding must not change what we read.
    if !all.found.iter().any(|explained| explained.is_stricter()) {
        assert_eq!(repaired, ours, "without {:?}", all.found);
    }
    all.found.into_iter().collect()
}

/// Returns true if two verdicts agree. If a required field is missing and a structural
/// fault follows, we report the missing field and the peers report the fault.
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
