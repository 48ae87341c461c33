//! Benchmarks of kinesis-agg and its alternatives: the same work on the same bytes, in one
//! run.
//!
//! [`scenarios`] is the table of what is measured. The scoreboard, the criterion
//! benches, the instruction counts and the test that all contestants do the same
//! work use it. [`grid`] adds scenarios over many data sizes and key counts for the
//! scoreboard and the test.

// The code that micropb generates refers to it by this path.
extern crate alloc;

mod batches;
mod contest;
mod grid;
mod input;
// Included from codec-std, so that it can be measured with narrower lanes than those
// that codec-std would choose on this processor.
#[path = "../../codec-std/src/digests/md5_lanes.rs"]
mod md5_lanes;
mod ours;
mod peers;
mod table;

pub use contest::{Cell, Contest, Contestant, Scenario, Target};
pub use grid::grid;
pub use input::Shape;
pub use table::scenarios;
