//! What the rows are and what they are to be.

use std::path::Path;

use serde::Deserialize;

use super::is_plain;
use crate::error::Error;

/// The file of goals.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Goals {
    pub(super) title: String,
    /// What was done, for somebody who sees only the page.
    pub(super) about: String,
    pub(super) rows: Vec<Goal>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Goal {
    pub(super) name: String,
    /// How it is measured, in a sentence.
    pub(super) how: String,
    /// The result that holds it: the name of its file, without `.json`.
    pub(super) result: String,
    /// Where in its figures, as a JSON pointer.
    pub(super) value: String,
    /// What the value, and that of the floor, is multiplied with to be in `unit`.
    #[serde(default = "one")]
    pub(super) scale: f64,
    pub(super) unit: String,
    pub(super) floor: Option<Floor>,
    /// Where the ratio to the floor stands, if the run itself has taken it (round by round); else the two values are divided.
    pub(super) ratio: Option<String>,
    /// The goal in the row's own unit.
    pub(super) at_most: Option<f64>,
    /// The goal as a multiple of the floor.
    pub(super) at_most_floors: Option<f64>,
    /// A short name, if the row is one of the few that a reader looks for first.
    pub(super) headline: Option<String>,
}

/// Where the figure of the floor stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Floor {
    /// The row's own result if it is not given.
    pub(super) result: Option<String>,
    pub(super) value: String,
}

fn one() -> f64 {
    1.0
}

impl Goals {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io(format!("{} can't be read", path.display())))?;
        Self::parse(&text).map_err(|reason| Error::Usage(format!("{}: {reason}", path.display())))
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let goals: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for goal in &goals.rows {
            let name = &goal.name;
            if goal.at_most.is_some() && goal.at_most_floors.is_some() {
                return Err(format!("{name}: a row has one goal, at_most or at_most_floors"));
            }
            if (goal.at_most_floors.is_some() || goal.ratio.is_some()) && goal.floor.is_none() {
                return Err(format!("{name}: a goal in multiples of the floor needs a floor"));
            }
        }
        if let Some(name) = goals.results().into_iter().find(|name| !is_plain(name)) {
            return Err(format!("{name:?} is no name of a result"));
        }
        Ok(goals)
    }

    /// The results that the rows read, each once, in the order of the rows.
    pub(super) fn results(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for goal in &self.rows {
            let floor = goal.floor.as_ref().and_then(|floor| floor.result.as_deref());
            for name in [Some(goal.result.as_str()), floor].into_iter().flatten() {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }
}
