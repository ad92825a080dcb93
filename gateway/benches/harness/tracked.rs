//! The counts of the past, and what is wrong with those of today. Pure; `tests/instructions.rs` tests it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// How much more than tracked is a regression, in percent.
pub(crate) const LIMIT: f64 = 3.0;

/// And in instructions: what is less is noise for the smallest operations.
const SLACK: u64 = 8;

/// What counts depend on beside the code. Counts of two different ones tell nothing of a regression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) rustc: String,
    pub(crate) target: String,
    pub(crate) cpu: String,
    pub(crate) valgrind: String,
}

/// What stands in `instructions.toml`: instructions for each operation, by room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) machine: Machine,
    pub(crate) instructions: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Counts {
    /// None yet.
    pub(crate) fn none(machine: Machine) -> Self {
        Self { machine, instructions: BTreeMap::new() }
    }

    /// Notes the count of `room.operation`.
    pub(crate) fn insert(&mut self, name: &str, count: u64) {
        let (room, operation) = name.split_once('.').unwrap_or(("", name));
        self.instructions.entry(room.to_owned()).or_default().insert(operation.to_owned(), count);
    }

    /// All of them, by `room.operation`.
    fn by_name(&self) -> BTreeMap<String, u64> {
        let of_room = |(room, operations): (&String, &BTreeMap<String, u64>)| {
            operations.iter().map(|(name, count)| (format!("{room}.{name}"), *count)).collect::<Vec<_>>()
        };
        self.instructions.iter().flat_map(of_room).collect()
    }
}

/// What is to be said about one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As tracked, or nearly.
    Fine,
    /// So much cheaper that the tracked count should follow, or the gain may be lost again unseen.
    Cheaper,
    /// A regression.
    Dearer,
    /// Not tracked.
    New,
    /// Tracked, and there is no such operation.
    Gone,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) counted: Option<u64>,
    pub(crate) tracked: Option<u64>,
    pub(crate) verdict: Verdict,
}

impl Row {
    /// How much more than tracked, in percent.
    pub(crate) fn difference(&self) -> Option<f64> {
        let (counted, tracked) = (self.counted?, self.tracked?);
        Some((counted as f64 - tracked as f64) / tracked.max(1) as f64 * 100.0)
    }

    fn new(name: String, counted: Option<u64>, tracked: Option<u64>) -> Self {
        let mut row = Self { name, counted, tracked, verdict: Verdict::Fine };
        row.verdict = match (counted, tracked, row.difference()) {
            (None, ..) => Verdict::Gone,
            (_, None, _) => Verdict::New,
            (Some(counted), Some(tracked), _) if counted.abs_diff(tracked) <= SLACK => Verdict::Fine,
            (.., Some(difference)) if difference > LIMIT => Verdict::Dearer,
            (.., Some(difference)) if difference < -LIMIT => Verdict::Cheaper,
            _ => Verdict::Fine,
        };
        row
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) rows: Vec<Row>,
    /// What differs from where the tracked counts were taken; then nothing fails.
    pub(crate) differs: Option<String>,
}

impl Comparison {
    /// Compares all that was counted; what is tracked beside it is gone if `complete`.
    pub(crate) fn new(tracked: &Counts, counted: &Counts, complete: bool) -> Self {
        let differs = tracked.machine.differs_from(&counted.machine);
        let (tracked, counted) = (tracked.by_name(), counted.by_name());
        let gone = tracked.keys().filter(|_| complete);
        let names: BTreeSet<&String> = counted.keys().chain(gone).collect();
        let row = |name: &String| Row::new(name.clone(), counted.get(name).copied(), tracked.get(name).copied());
        Self { rows: names.into_iter().map(row).collect(), differs }
    }

    /// Whether the tracked counts do not hold.
    pub(crate) fn fails(&self) -> bool {
        let wrong = |row: &Row| !matches!(row.verdict, Verdict::Fine | Verdict::Cheaper);
        self.differs.is_none() && self.rows.iter().any(wrong)
    }

    /// Whether something got so much cheaper that it should be tracked.
    pub(crate) fn improves(&self) -> bool {
        self.differs.is_none() && self.rows.iter().any(|row| row.verdict == Verdict::Cheaper)
    }
}

impl Machine {
    fn differs_from(&self, here: &Self) -> Option<String> {
        let parts = [
            ("compiler", &self.rustc, &here.rustc),
            ("target", &self.target, &here.target),
            ("processor", &self.cpu, &here.cpu),
            ("valgrind", &self.valgrind, &here.valgrind),
        ];
        let differences = parts.into_iter().filter(|(_, tracked, here)| tracked != here);
        let texts: Vec<_> = differences.map(|(what, was, is)| format!("another {what} ({was}; here {is})")).collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fine => "",
            Self::Cheaper => "cheaper",
            Self::Dearer => "DEARER",
            Self::New => "not tracked",
            Self::Gone => "gone",
        })
    }
}
