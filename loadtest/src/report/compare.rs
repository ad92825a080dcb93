//! Two results side by side.

use std::path::Path;

use serde_json::Value;

use super::result::{Section, aligned};
use crate::error::Error;

/// A figure that has moved by less is no news.
const NOISE: f64 = 0.05;

/// A table of all figures of two JSON files, with what became of each.
///
/// # Errors
/// When a file cannot be read or is no result of this tool, or when they are of different scenarios.
pub(crate) fn compare(before: &Path, after: &Path) -> Result<String, Error> {
    let (old, new) = (Document::read(before)?, Document::read(after)?);
    if old.scenario != new.scenario {
        return Err(Error::Usage(format!("{} and {} cannot be compared", old.scenario, new.scenario)));
    }
    let mut lines = vec![format!("{}: {} against {}", new.scenario, after.display(), before.display())];
    lines.extend(old.differences(&new).map(|line| format!("note: {line}")));
    lines.push(String::new());
    lines.extend(aligned(&table(&old, &new).rows));
    Ok(lines.join("\n"))
}

/// A file that `--json` has written.
///
/// # Errors
/// When it cannot be read or is no result of this tool.
pub(crate) fn read_result(path: &Path) -> Result<Value, Error> {
    let text = std::fs::read(path).map_err(Error::io(format!("{} can't be read", path.display())))?;
    let document: Option<Value> = serde_json::from_slice(&text).ok();
    document
        .filter(|document| document["scenario"].is_string())
        .ok_or_else(|| Error::Usage(format!("{} is no result of loadtest (--json writes one)", path.display())))
}

/// What is read of a result.
struct Document {
    scenario: String,
    machine: Value,
    config: Value,
    /// By their place in the document, in its order.
    figures: Vec<(String, f64)>,
}

impl Document {
    fn read(path: &Path) -> Result<Self, Error> {
        let mut document = read_result(path)?;
        let scenario = document["scenario"].as_str().unwrap_or_default().to_owned();
        let mut figures = Vec::new();
        collect(String::new(), &document["figures"], &mut figures);
        let (machine, config) = (document["machine"].take(), document["config"].take());
        Ok(Self { scenario, machine, config, figures })
    }

    /// What makes the figures hard to compare.
    fn differences(&self, new: &Self) -> impl Iterator<Item = String> {
        let machine = ["cpu", "cores", "kernel"].into_iter().any(|key| self.machine[key] != new.machine[key]);
        // Where the server was, and which process it was, says nothing about what was asked of it.
        let asked = |config: &Value| {
            let mut config = config.clone();
            for key in ["target", "watch", "output", "common"] {
                if let Some(settings) = config.as_object_mut() {
                    settings.remove(key);
                }
            }
            config
        };
        let notes = [
            machine.then(|| "the machines differ: compare ratios to a floor only".to_owned()),
            (asked(&self.config) != asked(&new.config)).then(|| "the runs were asked for different things".to_owned()),
        ];
        notes.into_iter().flatten()
    }
}

/// All numbers below a value. Distributions are left to the page.
fn collect(place: String, value: &Value, out: &mut Vec<(String, f64)>) {
    let inner = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match value {
        Value::Number(number) => out.extend(number.as_f64().map(|number| (place, number))),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(inner(&index.to_string()), item, out));
        }
        Value::Object(fields) => {
            fields.iter().filter(|(key, _)| *key != "curve").for_each(|(key, item)| collect(inner(key), item, out));
        }
        _ => {}
    }
}

fn table(old: &Document, new: &Document) -> Section {
    let mut section = Section::new("");
    section.row(["figure", "before", "after", "change"]);
    for (name, after) in &new.figures {
        let before = old.figures.iter().find(|(other, _)| other == name).map(|(_, before)| *before);
        let text = before.map_or_else(|| "-".to_owned(), number);
        section.row([
            name.clone(),
            text,
            number(*after),
            before.map_or_else(|| "new".to_owned(), |b| change(b, *after)),
        ]);
    }
    for (name, before) in &old.figures {
        if !new.figures.iter().any(|(other, _)| other == name) {
            section.row([name.clone(), number(*before), "-".to_owned(), "gone".to_owned()]);
        }
    }
    section
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn change(before: f64, after: f64) -> String {
    if before == 0.0 {
        return if after == 0.0 { "=".to_owned() } else { "from 0".to_owned() };
    }
    let share = after / before - 1.0;
    if share.abs() < NOISE { "=".to_owned() } else { format!("{:+.0} %", share * 100.0) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(figures: &Value) -> Document {
        let mut numbers = Vec::new();
        collect(String::new(), figures, &mut numbers);
        let (machine, config) = (json!({ "cores": 2 }), json!({ "rate": 20, "target": { "urls": ["a"] } }));
        Document { scenario: "fanout".into(), machine, config, figures: numbers }
    }

    #[test]
    fn figures_are_found_wherever_they_stand() {
        let old =
            document(&json!({ "ratio": { "median": 1.0 }, "takes": [{ "units": 10, "load": "paced" }], "old": 1 }));
        let new =
            document(&json!({ "ratio": { "median": 1.3 }, "takes": [{ "units": 10, "load": "paced" }], "new": 2.5 }));
        let rows = table(&old, &new).rows;
        let expected = [
            ["figure", "before", "after", "change"],
            ["new", "-", "2.500", "new"],
            ["ratio.median", "1", "1.300", "+30 %"],
            ["takes.0.units", "10", "10", "="],
            ["old", "1", "-", "gone"],
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn another_machine_or_load_is_said() {
        let old = document(&json!({}));
        let mut new = document(&json!({}));
        new.config["target"] = json!("elsewhere");
        assert_eq!(old.differences(&new).count(), 0);
        new.config["rate"] = json!(40);
        new.machine["cores"] = json!(8);
        assert_eq!(old.differences(&new).count(), 2);
    }
}
