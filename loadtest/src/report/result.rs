//! The report and its checks.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::machine::Machine;
use super::plot::Plot;
use crate::error::Error;

/// Everything that is known at the end of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) scenario: &'static str,
    /// In place of the scenario's name, and of what its help says.
    pub(super) title: Option<(String, String)>,
    /// What was done, with this run's numbers.
    pub(super) done: String,
    pub(super) tool_version: &'static str,
    pub(super) machine: Machine,
    pub(super) config: Value,
    figures: Value,
    pub(super) headlines: Vec<Headline>,
    pub(super) notices: Vec<String>,
    pub(super) checks: Vec<Check>,
    pub(super) plots: Vec<Plot>,
    pub(super) sections: Vec<Section>,
    pub(super) meters: Vec<Meter>,
    /// Other pages: address, and what it shows.
    pub(super) links: Vec<(String, String)>,
}

/// A figure as a bar against its goal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Meter {
    pub(crate) name: String,
    /// With its unit.
    pub(crate) value: String,
    pub(crate) goal: String,
    /// Of the goal: at 1 the bar reaches it.
    pub(crate) share: f64,
    pub(crate) met: bool,
}

/// One of the few figures that a reader looks for first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Headline {
    pub(crate) name: String,
    /// With its unit.
    pub(crate) value: String,
    /// What it means, in a few words.
    pub(crate) meaning: String,
}

/// A table of the human report; the first row is its head.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Something that had to hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) passed: bool,
    pub(crate) detail: String,
}

impl Section {
    /// A table without rows.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }
}

impl Report {
    /// An empty report on this machine.
    pub(crate) fn new(scenario: &'static str, config: &impl Serialize) -> Self {
        Self {
            scenario,
            title: None,
            done: String::new(),
            tool_version: env!("CARGO_PKG_VERSION"),
            machine: Machine::this(),
            config: serde_json::to_value(config).unwrap_or_default(),
            figures: Value::Null,
            headlines: Vec::new(),
            notices: Vec::new(),
            checks: Vec::new(),
            plots: Vec::new(),
            sections: Vec::new(),
            meters: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Names the page, and says what was done, in place of what the scenario's help says.
    pub(crate) fn title(&mut self, title: &str, about: &str) {
        self.title = Some((title.to_owned(), about.to_owned()));
    }

    /// The load average when the busiest of several runs began, in place of that of now.
    pub(crate) fn load_average(&mut self, load_average: f64) {
        self.machine.load_average = load_average;
    }

    /// Says what was done, with this run's numbers, to somebody who knows neither tool nor server.
    pub(crate) fn done(&mut self, line: impl Into<String>) {
        self.done = line.into();
    }

    /// Adds a bar.
    pub(crate) fn meter(&mut self, meter: Meter) {
        self.meters.push(meter);
    }

    /// Adds a link to another page beside this one.
    pub(crate) fn link(&mut self, address: String, what: String) {
        self.links.push((address, what));
    }

    /// What did not hold, as `name: detail`.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        self.checks.iter().filter(|check| !check.passed).map(|check| format!("{}: {}", check.name, check.detail))
    }

    /// Sets the figures for the JSON file.
    pub(crate) fn figures(&mut self, figures: &impl Serialize) {
        self.figures = serde_json::to_value(figures).unwrap_or_default();
    }

    /// Adds a table.
    pub(crate) fn section(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// Adds a figure that readers look for first.
    pub(crate) fn headline(&mut self, name: &str, value: impl Into<String>, meaning: &str) {
        self.headlines.push(Headline { name: name.to_owned(), value: value.into(), meaning: meaning.to_owned() });
    }

    /// Adds a drawing.
    pub(crate) fn plot(&mut self, plot: Plot) {
        self.plots.push(plot);
    }

    /// What the scenario does, as its help says.
    pub(super) fn purpose(&self) -> String {
        self.title.as_ref().map_or_else(|| crate::cli::purpose(self.scenario), |(_, about)| about.clone())
    }

    /// Adds a line that the reader must know to judge the figures.
    pub(crate) fn notice(&mut self, line: impl Into<String>) {
        self.notices.push(line.into());
    }

    /// Adds something that had to hold.
    pub(crate) fn check(&mut self, name: &str, passed: bool, detail: impl Into<String>) {
        self.checks.push(Check { name: name.to_owned(), passed, detail: detail.into() });
    }

    /// Checks `value <= limit`, if there is a limit. Without a value the check fails: what can't be measured does not hold.
    pub(crate) fn check_at_most(&mut self, name: &str, value: Option<f64>, limit: Option<f64>) {
        if let Some(limit) = limit {
            let detail =
                format!("{}, limit {limit:.2}", value.map_or("not measured".to_owned(), |v| format!("{v:.2}")));
            self.check(name, value.is_some_and(|value| value <= limit), detail);
        }
    }

    /// Checks `value >= limit`, if there is a limit.
    pub(crate) fn check_at_least(&mut self, name: &str, value: Option<f64>, limit: Option<f64>) {
        if let Some(limit) = limit {
            let detail =
                format!("{}, must be {limit:.2}", value.map_or("not measured".to_owned(), |v| format!("{v:.2}")));
            self.check(name, value.is_some_and(|value| value >= limit), detail);
        }
    }

    /// Whether all checks passed.
    pub(crate) fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    /// Writes the JSON file.
    pub(super) fn write_json(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::Usage(error.to_string()))?;
        write(path, &(text + "\n"))
    }

    /// Writes the page.
    pub(super) fn write_html(&self, path: &Path) -> Result<(), Error> {
        write(path, &super::html::page(self))
    }

    /// The human report.
    pub(super) fn text(&self) -> String {
        let Machine { cores, cpu, kernel, load_average } = &self.machine;
        let mut lines =
            vec![format!("{} on {cores} cores ({cpu}, Linux {kernel}, load average {load_average})", self.scenario)];
        for section in &self.sections {
            lines.push(String::new());
            lines.push(section.title.clone());
            lines.extend(aligned(&section.rows).into_iter().map(|line| format!("  {line}")));
        }
        lines.push(String::new());
        lines.extend(self.notices.iter().map(|notice| format!("note: {notice}")));
        for Check { name, passed, detail } in &self.checks {
            lines.push(format!("{} {name}: {detail}", if *passed { "ok    " } else { "FAILED" }));
        }
        lines.join("\n")
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(Error::io(format!("{} can't be written", path.display())))
}

/// Pads every column to its widest cell.
pub(super) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_is_named_and_fails_the_run() {
        let mut report = Report::new("test", &());
        report.check_at_most("max-ratio", Some(1.25), Some(1.3));
        assert!(report.passed());
        report.check_at_least("min-coalescing-gain", Some(2.0), Some(2.5));
        assert!(!report.passed() && report.text().contains("FAILED min-coalescing-gain: 2.00, must be 2.50"));
    }

    #[test]
    fn a_limit_without_a_figure_fails_and_a_figure_without_a_limit_is_no_check() {
        let mut report = Report::new("test", &());
        report.check_at_most("a", Some(9.0), None);
        assert!(report.passed());
        report.check_at_most("b", None, Some(1.0));
        assert!(!report.passed());
    }

    #[test]
    fn columns_line_up() {
        let mut section = Section::new("t");
        section.row(["a", "b"]).row(["long", "c"]);
        assert_eq!(aligned(&section.rows), ["a     b", "long  c"]);
    }
}
