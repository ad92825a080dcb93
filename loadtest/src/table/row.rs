//! One row: what was measured, and whether that is what it is to be.

use serde::Serialize;
use serde_json::Value;

use super::goals::Goal;
use crate::report::Meter;

/// The results of a folder, by name.
#[derive(Debug, Default)]
pub(super) struct Results(Vec<(String, Value)>);

impl Results {
    pub(super) fn add(&mut self, name: &str, result: Value) {
        self.0.push((name.to_owned(), result));
    }

    fn figure(&self, result: &str, pointer: &str) -> Option<f64> {
        let (_, document) = self.0.iter().find(|(name, _)| name == result)?;
        document["figures"].pointer(pointer)?.as_f64().filter(|figure| figure.is_finite())
    }

    /// The first check of a result that did not hold: its figures are not those of what was asked.
    fn unsound(&self, result: &str) -> Option<String> {
        self.failures().find(|(name, ..)| *name == result).map(|(_, check, _)| check.to_owned())
    }

    /// How busy the machine was when the busiest run began.
    pub(super) fn load_average(&self) -> Option<f64> {
        self.0.iter().filter_map(|(_, document)| document["machine"]["load_average"].as_f64()).reduce(f64::max)
    }

    /// Name of each result, and which scenario it is of.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(name, document)| {
            let scenario = document["scenario"].as_str().unwrap_or_default();
            let other = if name == scenario { String::new() } else { format!(" (loadtest {scenario})") };
            (name.as_str(), format!("{name}{other}"))
        })
    }

    /// Result, name and detail of each check that did not hold.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().flat_map(|(result, document)| {
            let checks = document["checks"].as_array().into_iter().flatten();
            let failed = checks.filter(|check| check["passed"] != true);
            failed.map(|check| {
                let text = |key: &str| check[key].as_str().unwrap_or_default();
                (result.as_str(), text("name"), text("detail"))
            })
        })
    }
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) how: String,
    unit: String,
    measured: Option<f64>,
    floor: Option<f64>,
    /// Times the floor.
    ratio: Option<f64>,
    /// As a reader sees it; none: the row is only told.
    pub(super) goal: Option<String>,
    /// The measured figure as a share of the goal: above 1 is missed.
    share_of_goal: Option<f64>,
    pub(super) met: bool,
    /// The check that the run itself did not pass.
    run_failed: Option<String>,
    #[serde(skip)]
    pub(super) headline: Option<String>,
    #[serde(skip)]
    counts_floors: bool,
}

impl Row {
    pub(super) fn of(goal: &Goal, results: &Results) -> Self {
        let figure = |result: &str, pointer: &str| results.figure(result, pointer);
        let measured = figure(&goal.result, &goal.value).map(|value| value * goal.scale);
        let floor = goal.floor.as_ref().and_then(|floor| {
            figure(floor.result.as_ref().unwrap_or(&goal.result), &floor.value).map(|value| value * goal.scale)
        });
        let divided = measured.zip(floor).filter(|(_, floor)| *floor > 0.0).map(|(measured, floor)| measured / floor);
        let ratio = goal.ratio.as_ref().map_or(divided, |pointer| figure(&goal.result, pointer));
        let (text, share) = match (goal.at_most, goal.at_most_floors) {
            (Some(limit), _) => (Some(format!("≤ {}", amount(limit, &goal.unit))), measured.map(|value| value / limit)),
            (None, Some(limit)) => (Some(format!("≤ {limit:.2} × floor")), ratio.map(|ratio| ratio / limit)),
            (None, None) => (None, None),
        };
        let run_failed = results.unsound(&goal.result);
        Self {
            name: goal.name.clone(),
            how: goal.how.clone(),
            unit: goal.unit.clone(),
            measured,
            floor,
            ratio,
            met: share.is_some_and(|share| share <= 1.0) && run_failed.is_none(),
            run_failed,
            goal: text,
            share_of_goal: share,
            headline: goal.headline.clone(),
            counts_floors: goal.at_most_floors.is_some(),
        }
    }

    /// Name, measured, floor, ratio, goal, verdict.
    pub(super) fn cells(&self) -> [String; 6] {
        let none = || "-".to_owned();
        let amount = |value: Option<f64>| value.map_or_else(none, |value| amount(value, &self.unit));
        let ratio = self.ratio.map_or_else(none, |ratio| format!("{ratio:.2}"));
        let verdict = match self.verdict() {
            verdict if self.met || verdict.is_empty() => verdict,
            verdict => format!("**{verdict}**"),
        };
        let goal = self.goal.clone().unwrap_or_else(none);
        [self.name.clone(), amount(self.measured), amount(self.floor), ratio, goal, verdict]
    }

    fn verdict(&self) -> String {
        match (&self.goal, self.share_of_goal) {
            (None, _) => String::new(),
            (Some(_), None) => "not measured".to_owned(),
            (Some(_), Some(share)) if share <= 1.0 && !self.met => {
                format!("its run failed: {}", self.run_failed.as_deref().unwrap_or_default())
            }
            (Some(_), Some(_)) if self.met => "met".to_owned(),
            // Rounded up: what is missed is not missed by nothing.
            (Some(_), Some(share)) => format!("missed by {:.0} %", ((share - 1.0) * 100.0).max(1.0)),
        }
    }

    /// For the list of checks.
    pub(super) fn judgement(&self) -> String {
        let Some(measured) = self.measured else { return "not measured".to_owned() };
        let ratio = self.ratio.filter(|_| self.counts_floors);
        let ratio = ratio.map_or(String::new(), |ratio| format!(", {ratio:.2} times the floor"));
        let goal = self.goal.as_deref().unwrap_or_default();
        format!("{}{ratio}, goal {goal}: {}", amount(measured, &self.unit), self.verdict())
    }

    /// The figure that the goal is about.
    pub(super) fn headline_value(&self) -> String {
        match (self.measured, self.ratio) {
            (_, Some(ratio)) if self.counts_floors => format!("{ratio:.2} ×"),
            (Some(measured), _) => amount(measured, &self.unit),
            (None, _) => "-".to_owned(),
        }
    }

    pub(super) fn headline_meaning(&self) -> String {
        let floor = match (self.measured, self.ratio) {
            (Some(measured), Some(_)) if self.counts_floors => {
                format!("times the floor; {}; ", amount(measured, &self.unit))
            }
            (_, Some(ratio)) => format!("{ratio:.2} × the floor; "),
            _ => String::new(),
        };
        let goal = self.goal.as_ref().map_or(String::new(), |goal| format!("goal {goal}: {}", self.verdict()));
        // A number stays beside its sign.
        format!("{floor}{goal}").replace("≤ ", "≤\u{a0}").replace(" ×", "\u{a0}×").replace("× ", "×\u{a0}")
    }

    /// As a bar against its goal.
    pub(super) fn meter(&self) -> Option<Meter> {
        let (goal, share) = (self.goal.clone()?, self.share_of_goal?);
        let ratio =
            self.ratio.filter(|_| self.counts_floors).map_or(String::new(), |ratio| format!(" = {ratio:.2} × floor"));
        let value = format!("{}{ratio}", amount(self.measured?, &self.unit));
        Some(Meter { name: self.name.clone(), value, goal, share, met: self.met })
    }
}

/// Three digits are all that such a figure has.
fn amount(value: f64, unit: &str) -> String {
    let places = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 || size == 0.0 => 2,
        _ => 3,
    };
    format!("{value:.places$} {unit}")
}
