//! Many MD5s side by side, in the lanes of wide registers.
//!
//! All lanes take a block at the same time, so a group of them takes as long as
//! the longest of its messages, unless whoever is done first goes on with the
//! next message.

use md5_many::{Md5Digest, Md5Many, Md5State};

/// Computes the digests of messages of which the longest comes first.
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

/// Bytes from which on it is worth it to give a lane the next message as
/// soon as it is done with one: a few times what that costs.
const WORTH_REFILLING: usize = 4096;

/// Bytes that MD5 takes at a time.
const BLOCK_LEN: usize = 64;

/// A message on its way through a lane.
struct Lane<'a> {
    place: usize,
    rest: &'a [u8],
    state: Md5State,
}

/// Computes digests in lanes that all take the same number of blocks, until
/// one is done with its message and goes on with the next.
///
/// The longest message of all is there from the start and bounds the time.
/// While it does, one register of lanes makes it fastest; while there is
/// more than that can take meanwhile, up to three of them do more together.
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
        // Lanes without a message take any, for nobody.
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
