//! One measured stretch of a load, and what several of them show.

mod plots;

use std::time::{Duration, Instant};

use serde::Serialize;

use super::target::Target;
use super::valve::{Load, Valve};
use crate::cli::TakeArgs;
use crate::error::Error;
use crate::fleet::Handler;
use crate::measure::{CpuMeter, CpuUse, LatencySummary, Spread};
use crate::report::{Report, Section};

pub(super) use plots::plots;

/// Before a take a fleet that had to wait for its turn sends the heartbeats that are due, uncounted.
const CATCH_UP: Duration = Duration::from_millis(300);

/// A side sends no heartbeats while another has its turn, and servers close what is silent for a minute.
const LONGEST_TURN: Duration = Duration::from_secs(45);

/// Refuses takes so long that the connections of the side that waits would be closed.
pub(super) fn ensure_short_turns(with_floor: bool, duration: Duration, drain: Duration) -> Result<(), Error> {
    if with_floor && duration + drain > LONGEST_TURN {
        return Err(Error::Usage(format!(
            "with --with-floor, --duration and --drain may be {LONGEST_TURN:?} together: the side that waits for its turn \
             sends no heartbeats; ask for more --rounds"
        )));
    }
    Ok(())
}

/// How often it was done, for the report's first sentence.
pub(super) fn rounds(args: &TakeArgs, with_floor: bool) -> String {
    let floor = if with_floor { ", in turn with a floor on the same core" } else { "" };
    format!("{} rounds of {:?} each{floor}", args.rounds, args.duration)
}

/// Lets a side catch up with what came and what is due since its last take.
pub(super) fn catch_up(target: &mut Target, handler: &mut dyn Handler) -> Result<(), Error> {
    target.fleet.wait(Instant::now() + CATCH_UP, handler)
}

/// CPU of the server, of the Redis behind it, and of the tool itself.
pub(super) struct Meters {
    server: Option<CpuMeter>,
    redis: CpuMeter,
    own: CpuMeter,
}

impl Meters {
    /// Starts to measure a target.
    pub(super) fn start(target: &Target) -> Result<Self, Error> {
        let server = (!target.pids.is_empty()).then(|| CpuMeter::start(&target.pids)).transpose()?;
        let redis = CpuMeter::start(&target.redis_pids)?;
        Ok(Self { server, redis, own: CpuMeter::start(&[std::process::id()])? })
    }

    /// CPU that the server has used, if it is watched.
    fn server(&self) -> Result<Option<CpuUse>, Error> {
        self.server.as_ref().map(CpuMeter::used).transpose()
    }

    /// CPU for each message by process, where there are several.
    fn shares(&self, messages: u64) -> Result<Vec<Share>, Error> {
        let server = self.server.as_ref().map_or(Ok(Vec::new()), CpuMeter::used_by_each)?;
        let redis = self.redis.used_by_each()?;
        if server.len() + redis.len() < 2 || messages == 0 {
            return Ok(Vec::new());
        }
        let share = |process: String, used: CpuUse| Share {
            process,
            cpu_us_per_message: used.ran.as_secs_f64() * 1e6 / messages as f64,
        };
        let server = server.into_iter().zip(1..).map(|(used, number)| share(format!("server {number}"), used));
        Ok(server.chain(redis.into_iter().map(|used| share("Redis".to_owned(), used))).collect())
    }
}

/// What one process of the server, or Redis, has to do with a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Share {
    pub(super) process: String,
    pub(super) cpu_us_per_message: f64,
}

/// The figures of one take. A unit is a delivery or a round trip.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Take {
    pub(super) target: &'static str,
    pub(super) load: &'static str,
    pub(super) round: usize,
    pub(super) messages: u64,
    pub(super) units: u64,
    pub(super) unfinished: u64,
    pub(super) elapsed_s: f64,
    /// Messages per second that were finished.
    pub(super) achieved_per_second: f64,
    pub(super) asked_per_second: Option<f64>,
    /// How late the tool itself sent a message, at worst.
    pub(super) max_send_lag_ms: f64,
    pub(super) cpu_us_per_unit: Option<f64>,
    /// 1.0 is one core.
    pub(super) server_cores: Option<f64>,
    /// Share of the time in which a thread of the server could have run but got no core.
    pub(super) server_waited: Option<f64>,
    pub(super) tool_cores: f64,
    /// By process of the server, then Redis; empty if only one is watched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) shares: Vec<Share>,
    pub(super) latency: LatencySummary,
}

/// What a scenario counted in one take.
pub(super) struct Counted {
    pub(super) round: usize,
    pub(super) messages: u64,
    pub(super) units: u64,
    pub(super) unfinished: u64,
    pub(super) latency: LatencySummary,
}

/// Under which load a take was, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    pub(super) load: Load,
    pub(super) elapsed: Duration,
    /// How late the tool itself was, at worst.
    pub(super) max_lag: Duration,
}

impl Take {
    /// Closes a take: call it as soon as nothing more is awaited.
    pub(super) fn close(target: &Target, valve: &Valve, meters: &Meters, counted: Counted) -> Result<Self, Error> {
        let took = Took { load: valve.load(), elapsed: valve.elapsed(), max_lag: valve.max_lag() };
        Self::of(target, took, meters, counted)
    }

    /// A take that no valve has led.
    pub(super) fn of(target: &Target, took: Took, meters: &Meters, counted: Counted) -> Result<Self, Error> {
        let Counted { round, messages, units, unfinished, latency } = counted;
        let elapsed = took.elapsed.as_secs_f64();
        let server = meters.server()?;
        let cpu = server.map(|server| server.ran.as_secs_f64());
        let asked = if let Load::Paced(per_second) = took.load { Some(per_second) } else { None };
        Ok(Self {
            target: target.name,
            load: took.load.name(),
            round,
            messages,
            units,
            unfinished,
            elapsed_s: elapsed,
            achieved_per_second: (messages - unfinished) as f64 / elapsed,
            asked_per_second: asked,
            max_send_lag_ms: took.max_lag.as_secs_f64() * 1e3,
            cpu_us_per_unit: cpu.filter(|_| units > 0).map(|cpu| cpu * 1e6 / units as f64),
            server_cores: cpu.map(|cpu| cpu / elapsed),
            server_waited: server.map(|server| server.waited.as_secs_f64() / elapsed),
            tool_cores: meters.own.used()?.ran.as_secs_f64() / elapsed,
            shares: meters.shares(messages)?,
            latency,
        })
    }

    fn reached(&self) -> bool {
        self.unfinished == 0 && self.asked_per_second.is_none_or(|asked| self.achieved_per_second >= asked * 0.95)
    }
}

/// CPU per unit over the rounds of one target under one load.
pub(super) fn cpu_spread(takes: &[Take], target: &str, load: &str) -> Option<Spread> {
    let of = takes.iter().filter(|take| take.target == target && take.load == load);
    Spread::of(of.filter_map(|take| take.cpu_us_per_unit))
}

/// Ours divided by the floor's, round by round.
pub(super) fn ratio_to_floor(takes: &[Take], load: &str) -> Option<Spread> {
    let cpu = |target: &str, round: usize| {
        let mut of = takes.iter().filter(|take| (take.target, take.load, take.round) == (target, load, round));
        of.next().and_then(|take| take.cpu_us_per_unit)
    };
    let rounds = takes.iter().map(|take| take.round).max()?;
    Spread::of((1..=rounds).filter_map(|round| Some(cpu("server", round)? / cpu("floor", round)?)))
}

/// What server and Redis have to do with a message, by the process; medians of the rounds of one load.
#[derive(Debug, Serialize)]
pub(super) struct PerMessage {
    pub(super) load: &'static str,
    /// Of all of them together.
    pub(super) cpu_us: Spread,
    pub(super) shares: Vec<Share>,
}

impl PerMessage {
    /// None where only one process is watched.
    pub(super) fn of(takes: &[Take], load: &'static str) -> Option<Self> {
        let of: Vec<&Take> = takes
            .iter()
            .filter(|take| take.target == "server" && take.load == load && !take.shares.is_empty())
            .collect();
        let all = of.iter().map(|take| take.shares.iter().map(|share| share.cpu_us_per_message).sum());
        let cpu_us = Spread::of(all)?;
        let share = |(index, share): (usize, &Share)| {
            let each = of.iter().filter_map(|take| take.shares.get(index)).map(|share| share.cpu_us_per_message);
            Some(Share { process: share.process.clone(), cpu_us_per_message: Spread::of(each)?.median })
        };
        Some(Self { load, cpu_us, shares: of[0].shares.iter().enumerate().filter_map(share).collect() })
    }
}

/// The table of all takes, with `unit` as the name of what CPU is counted by.
pub(super) fn table(takes: &[Take], unit: &str) -> Section {
    let mut section = Section::new("Takes");
    let cpu_head = format!("CPU/{unit}");
    section.row([
        "round",
        "target",
        "load",
        "msg/s",
        unit,
        &cpu_head,
        "cores",
        "tool",
        "latency from the intended time",
    ]);
    for take in takes {
        let optional = |value: Option<f64>, suffix: &str| value.map_or("-".to_owned(), |v| format!("{v:.2}{suffix}"));
        section.row([
            take.round.to_string(),
            take.target.to_owned(),
            take.load.to_owned(),
            format!("{:.1}", take.achieved_per_second),
            take.units.to_string(),
            optional(take.cpu_us_per_unit, " µs"),
            optional(take.server_cores, ""),
            format!("{:.2}", take.tool_cores),
            take.latency.to_string(),
        ]);
    }
    section
}

/// Says what the reader must know about the takes, and fails the run for a rate that was not reached.
pub(super) fn judge(takes: &[Take], report: &mut Report) {
    for take in takes.iter().filter(|take| !take.reached()) {
        let Take { round, target, load, achieved_per_second, unfinished, .. } = take;
        let asked = take.asked_per_second.map_or(String::new(), |asked| format!(" of the {asked:.1} asked"));
        let line = format!("round {round}, {target}: {achieved_per_second:.1}/s{asked}, {unfinished} never finished");
        report.check(&format!("{load} rate"), false, line);
    }
    for load in ["paced", "saturated"] {
        if takes.iter().any(|take| take.load == load && take.tool_cores > 0.95) {
            let line =
                format!("the load tool used a whole core in a {load} take: latencies and rates include its own work");
            report.notice(line);
        }
    }
    // A server of several threads on one core waits for itself, but not while it is paced.
    let waited =
        takes.iter().filter(|take| take.load == "paced").filter_map(|take| take.server_waited).fold(0.0, f64::max);
    if waited > 0.1 {
        let share = waited * 100.0;
        report.notice(format!(
            "this machine was not quiet: the server waited for a core up to {share:.0} % of a paced take"
        ));
    }
    if takes.iter().any(|take| take.cpu_us_per_unit.is_none()) {
        report.notice("CPU is not known for every take; name the server's processes with --pid");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Latency;

    fn take(target: &'static str, round: usize, cpu: f64) -> Take {
        Take {
            target,
            load: "paced",
            round,
            messages: 20,
            units: 20_000,
            unfinished: 0,
            elapsed_s: 1.0,
            achieved_per_second: 20.0,
            asked_per_second: Some(20.0),
            max_send_lag_ms: 0.0,
            cpu_us_per_unit: Some(cpu),
            server_cores: Some(0.1),
            server_waited: Some(0.0),
            tool_cores: 0.1,
            shares: Vec::new(),
            latency: Latency::new().summary(),
        }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let takes = [take("server", 1, 8.0), take("floor", 1, 4.0), take("server", 2, 9.0), take("floor", 2, 6.0)];
        assert_eq!(ratio_to_floor(&takes, "paced"), Some(Spread { min: 1.5, median: 1.75, max: 2.0 }));
        assert_eq!(ratio_to_floor(&takes, "saturated"), None);
        assert_eq!(cpu_spread(&takes, "floor", "paced").map(|spread| spread.median), Some(5.0));
    }

    #[test]
    fn a_message_costs_what_all_processes_together_spend() {
        let share = |process: &str, cpu| Share { process: process.to_owned(), cpu_us_per_message: cpu };
        let with = |round, pod, redis| Take {
            shares: vec![share("server 1", pod), share("Redis", redis)],
            ..take("server", round, 1.0)
        };
        let takes = [with(1, 20.0, 9.0), with(2, 30.0, 7.0), with(3, 25.0, 8.0), take("floor", 1, 5.0)];
        let message = PerMessage::of(&takes, "paced").unwrap();
        assert_eq!(message.cpu_us, Spread { min: 29.0, median: 33.0, max: 37.0 });
        assert_eq!(message.shares, [share("server 1", 25.0), share("Redis", 8.0)]);
        assert!(PerMessage::of(&takes, "saturated").is_none() && PerMessage::of(&takes[3..], "paced").is_none());
    }

    #[test]
    fn a_rate_that_was_not_reached_fails_the_run() {
        let mut report = Report::new("test", &());
        judge(&[take("server", 1, 8.0)], &mut report);
        assert!(report.passed());
        judge(&[Take { achieved_per_second: 12.0, ..take("server", 1, 8.0) }], &mut report);
        assert!(!report.passed());
    }
}
