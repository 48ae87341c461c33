//! The types that describe a benchmark: scenarios, contests and contestants.

use alloc::borrow::Cow;
use core::fmt;

use crate::input::Shape;

/// A bound for the ratio of a peer's time to ours.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "not published")]
pub enum Target {
    /// Peer time / our time must be at least this.
    AtLeast(f64),
    /// Peer time / our time must be at most this. Used for growth, where the peer
    /// is our own code with more input.
    AtMost(f64),
}

impl Target {
    /// Returns true if the ratio meets the target.
    #[must_use]
    pub fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound,
            Self::AtMost(bound) => ratio <= bound,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, ">= {bound:.2}"),
            Self::AtMost(bound) => write!(f, "<= {bound:.2}"),
        }
    }
}

/// A contestant: one implementation of the work.
pub struct Contestant {
    /// The library, and how it is used.
    pub name: &'static str,
    /// The number of user records, or of other units, that one run processes.
    pub unit_count: usize,
    /// The target for our time against this peer; our own contestant has none.
    pub target: Option<Target>,
    /// False if the contestant does less work (a digest only) or processes another
    /// number of user records (growth), so that its checksum differs from ours.
    pub is_same_work: bool,
    run: Box<dyn FnMut() -> u64>,
}

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Contestant {
    /// Does the work once. Returns a checksum of the bytes that it touched, or of
    /// the lengths that it wrote.
    pub fn run(&mut self) -> u64 {
        (self.run)()
    }
}

/// The contestants of a scenario.
#[derive(Debug)]
pub struct Contest {
    unit_count: usize,
    /// Our contestant first, then the peers.
    pub contestants: Vec<Contestant>,
}

impl Contest {
    /// Creates a contest whose runs process `unit_count` units each, with our
    /// contestant.
    pub(crate) fn new(
        name: &'static str,
        unit_count: usize,
        run: impl FnMut() -> u64 + 'static,
    ) -> Self {
        let contest = Self {
            unit_count,
            contestants: Vec::new(),
        };
        contest.with(name, unit_count, true, None, run)
    }

    fn with(
        mut self,
        name: &'static str,
        unit_count: usize,
        is_same_work: bool,
        target: Option<Target>,
        run: impl FnMut() -> u64 + 'static,
    ) -> Self {
        self.contestants.push(Contestant {
            name,
            unit_count,
            target,
            is_same_work,
            run: Box::new(run),
        });
        self
    }

    /// Adds a peer that does the same work.
    pub(crate) fn against(
        self,
        name: &'static str,
        at_least: Option<f64>,
        run: impl FnMut() -> u64 + 'static,
    ) -> Self {
        let unit_count = self.unit_count;
        let target = at_least.map(Target::AtLeast);
        self.with(name, unit_count, true, target, run)
    }

    /// Adds a lower bound: a part of the work that every contestant has to do. Our
    /// time must be at most `at_most` times this one.
    pub(crate) fn against_floor(
        self,
        name: &'static str,
        at_most: Option<f64>,
        run: impl FnMut() -> u64 + 'static,
    ) -> Self {
        let unit_count = self.unit_count;
        let target = at_most.map(|times| Target::AtLeast(times.recip()));
        self.with(name, unit_count, false, target, run)
    }

    /// Adds our own code with more input. Its time per unit must be at most
    /// `at_most` times that of our first contestant.
    pub(crate) fn growing(
        self,
        name: &'static str,
        unit_count: usize,
        at_most: Option<f64>,
        run: impl FnMut() -> u64 + 'static,
    ) -> Self {
        self.with(name, unit_count, false, at_most.map(Target::AtMost), run)
    }
}

/// A cell of the grid: a metric and the shape of the user records.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "not published")]
pub struct Cell {
    /// The operation that is measured; the scenario's name starts with it.
    pub metric: &'static str,
    /// The number and the shape of the user records.
    pub shape: Shape,
}

/// Creates the contest of a cell of the grid.
pub(crate) type MakeCell = fn(Shape) -> Contest;

/// How a scenario creates its contest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Row(fn() -> Contest),
    Cell(Cell, MakeCell),
}

/// A row of the table, or a cell of the grid.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The operation and its input.
    pub name: Cow<'static, str>,
    /// The unit of [`Contestant::unit_count`].
    pub unit: &'static str,
    /// A short name without spaces, if `instructions.sh` guards its instruction count.
    pub guarded: Option<&'static str>,
    pub(crate) work: Work,
}

impl Scenario {
    pub(crate) const fn guarded(mut self, name: &'static str) -> Self {
        self.guarded = Some(name);
        self
    }

    /// Returns the cell of the grid, or `None` for a row of the table.
    #[must_use]
    pub fn cell(&self) -> Option<Cell> {
        match self.work {
            Work::Row(_) => None,
            Work::Cell(cell, _) => Some(cell),
        }
    }

    /// Builds the input and the contestants.
    #[must_use]
    pub fn contest(&self) -> Contest {
        match self.work {
            Work::Row(contest) => contest(),
            Work::Cell(cell, contest) => contest(cell.shape),
        }
    }
}
