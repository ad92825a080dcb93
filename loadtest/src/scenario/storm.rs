//! Connects and joins at a fixed rate.

use serde::Serialize;

use super::take::Meters;
use super::target::Target;
use crate::cli::StormArgs;
use crate::client::TopicPattern;
use crate::error::Error;
use crate::fleet::ensure_descriptors;
use crate::measure::LatencySummary;
use crate::report::{Plot, Progress, Report, Section, Series};

#[derive(Debug, Serialize)]
struct Figures {
    connections: usize,
    asked_per_second: f64,
    achieved_per_second: f64,
    cpu_us_per_join: Option<f64>,
    latency: LatencySummary,
}

/// Opens all connections at the asked rate; they stay open until the end.
pub(super) fn run(args: &StormArgs) -> Result<bool, Error> {
    ensure_descriptors(args.spread.connections)?;
    let mut progress = Progress::new(&args.common.output);
    let mut report = Report::new("storm", args);
    let mut target = Target::server(&args.common.target, &args.common.watch)?;
    let topics = TopicPattern::new(&args.spread.topic, args.spread.connections_per_topic);
    let meters = Meters::start(&target)?;
    let ramp = target.join(&args.common.target, &topics, args.spread.connections, Some(args.rate), &mut progress)?;
    let cpu = meters.server()?;

    // The last one is due one interval before the time is over.
    let planned = args.spread.connections as f64 / args.rate;
    let achieved = args.spread.connections as f64 / ramp.elapsed.as_secs_f64().max(planned);
    let figures = Figures {
        connections: args.spread.connections,
        asked_per_second: args.rate,
        achieved_per_second: achieved,
        cpu_us_per_join: cpu.map(|cpu| cpu.ran.as_secs_f64() * 1e6 / args.spread.connections as f64),
        latency: ramp.latency.summary(),
    };
    let mut section = Section::new("Connect and join");
    let cpu = figures.cpu_us_per_join.map_or("-".to_owned(), |cpu| format!("{cpu:.1} µs"));
    section
        .row(["connections", &figures.connections.to_string()])
        .row(["per second", &format!("{achieved:.0} of {:.0} asked", args.rate)])
        .row(["CPU per connect and join", &cpu])
        .row(["latency from the intended time", &figures.latency.to_string()]);
    report.section(section);
    if let Some(cpu) = figures.cpu_us_per_join {
        report.headline("CPU per connect and join", format!("{cpu:.1} µs"), "of the server");
    }
    report.plot(Plot::latencies("Connect and join", vec![Series::new("server", figures.latency.curve.clone())]));
    report.figures(&figures);
    if figures.cpu_us_per_join.is_none() {
        report.notice("CPU is not known; name the server's process with --pid");
    }
    let line = format!("{achieved:.0} per second of the {:.0} asked", args.rate);
    report.check("rate", achieved >= args.rate * 0.95, line);
    report.finish(&args.common.output)
}
