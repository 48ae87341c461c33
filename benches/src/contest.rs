//! What is measured: contestants that do one piece of work, ours first.

use alloc::borrow::Cow;
use core::fmt;

use crate::input::Shape;

/// What our time is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "not published")]
pub enum Target {
    /// Peer time / our time is to be this or more.
    AtLeast(f64),
    /// Peer time / our time is to be this or less: growth.
    AtMost(f64),
}

impl Target {
    /// True if the ratio is as it should be.
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

/// Somebody who does the work.
pub struct Contestant {
    /// Who, and how.
    pub name: &'static str,
    /// User records, or whatever else is counted, that one run is about.
    pub unit_count: usize,
    /// What our time is held against; ours has none.
    pub target: Option<Target>,
    /// False for who does less (a digest alone) or the same for another number
    /// of user records (growth), so that the checksum is another.
    pub is_same_work: bool,
    run: Box<dyn FnMut() -> u64>,
}

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Contestant {
    /// Does the work once; returns a checksum of what was touched.
    pub fn run(&mut self) -> u64 {
        (self.run)()
    }
}

/// Ours, then the peers.
#[derive(Debug)]
pub struct Contest {
    unit_count: usize,
    /// At least ours.
    pub contestants: Vec<Contestant>,
}

impl Contest {
    /// A contest about `unit_count` user records a run.
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

    /// A peer that does the same.
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

    /// What nobody who does all of the work can be much faster than. Our time
    /// is to be at most `at_most` times this one.
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

    /// Ours on more: the time a unit is to grow to at most `at_most` times.
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

/// A cell of the grid.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "not published")]
pub struct Cell {
    /// What is measured; the scenario's name starts with it.
    pub metric: &'static str,
    /// The user records.
    pub shape: Shape,
}

/// Makes the contest of a cell of the grid.
pub(crate) type MakeCell = fn(Shape) -> Contest;

/// How a scenario makes its contest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Row(fn() -> Contest),
    Cell(Cell, MakeCell),
}

/// A line of the table, or a cell of the grid.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What is done, and to what.
    pub name: Cow<'static, str>,
    /// What is counted: the unit of [`Contestant::unit_count`].
    pub unit: &'static str,
    /// A short name without blanks if its instructions are guarded.
    pub guarded: Option<&'static str>,
    pub(crate) work: Work,
}

impl Scenario {
    pub(crate) const fn guarded(mut self, name: &'static str) -> Self {
        self.guarded = Some(name);
        self
    }

    /// The cell of the grid that this is, if it is one.
    #[must_use]
    pub fn cell(&self) -> Option<Cell> {
        match self.work {
            Work::Row(_) => None,
            Work::Cell(cell, _) => Some(cell),
        }
    }

    /// Makes the input and gets everybody ready.
    #[must_use]
    pub fn contest(&self) -> Contest {
        match self.work {
            Work::Row(contest) => contest(),
            Work::Cell(cell, contest) => contest(cell.shape),
        }
    }
}
