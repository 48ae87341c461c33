//! kinesis-agg beside what else could be picked: the same work on the same
//! bytes.
//!
//! [`scenarios`] is the table of what is measured; the scoreboard, the criterion
//! benches, the instruction counts and the test that all contestants do the same
//! work use it. [`grid`] adds scenarios over many data sizes and numbers of keys
//! for the scoreboard and the test.

// Where the code that micropb generates looks for it.
extern crate alloc;

mod batches;
mod contest;
mod grid;
mod input;
// The same file, so that it can be measured with narrower lanes than this processor has.
#[path = "../../codec-std/src/digests/md5_lanes.rs"]
mod md5_lanes;
mod ours;
mod peers;
mod table;

pub use contest::{Cell, Contest, Contestant, Scenario, Target};
pub use grid::grid;
pub use input::Shape;
pub use table::scenarios;
