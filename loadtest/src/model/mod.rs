//! What fleets of several sizes say about larger ones, and by how much they err.
//!
//! When members of a topic are spread over a fleet, each message goes to every node that hosts the topic, and each of those
//! keeps its own list of who is there. So the figures of one connection, delivery and message are taken to grow in a straight
//! line with the number of nodes that host a topic: all nodes, or as many as a topic has members. The line is fitted to the
//! smaller fleets and held against the largest. Latencies are told, not foretold: fleets that share a machine wait for each other.

mod fleet;
mod line;

use crate::cli::ModelArgs;
use crate::error::Error;
use crate::report::{read_result, say};

use fleet::Fleet;
use line::Line;

/// Name, unit, and where it stands.
type Figure = (&'static str, &'static str, fn(&Fleet) -> f64);

/// What the model speaks about.
const FIGURES: [Figure; 3] = [
    ("memory of a connection", "KiB", |fleet| fleet.kib_per_connection),
    ("CPU of the nodes for a delivery", "µs", |fleet| fleet.us_per_delivery),
    ("CPU of Redis for a message", "µs", |fleet| fleet.redis_us_per_message),
];

/// Prints tables in Markdown; `Ok(false)`: the model errs by more than it may.
///
/// # Errors
/// When a file is no result of `soak` with memory and CPU in it, or when they do not differ in size.
pub(crate) fn run(args: &ModelArgs) -> Result<bool, Error> {
    let read = |path: &std::path::PathBuf| {
        let fleet = Fleet::of(&read_result(path)?);
        fleet.map_err(|reason| Error::Usage(format!("{}: {reason}", path.display())))
    };
    let fleets = args.results.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let model = Model::of(fleets).map_err(Error::Usage)?;
    model.notes().for_each(|note| say(&format!("note: {note}\n")));
    say(&[model.measured(), model.checked(), model.foretold(&args.nodes)].map(|table| table.join("\n")).join("\n\n"));
    let worst = model.worst_error();
    if let Some(limit) = args.max_error.filter(|limit| worst > *limit) {
        say(&format!("\nFAILED max-error: the model errs by {worst:.1} %, limit {limit:.1} %"));
        return Ok(false);
    }
    Ok(true)
}

struct Model {
    /// By the number of nodes; the last one checks.
    fleets: Vec<Fleet>,
    /// One for each of `FIGURES`.
    lines: Vec<Line>,
}

impl Model {
    fn of(mut fleets: Vec<Fleet>) -> Result<Self, String> {
        fleets.sort_by_key(|fleet| fleet.nodes);
        let [fitted @ .., _] = fleets.as_slice() else { return Err("a model needs fleets".to_owned()) };
        let fit = |figure: fn(&Fleet) -> f64| Line::fit(fitted.iter().map(|fleet| (fleet.hosts(), figure(fleet))));
        let lines: Option<Vec<Line>> = FIGURES.iter().map(|(_, _, figure)| fit(*figure)).collect();
        let lines = lines.ok_or_else(|| "the smaller fleets must differ in their number of nodes".to_owned())?;
        Ok(Self { fleets, lines })
    }

    fn checking(&self) -> &Fleet {
        &self.fleets[self.fleets.len() - 1]
    }

    /// Name, unit, line, what it says about the largest fleet, and what was measured there.
    fn checks(&self) -> impl Iterator<Item = (&str, &str, Line, f64, f64)> {
        let fleet = self.checking();
        FIGURES
            .iter()
            .zip(&self.lines)
            .map(|((name, unit, figure), line)| (*name, *unit, *line, line.at(fleet.hosts()), figure(fleet)))
    }

    fn worst_error(&self) -> f64 {
        self.checks().map(|(_, _, _, said, was)| error_percent(said, was).abs()).fold(0.0, f64::max)
    }

    /// What makes the fleets hard to compare.
    fn notes(&self) -> impl Iterator<Item = String> {
        let first = self.fleets[0];
        let each = |fleet: &Fleet| fleet.connections as f64 / fleet.nodes as f64;
        let seconds = self.fleets.iter().any(|fleet| fleet.seconds != first.seconds);
        let loads = self.fleets.iter().any(|fleet| (each(fleet) / each(&first) - 1.0).abs() > 0.01);
        let disturbed = self.fleets.iter().filter(|fleet| fleet.disturbed).map(|fleet| {
            let nodes = fleet.nodes;
            format!(
                "the machine was busy when the fleet of {nodes} nodes was measured: its CPU and latencies say little"
            )
        });
        let differ = [
            seconds.then(|| {
                "the fleets were measured for different times: what follows a join weighs differently".to_owned()
            }),
            loads.then(|| "the fleets have different numbers of connections for each node".to_owned()),
        ];
        differ.into_iter().flatten().chain(disturbed)
    }

    fn measured(&self) -> Vec<String> {
        let row = |name: &str, cell: &dyn Fn(&Fleet) -> String| {
            let cells: Vec<String> = self.fleets.iter().map(cell).collect();
            format!("| {name} | {} |", cells.join(" | "))
        };
        let mut lines = vec![row("measured", &|fleet| format!("{} nodes", fleet.nodes))];
        lines.push(format!("| --- |{}", " --- |".repeat(self.fleets.len())));
        lines.push(row("connections", &|fleet| fleet.connections.to_string()));
        lines.push(row("deliveries a second", &|fleet| format!("{:.0}", fleet.deliveries_per_second)));
        for (name, unit, figure) in FIGURES {
            lines.push(row(name, &|fleet| format!("{:.2} {unit}", figure(fleet))));
        }
        lines.push(row("median latency of a delivery", &|fleet| format!("{:.2} ms", fleet.p50_ms)));
        lines.push(row("99th percentile", &|fleet| format!("{:.2} ms", fleet.p99_ms)));
        lines
    }

    fn checked(&self) -> Vec<String> {
        let nodes = self.checking().nodes;
        let mut lines = vec![
            format!("| model | of `n` nodes that host a topic | for {nodes} nodes | measured there | error |"),
            "| --- | --- | --- | --- | --- |".to_owned(),
        ];
        lines.extend(self.checks().map(|(name, unit, line, said, was)| {
            let error = error_percent(said, was);
            format!("| {name} | {line} {unit} | {said:.2} {unit} | {was:.2} {unit} | {error:+.1} % |")
        }));
        lines
    }

    fn foretold(&self, sizes: &[usize]) -> Vec<String> {
        let fleet = self.checking();
        let mut lines = vec![
            "| nodes | connections | deliveries a second | memory of a node | cores of a node | cores of Redis |"
                .to_owned(),
            "| --- | --- | --- | --- | --- | --- |".to_owned(),
        ];
        let [memory, delivery, message] = [0, 1, 2].map(|index| self.lines[index]);
        lines.extend(sizes.iter().map(|nodes| {
            let (hosts, of_one) = (fleet.hosts_of(*nodes), 1.0 / fleet.nodes as f64);
            let (connections, deliveries) = (fleet.connections as f64 * of_one, fleet.deliveries_per_second * of_one);
            let messages = fleet.messages_per_second * of_one * *nodes as f64;
            format!(
                "| {nodes} | {:.0} | {:.0} | {:.0} MiB | {:.2} | {:.2} |",
                connections * *nodes as f64,
                deliveries * *nodes as f64,
                connections * memory.at(hosts) / 1024.0,
                deliveries * delivery.at(hosts) / 1e6,
                messages * message.at(hosts) / 1e6,
            )
        }));
        lines
    }
}

/// By how many percent what was said is more than what was.
fn error_percent(said: f64, was: f64) -> f64 {
    (said / was - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A fleet that costs what a straight line says, and `more` of it.
    fn fleet(nodes: usize, more: f64) -> Fleet {
        let hosts = nodes as f64;
        let document = json!({
            "scenario": "soak",
            "config": { "target": { "urls": vec!["ws://127.0.0.1:1/s"; nodes] }, "connections_per_topic": 100 },
            "figures": {
                "connections": nodes * 10_000, "deliveries_per_second": nodes as f64 * 2000.0,
                "asked_per_second": nodes as f64 * 20.0,
                "resident_per_connection": (3.0 + 0.5 * hosts) * 1024.0 * more,
                "cpu_us_per_delivery": 10.0 + hosts, "redis_cpu_us_per_message": 100.0 + 5.0 * hosts,
                "delivery_latency": { "p50_ms": 1.0, "p99_ms": 5.0 },
            }
        });
        Fleet::of(&document).unwrap()
    }

    #[test]
    fn what_grows_in_a_straight_line_is_foretold() {
        let model = Model::of(vec![fleet(10, 1.0), fleet(2, 1.0), fleet(5, 1.0)]).unwrap();
        assert!(model.worst_error() < 1e-9 && model.notes().next().is_none());
        assert_eq!(model.measured()[0], "| measured | 2 nodes | 5 nodes | 10 nodes |");
        let expected = "| CPU of the nodes for a delivery | 10.00 + 1.00 n µs | 20.00 µs | 20.00 µs | +0.0 % |";
        assert!(model.checked().iter().any(|line| line == expected), "{:?}", model.checked());
        // Beyond a hundred nodes a topic of a hundred has no more hosts.
        let foretold = model.foretold(&[20, 200]);
        assert_eq!(foretold[2], "| 20 | 200000 | 40000 | 127 MiB | 0.06 | 0.08 |");
        assert_eq!(foretold[3], "| 200 | 2000000 | 400000 | 518 MiB | 0.22 | 2.40 |");
    }

    #[test]
    fn a_fleet_that_costs_more_shows_by_how_much_the_model_errs() {
        let model = Model::of(vec![fleet(2, 1.0), fleet(5, 1.0), fleet(10, 1.25)]).unwrap();
        let busy = Fleet { disturbed: true, seconds: 60, connections: 1, ..fleet(5, 1.0) };
        assert_eq!(Model::of(vec![fleet(2, 1.0), busy, fleet(10, 1.0)]).unwrap().notes().count(), 3);
        assert!((model.worst_error() - 20.0).abs() < 1e-9, "{}", model.worst_error());
        assert!(model.checked()[2].ends_with("| -20.0 % |"), "{:?}", model.checked());
    }

    #[test]
    fn fleets_of_one_size_make_no_line_and_a_run_without_pids_is_named() {
        assert!(Model::of(vec![fleet(2, 1.0), fleet(2, 1.0), fleet(10, 1.0)]).is_err());
        let blind = json!({ "scenario": "soak", "config": { "target": { "urls": ["a"] }, "connections_per_topic": 10 },
            "figures": { "connections": 1, "resident_per_connection": null } });
        assert_eq!(
            Fleet::of(&blind).unwrap_err(),
            "it has no resident_per_connection (were --pid and --redis-pid given?)"
        );
        assert!(Fleet::of(&json!({ "scenario": "idle" })).is_err());
    }
}
