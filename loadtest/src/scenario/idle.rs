//! Memory per joined connection that does nothing.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::target::Target;
use crate::cli::IdleArgs;
use crate::client::TopicPattern;
use crate::error::Error;
use crate::fleet::{ConnectionId, Event, Fleet, Handler, ensure_descriptors};
use crate::measure::{LatencySummary, Settling, resident_bytes};
use crate::report::{Plot, Progress, Report, Section, Series};

#[derive(Debug, Serialize)]
struct Figures {
    connections: usize,
    topics: usize,
    rss_before_bytes: Option<u64>,
    rss_joined_bytes: Option<u64>,
    rss_after_hold_bytes: Option<u64>,
    /// (after the hold - before) / connections.
    rss_per_connection_bytes: Option<f64>,
    joins_per_second: f64,
    join_latency: LatencySummary,
    lost_connections: usize,
}

/// Ramps, waits until memory rests, holds, and reports.
pub(super) fn run(args: &IdleArgs) -> Result<bool, Error> {
    ensure_descriptors(args.spread.connections)?;
    let mut progress = Progress::new(&args.common.output);
    let mut report = Report::new("idle", args);
    report.done(format!(
        "{} clients connected, {} of them in each topic, and then kept quiet. The memory of the server was read before, and when it \
         had come to rest again.",
        args.spread.connections, args.spread.connections_per_topic
    ));
    let mut target = Target::server(&args.common.target, &args.common.watch)?;
    let mut idle = Idle::default();

    progress.step("waiting until the server's memory rests");
    let before = settle(&mut target, &mut idle, args.settle, &mut report)?;
    let topics = TopicPattern::new(&args.spread.topic, args.spread.connections_per_topic);
    let ramp = target.join(&args.common.target, &topics, args.spread.connections, None, &mut progress)?;
    progress.step("waiting until the server's memory rests");
    let joined = settle(&mut target, &mut idle, args.settle, &mut report)?;
    progress.step(&format!("holding for {:?}", args.hold));
    target.fleet.wait(Instant::now() + args.hold, &mut idle)?;
    let after = rss(&target)?;

    let per_connection =
        before.zip(after).map(|(before, after)| (after as f64 - before as f64) / args.spread.connections as f64);
    let figures = Figures {
        connections: args.spread.connections,
        topics: topics.count(args.spread.connections),
        rss_before_bytes: before,
        rss_joined_bytes: joined,
        rss_after_hold_bytes: after,
        rss_per_connection_bytes: per_connection,
        joins_per_second: args.spread.connections as f64 / ramp.elapsed.as_secs_f64(),
        join_latency: ramp.latency.summary(),
        lost_connections: args.spread.connections - target.fleet.alive(),
    };
    report.section(section(&figures));
    if let Some(bytes) = per_connection {
        let meaning = "resident memory of the server, without the kernel's";
        report.headline("memory per connection", format!("{:.2} KiB", bytes / 1024.0), meaning);
    }
    report.headline("connections", figures.connections.to_string(), "open and joined at once");
    report.plot(Plot::latencies("Latency of a join", vec![Series::new("server", figures.join_latency.curve.clone())]));
    report.figures(&figures);
    if before.is_none() {
        report.notice("memory is not known; name the server's process with --pid");
    }
    let lost =
        idle.reason.map_or("none lost".to_owned(), |reason| format!("{} lost: {reason}", figures.lost_connections));
    report.check("connections held", figures.lost_connections == 0, lost);
    if per_connection.is_some_and(|bytes| bytes <= 0.0) {
        report.notice("memory did not grow: the server kept some from before; measure one that was just started");
    }
    let limit = args.max_rss_per_connection.map(|bytes| bytes as f64);
    report.check_at_most("max-rss-per-connection (bytes)", per_connection, limit);
    report.finish(&args.common.output)
}

fn section(figures: &Figures) -> Section {
    let mib =
        |bytes: Option<u64>| bytes.map_or("-".to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0));
    let mut section = Section::new("Memory");
    section
        .row(["connections", &figures.connections.to_string()])
        .row(["topics", &figures.topics.to_string()])
        .row(["RSS before", &mib(figures.rss_before_bytes)])
        .row(["RSS when all had joined", &mib(figures.rss_joined_bytes)])
        .row(["RSS after the hold", &mib(figures.rss_after_hold_bytes)]);
    let each = figures.rss_per_connection_bytes.map_or("-".to_owned(), |b| format!("{b:.0} B ({:.2} KiB)", b / 1024.0));
    section
        .row(["RSS per connection", &each])
        .row(["joins per second", &format!("{:.0}", figures.joins_per_second)])
        .row(["join latency", &figures.join_latency.to_string()]);
    section
}

fn rss(target: &Target) -> Result<Option<u64>, Error> {
    if target.pids.is_empty() { Ok(None) } else { resident_bytes(&target.pids).map(Some) }
}

/// Waits until the memory of the target rests, and returns it; `None` if no process is watched.
fn settle(target: &mut Target, idle: &mut Idle, limit: Duration, report: &mut Report) -> Result<Option<u64>, Error> {
    let mut settling = Settling::default();
    let end = Instant::now() + limit;
    while let Some(bytes) = rss(target)? {
        if settling.add(bytes) {
            return Ok(Some(bytes));
        }
        if Instant::now() > end {
            report.notice(format!("the server's memory still moved after {limit:?}"));
            return Ok(Some(bytes));
        }
        wait(&mut target.fleet, idle)?;
    }
    Ok(None)
}

fn wait(fleet: &mut Fleet, idle: &mut Idle) -> Result<(), Error> {
    fleet.wait(Instant::now() + Duration::from_millis(400), idle)
}

/// Notes the first reason for a lost connection.
#[derive(Debug, Default)]
struct Idle {
    reason: Option<String>,
}

impl Handler for Idle {
    fn on_event(&mut self, _: ConnectionId, event: Event<'_>, _: &mut Vec<String>) {
        if let Event::Gone(reason) = event {
            self.reason.get_or_insert(reason);
        }
    }
}
