//! Computes many MD5 digests at once, in the lanes of wide registers.
//!
//! All lanes process a block at the same time, so a group of lanes takes as long as its
//! longest message, unless a lane that has finished continues with the next message.

use md5_many::{Md5Digest, Md5Many, Md5State};

/// Computes the digests of messages that are sorted by length, the longest first.
pub(crate) fn hash(engine: Md5Many, messages: &[&[u8]], digests: &mut [Md5Digest]) {
    match messages {
        [longest, .., shortest]
            if longest.len() > WORTH_REFILLING && longest.len() != shortest.len() =>
        {
            refilled(engine, messages, digests);
        }
        _ => engine.hash_many(messages, digests),
    }
}

/// Length from which it saves time to refill a lane as soon as it has finished.
const WORTH_REFILLING: usize = 4096;

/// Length of an MD5 block, in bytes.
const BLOCK_LEN: usize = 64;

/// A message in a lane.
struct Lane<'a> {
    place: usize,
    rest: &'a [u8],
    state: Md5State,
}

/// Computes digests in lanes that all process the same number of blocks, until one has
/// finished its message and continues with the next.
///
/// The longest message is in a lane from the start. As long as it bounds the total time,
/// one register of lanes is fastest. If there is more work than that register can do in
/// the meantime, up to three registers are used, which together do more in the same time.
fn refilled(engine: Md5Many, messages: &[&[u8]], digests: &mut [Md5Digest]) {
    let register = engine.lanes();
    let mut waiting = messages.iter().copied().enumerate();
    let mut left: usize = messages.iter().map(|message| message.len()).sum();
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    let mut done = Vec::with_capacity(messages.len());
    loop {
        let rests = lanes.iter().map(|lane| lane.rest.len());
        let longest = rests.max().unwrap_or(left).max(1);
        let registers = left.div_ceil(longest).div_ceil(register).clamp(1, 3);
        let wanted = register.saturating_mul(registers);
        let free = wanted.saturating_sub(lanes.len());
        lanes.extend(waiting.by_ref().take(free).map(|(place, rest)| Lane {
            place,
            rest,
            state: Md5State::new(),
        }));
        let Some(shortest) = lanes.iter().map(|lane| lane.rest.len()).min() else {
            break;
        };
        let step = shortest.saturating_sub(shortest % BLOCK_LEN);
        left = left.saturating_sub(step.saturating_mul(lanes.len()));
        // Lanes without a message process any block; the result is ignored.
        let width = lanes.len().next_multiple_of(register);
        let inputs = lanes.iter().filter_map(|lane| lane.rest.get(..step));
        let inputs: Vec<_> = inputs.cycle().take(width).collect();
        let states = lanes.iter().map(|lane| lane.state);
        let mut states: Vec<_> = states.cycle().take(width).collect();
        engine.update_many(&mut states, &inputs);
        for (lane, state) in lanes.iter_mut().zip(states) {
            lane.state = state;
            lane.rest = lane.rest.get(step..).unwrap_or_default();
        }
        lanes.retain_mut(|lane| {
            let goes_on = lane.rest.len() >= BLOCK_LEN;
            if !goes_on {
                left = left.saturating_sub(lane.rest.len());
                lane.state.update(lane.rest);
                done.push((lane.place, lane.state));
            }
            goes_on
        });
    }
    let (places, states): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    let mut finished = vec![Md5Digest::default(); states.len()];
    engine.finalize_many(&states, &mut finished);
    for (place, digest) in places.into_iter().zip(finished) {
        if let Some(slot) = digests.get_mut(place) {
            *slot = digest;
        }
    }
}
