//! kinesis-agg beside what else could be picked: the same work on the same
//! bytes.
//!
//! [`scenarios`] is the one table of what is measured; the scoreboard, the
//! criterion benches, the instruction counts and the test that all contestants
//! do the same work go through it.

// Where the code that micropb generates looks for it.
extern crate alloc;

mod batches;
mod contest;
mod input;
// The same file, so that it can be measured with narrower lanes than this processor has.
#[path = "../../codec-std/src/digests/md5_lanes.rs"]
mod md5_lanes;
mod ours;
mod peers;
mod table;

pub use contest::{Contest, Contestant, Scenario, Target};
pub use table::scenarios;
