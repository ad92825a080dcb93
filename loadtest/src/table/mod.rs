//! The results of several runs in one table, held against goals.
//!
//! A file of JSON says what the rows are, in which result and where in it their figures stand, and what they are to be. Nothing
//! here runs or knows a server. What cannot be found was not measured, and what was not measured has not met its goal.

mod goals;
mod row;

use std::path::Path;

use serde::Serialize;

use crate::cli::TableArgs;
use crate::error::Error;
use crate::report::{Report, Section, read_result, say};

use goals::Goals;
use row::{Results, Row};

#[derive(Debug, Serialize)]
struct Figures {
    rows: Vec<Row>,
}

/// Prints the table in Markdown and writes the files that were asked for; `Ok(false)`: a goal was missed.
///
/// # Errors
/// When the goals cannot be read, or when a file in the folder is no result.
pub(crate) fn run(args: &TableArgs) -> Result<bool, Error> {
    let goals = Goals::read(&args.goals)?;
    let mut results = Results::default();
    for name in goals.results() {
        let path = args.results.join(format!("{name}.json"));
        if path.exists() {
            results.add(name, read_result(&path)?);
        }
    }
    let rows: Vec<Row> = goals.rows.iter().map(|goal| Row::of(goal, &results)).collect();
    say(&markdown(&rows));
    let mut report = Report::new("table", args);
    report.title(&goals.title, &goals.about);
    if let Some(load_average) = results.load_average() {
        report.load_average(load_average);
    }
    fill(&mut report, &rows, &results);
    for (name, what) in results.runs() {
        if args.results.join(format!("{name}.html")).exists() {
            report.link(format!("{name}.html"), what);
        }
    }
    say(&format!("\n{}", verdict(&report, &rows)));
    report.write(&args.output)?;
    Ok(report.passed())
}

/// The command that measures one row anew stands with it, so that the table can be repeated.
fn fill(report: &mut Report, rows: &[Row], results: &Results) {
    let mut section = Section::new("All rows");
    section.row(["what", "measured", "floor", "times the floor", "goal", ""]);
    for row in rows {
        section.row(row.cells());
    }
    report.section(section);
    let mut how = Section::new("How each row is measured");
    how.row(["what", "how"]);
    for row in rows {
        how.row([row.name.as_str(), row.how.as_str()]);
        if let Some(headline) = &row.headline {
            report.headline(headline, row.headline_value(), &row.headline_meaning());
        }
        if let Some(meter) = row.meter() {
            report.meter(meter);
        }
        if row.goal.is_some() {
            report.check(&row.name, row.met, row.judgement());
        }
    }
    report.section(how);
    // A figure of a run that lost messages says nothing.
    for (result, name, detail) in results.failures() {
        report.check(&format!("{result}: {name}"), false, detail);
    }
    report.figures(&Figures { rows: rows.to_vec() });
}

fn markdown(rows: &[Row]) -> String {
    let mut lines = vec![
        "| | measured | floor | times the floor | goal | |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    lines.extend(rows.iter().map(|row| format!("| {} |", row.cells().join(" | "))));
    lines.join("\n")
}

fn verdict(report: &Report, rows: &[Row]) -> String {
    let with_goal = rows.iter().filter(|row| row.goal.is_some()).count();
    let met = rows.iter().filter(|row| row.goal.is_some() && row.met).count();
    let failed: Vec<String> = report.failures().map(|line| format!("FAILED {line}")).collect();
    [vec![format!("{met} of {with_goal} goals are met.")], failed].concat().join("\n")
}

/// Whether a path can name a file of the folder of results, and nothing outside it.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && Path::new(name).file_name().is_some_and(|file| file == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GOALS: &str = r#"{ "title": "A server", "about": "One run.", "rows": [
        { "name": "memory", "how": "idle", "result": "idle", "value": "/rss", "unit": "KiB", "scale": 0.0009765625,
          "floor": { "result": "bare", "value": "/rss" }, "at_most": 1.5, "headline": "memory" },
        { "name": "delivery", "how": "fanout", "result": "fanout", "value": "/cpu", "unit": "µs",
          "floor": { "value": "/floor" }, "ratio": "/ratio", "at_most_floors": 1.1 },
        { "name": "ghosts", "how": "kill", "result": "ghosts", "value": "/seconds", "unit": "s", "at_most": 15 },
        { "name": "rate", "how": "fanout", "result": "fanout", "value": "/cpu", "unit": "µs" } ] }"#;

    fn results(cpu: f64, ratio: f64) -> Results {
        let mut results = Results::default();
        let of = |figures| json!({ "scenario": "s", "figures": figures, "checks": [] });
        results.add("idle", of(json!({ "rss": 2048 })));
        results.add("bare", of(json!({ "rss": 512 })));
        results.add("fanout", of(json!({ "cpu": cpu, "floor": 5.0, "ratio": ratio })));
        results
    }

    #[test]
    fn every_row_says_what_was_measured_and_by_how_much_it_misses() {
        let goals = Goals::parse(GOALS).unwrap();
        assert_eq!(goals.results(), ["idle", "bare", "fanout", "ghosts"]);
        let rows: Vec<Row> = goals.rows.iter().map(|goal| Row::of(goal, &results(5.25, 1.05))).collect();
        let table = markdown(&rows);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| memory | 2.00 KiB | 0.50 KiB | 4.00 | ≤ 1.50 KiB | **missed by 33 %** |",
                "| delivery | 5.25 µs | 5.00 µs | 1.05 | ≤ 1.10 × floor | met |",
                "| ghosts | - | - | - | ≤ 15.0 s | **not measured** |",
                "| rate | 5.25 µs | - | - | - |  |",
            ]
        );
    }

    #[test]
    fn a_missed_goal_and_a_run_that_failed_its_own_checks_fail_the_table() {
        let goals = Goals::parse(GOALS).unwrap();
        let mut results = results(5.25, 1.2);
        let checks = json!([{ "name": "deliveries", "passed": false, "detail": "3 lost" }]);
        results.add("ghosts", json!({ "scenario": "p", "figures": { "seconds": 14.2 }, "checks": checks }));
        let rows: Vec<Row> = goals.rows.iter().map(|goal| Row::of(goal, &results)).collect();
        let mut report = Report::new("table", &());
        fill(&mut report, &rows, &results);
        let failures: Vec<String> = report.failures().collect();
        assert_eq!(
            failures,
            [
                "memory: 2.00 KiB, goal ≤ 1.50 KiB: missed by 33 %",
                "delivery: 5.25 µs, 1.20 times the floor, goal ≤ 1.10 × floor: missed by 9 %",
                "ghosts: 14.2 s, goal ≤ 15.0 s: its run failed: deliveries",
                "ghosts: deliveries: 3 lost",
            ]
        );
        assert!(verdict(&report, &rows).starts_with("0 of 3 goals are met.\nFAILED memory"));
    }

    #[test]
    fn goals_that_could_never_be_held_are_refused() {
        for (wrong, reason) in [
            (r#""result": "../idle""#, "is no name of a result"),
            (r#""result": "idle", "at_most_floors": 1.1"#, "needs a floor"),
            (r#""result": "idle", "at_most": 1, "at_most_floors": 1.1, "floor": { "value": "/f" }"#, "one goal"),
            (r#""result": "idle", "unknown": 1"#, "unknown field"),
        ] {
            let text = format!(
                r#"{{ "title": "t", "about": "a", "rows": [{{ "name": "n", "how": "h", "value": "/v", "unit": "s", {wrong} }}] }}"#
            );
            let error = Goals::parse(&text).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
