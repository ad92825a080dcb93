//! Connects and joins, at a fixed rate or with so many on their way at once.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::take::{self, Counted, Meters, Take, Took};
use super::target::Target;
use super::valve::Load;
use crate::cli::StormArgs;
use crate::client::TopicPattern;
use crate::error::Error;
use crate::fleet::{ConnectionId, Event, Handler, ensure_descriptors};
use crate::measure::Spread;
use crate::report::{Progress, Report, Section};

/// What a server has to do with the connections of one round is not to fall into the next.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
struct Figures {
    connections: usize,
    takes: Vec<Take>,
    cpu_us_per_join: Option<Spread>,
    floor_cpu_us_per_join: Option<Spread>,
    ratio_to_floor: Option<Spread>,
}

/// Opens all connections, again in each round; they stay open until the round ends.
pub(super) fn run(args: &StormArgs) -> Result<bool, Error> {
    ensure_descriptors(args.spread.connections)?;
    let mut progress = Progress::new(&args.common.output);
    let mut report = Report::new("storm", args);
    let load = args.in_flight.map_or(Load::Paced(args.rate.unwrap_or(500.0)), Load::InFlight);
    let floor = if args.with_floor { ", in turn with a floor on the same core" } else { "" };
    report.done(format!(
        "{} clients connected and joined a topic: {}. {} rounds{floor}.",
        args.spread.connections,
        load.words(),
        args.rounds
    ));
    let mut takes = Vec::new();
    for round in 1..=args.rounds {
        let server = Target::server(&args.common.target, &args.common.watch)?;
        takes.push(take_of(server, round, load, args, &mut progress)?);
        if args.with_floor {
            let floor = Target::floor(&args.common.target, &args.common.watch, false)?;
            takes.push(take_of(floor, round, load, args, &mut progress)?);
        }
    }
    let figures = Figures {
        connections: args.spread.connections,
        cpu_us_per_join: take::cpu_spread(&takes, "server", load.name()),
        floor_cpu_us_per_join: take::cpu_spread(&takes, "floor", load.name()),
        ratio_to_floor: take::ratio_to_floor(&takes, load.name()),
        takes,
    };
    figures.fill(&mut report, args);
    report.finish(&args.common.output)
}

/// One round of one side; its connections end with it.
fn take_of(
    mut target: Target,
    round: usize,
    load: Load,
    args: &StormArgs,
    progress: &mut Progress,
) -> Result<Take, Error> {
    if round > 1 {
        progress.step(&format!("round {round} of {}", args.rounds));
        target.fleet.wait(Instant::now() + PAUSE, &mut Nobody)?;
    }
    let (topics, count) =
        (TopicPattern::new(&args.spread.topic, args.spread.connections_per_topic), args.spread.connections);
    let mut asked = args.common.target.clone();
    let per_second = match load {
        Load::Paced(per_second) => Some(per_second),
        Load::InFlight(at_once) => {
            asked.window = at_once as usize;
            None
        }
    };
    let meters = Meters::start(&target)?;
    let ramp = target.join(&asked, &topics, count, per_second, progress)?;
    // The last one is due one interval before the time is over.
    let planned = per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(count as f64 / rate));
    let took = Took { load, elapsed: ramp.elapsed.max(planned), max_lag: Duration::ZERO };
    let (messages, latency) = (count as u64, ramp.latency.summary());
    let counted = Counted { round, messages, units: messages, unfinished: 0, latency };
    Take::of(&target, took, &meters, counted)
}

/// Hears a fleet without connections.
struct Nobody;

impl Handler for Nobody {
    fn on_event(&mut self, _: ConnectionId, _: Event<'_>, _: &mut Vec<String>) {}
}

impl Figures {
    /// Puts everything into the report, and checks what was asked.
    fn fill(&self, report: &mut Report, args: &StormArgs) {
        report.section(take::table(&self.takes, "join"));
        take::plots(&self.takes, "join").into_iter().for_each(|plot| report.plot(plot));
        if let Some(cpu) = self.cpu_us_per_join {
            let meaning = "of the server, from the accept to the answer to the join, median of the rounds";
            report.headline("CPU per connect and join", format!("{:.1} µs", cpu.median), meaning);
        }
        if let Some(ratio) = self.ratio_to_floor {
            report.headline(
                "times the floor",
                format!("{:.2} ×", ratio.median),
                "a bare server that only answers is 1",
            );
        }
        let mut summary = Section::new("Summary (median of the rounds)");
        summary.row(["connections", &self.connections.to_string()]);
        for (name, spread) in [
            ("CPU per connect and join, µs", self.cpu_us_per_join),
            ("the same of the floor, µs", self.floor_cpu_us_per_join),
            ("ratio to the floor", self.ratio_to_floor),
        ] {
            if let Some(spread) = spread {
                summary.row([name.to_owned(), spread.to_string()]);
            }
        }
        report.section(summary);
        take::judge(&self.takes, report);
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        report.check_at_most("max-cpu-per-join (µs)", median(self.cpu_us_per_join), args.max_cpu_per_join);
        report.check_at_most("max-ratio", median(self.ratio_to_floor), args.max_ratio);
        report.figures(self);
    }
}
