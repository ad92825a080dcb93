//! Push and reply.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use super::take::{self, Counted, Meters, Take};
use super::target::Target;
use super::valve::{Load, Valve};
use crate::cli::{EchoArgs, Via};
use crate::client::{Endpoints, Outgoing, TopicPattern, Vsn, decode, encode};
use crate::error::Error;
use crate::fleet::{ConnectionId, Event, Handler, JOIN_REF, connection_error, ensure_descriptors};
use crate::measure::{Flights, Latency, Spread};
use crate::report::{Progress, Report, Section};

#[derive(Debug, Serialize)]
struct Figures {
    takes: Vec<Take>,
    cpu_us_per_echo: Option<Spread>,
    floor_cpu_us_per_echo: Option<Spread>,
    ratio_to_floor: Option<Spread>,
    other_frames: u64,
    /// Replies with another status than ok still end a round trip.
    replies_not_ok: u64,
}

/// Runs all takes and reports.
pub(super) fn run(args: &EchoArgs) -> Result<bool, Error> {
    ensure_descriptors(args.connections * if args.with_floor { 2 } else { 1 })?;
    take::ensure_short_turns(args.with_floor, args.takes.duration, args.takes.drain)?;
    let mut progress = Progress::new(&args.common.output);
    let mut report = Report::new("echo", args);
    let load = match (args.in_flight, args.rate) {
        (Some(in_flight), _) => Load::InFlight(in_flight * args.connections as u64),
        (None, rate) => Load::Paced(rate.unwrap_or(1000.0)),
    };
    report.done(format!(
        "{} connections sent messages and waited for the reply to each: {}. {}.",
        args.connections,
        load.words(),
        take::rounds(&args.takes, args.with_floor)
    ));
    let mut sides = vec![Side::join(Target::server(&args.common.target, &args.common.watch)?, args, &mut progress)?];
    if args.with_floor {
        // A server may write several replies at once only when several are in flight, and so may the floor.
        let coalesces = matches!(load, Load::InFlight(_));
        sides.push(Side::join(
            Target::floor(&args.common.target, &args.common.watch, coalesces)?,
            args,
            &mut progress,
        )?);
    }
    for side in &mut sides {
        side.take(0, load, args.takes.warmup, args)?;
    }
    let mut takes = Vec::new();
    for round in 1..=args.takes.rounds {
        for side in &mut sides {
            progress.step(&format!("round {round} of {}: {}", args.takes.rounds, side.target.name));
            takes.push(side.take(round, load, args.takes.duration, args)?);
        }
    }
    summarize(takes, &sides[0].echoes, load, args, &mut report)
}

fn summarize(
    takes: Vec<Take>,
    echoes: &Echoes,
    load: Load,
    args: &EchoArgs,
    report: &mut Report,
) -> Result<bool, Error> {
    let figures = Figures {
        cpu_us_per_echo: take::cpu_spread(&takes, "server", load.name()),
        floor_cpu_us_per_echo: take::cpu_spread(&takes, "floor", load.name()),
        ratio_to_floor: take::ratio_to_floor(&takes, load.name()),
        other_frames: echoes.other,
        replies_not_ok: echoes.not_ok,
        takes,
    };
    report.section(take::table(&figures.takes, "echo"));
    take::plots(&figures.takes, "round trip").into_iter().for_each(|plot| report.plot(plot));
    if let Some(cpu) = figures.cpu_us_per_echo {
        report.headline("CPU per round trip", format!("{:.2} µs", cpu.median), "of the server, median of the rounds");
    }
    if let Some(ratio) = figures.ratio_to_floor {
        report.headline("times the floor", format!("{:.2} ×", ratio.median), "a bare server that only answers is 1");
    }
    let text = |spread: Option<Spread>| spread.map_or("-".to_owned(), |spread| spread.to_string());
    let mut summary = Section::new("Summary (median of the rounds)");
    summary.row(["CPU per echo, µs", &text(figures.cpu_us_per_echo)]);
    summary.row(["CPU per echo of the floor, µs", &text(figures.floor_cpu_us_per_echo)]);
    summary.row(["ratio to the floor", &text(figures.ratio_to_floor)]);
    report.section(summary);
    if figures.other_frames > 0 {
        report.notice(format!(
            "{} frames were no replies: the server also broadcasts what is pushed, and the CPU includes that",
            figures.other_frames
        ));
    }
    if let Some(reason) = &echoes.first_refusal {
        report.notice(format!("{} replies were not ok, the first: {reason}", figures.replies_not_ok));
    }
    take::judge(&figures.takes, report);
    report.check_at_most("max-ratio", figures.ratio_to_floor.map(|spread| spread.median), args.max_ratio);
    report.figures(&figures);
    report.finish(&args.common.output)
}

/// A target with its round trips.
pub(super) struct Side {
    target: Target,
    echoes: Echoes,
    topics: TopicPattern,
    payload: String,
    /// Whose turn it is in an open loop.
    turn: usize,
}

impl Side {
    pub(super) fn join(mut target: Target, args: &EchoArgs, progress: &mut Progress) -> Result<Self, Error> {
        let topics = TopicPattern::new(&args.topic, 1);
        target.join(&args.common.target, &topics, args.connections, None, progress)?;
        let padding = "x".repeat(args.payload_bytes.saturating_sub(r#"{"p":""}"#.len()));
        let echoes =
            Echoes::new(target.fleet.config().vsn, target.fleet.config().endpoints.clone(), args.event.clone());
        Ok(Self { target, echoes, topics, payload: format!(r#"{{"p":"{padding}"}}"#), turn: 0 })
    }

    pub(super) fn take(
        &mut self,
        round: usize,
        load: Load,
        duration: Duration,
        args: &EchoArgs,
    ) -> Result<Take, Error> {
        take::catch_up(&mut self.target, &mut self.echoes)?;
        self.echoes.latency = Latency::new();
        let first = self.echoes.flights.launched();
        let meters = Meters::start(&self.target)?;
        let mut valve = Valve::open(load, duration);
        // In a closed loop whoever has an answer goes next; at the start, and after a loss, everybody in turn.
        self.echoes.answered.clear();
        loop {
            while let Some(intended) = valve.next(self.echoes.flights.under_way()) {
                let number = self.echoes.flights.launch(intended, 1);
                let id = self.next_sender(load, args.connections);
                let text = self.text(number, id, args);
                self.echoes.awaited.insert((number, id));
                self.target.fleet.send(id, &text);
            }
            let now = std::time::Instant::now();
            let finished = valve.is_shut() && self.echoes.flights.under_way() == 0;
            if finished || now > valve.give_up_at(args.takes.drain) {
                break;
            }
            self.target.fleet.turn(valve.wake_at(), &mut self.echoes)?;
            if let Some(error) = self.echoes.failure.take() {
                return Err(error);
            }
        }
        let messages = self.echoes.flights.launched() - first;
        let unfinished = self.echoes.flights.abandon();
        self.echoes.awaited.clear();
        let latency = self.echoes.latency.summary();
        let counted = Counted { round, messages, units: messages - unfinished, unfinished, latency };
        Take::close(&self.target, &valve, &meters, counted)
    }

    fn next_sender(&mut self, load: Load, connections: usize) -> ConnectionId {
        if let (Load::InFlight(_), Some(id)) = (load, self.echoes.answered.pop()) {
            return id;
        }
        self.turn = (self.turn + 1) % connections;
        self.turn
    }

    fn text(&self, number: u64, id: ConnectionId, args: &EchoArgs) -> String {
        // Refs of a take must not look like the join's.
        let reference = format!("e{number}");
        let topic = self.topics.topic(id);
        let (join_ref, topic, event) = match args.via {
            Via::Push => (Some(JOIN_REF), topic.as_str(), args.event.as_str()),
            Via::Heartbeat => (None, "phoenix", "heartbeat"),
        };
        let payload = if args.via == Via::Push { self.payload.as_str() } else { "{}" };
        encode(self.echoes.vsn, Outgoing { join_ref, reference: Some(&reference), topic, event, payload })
    }
}

/// Matches replies with pushes.
struct Echoes {
    vsn: Vsn,
    endpoints: Endpoints,
    event: String,
    flights: Flights,
    /// A reply counts only on the connection that pushed.
    awaited: HashSet<(u64, ConnectionId)>,
    answered: Vec<ConnectionId>,
    latency: Latency,
    other: u64,
    not_ok: u64,
    first_refusal: Option<String>,
    failure: Option<Error>,
}

impl Echoes {
    fn new(vsn: Vsn, endpoints: Endpoints, event: String) -> Self {
        Self {
            vsn,
            endpoints,
            event,
            flights: Flights::default(),
            awaited: HashSet::new(),
            answered: Vec::new(),
            latency: Latency::new(),
            other: 0,
            not_ok: 0,
            first_refusal: None,
            failure: None,
        }
    }

    /// True if `text` is any reply.
    fn on_text(&mut self, id: ConnectionId, text: &[u8]) -> bool {
        let Some(message) = decode(self.vsn, text) else { return false };
        let Some(reply) = message.reply() else {
            if let Some(how) = message.end() {
                let (topic, event) = (message.topic.as_ref().to_owned(), self.event.clone());
                self.failure.get_or_insert(Error::ChannelEnded { topic, event, how });
            }
            return false;
        };
        let number = message.reference.as_deref().and_then(|reference| reference.strip_prefix('e')?.parse().ok());
        let Some(number) = number.filter(|number| self.awaited.remove(&(*number, id))) else { return true };
        if let Some(intended) = self.flights.arrive(number) {
            self.latency.record(intended.elapsed());
            self.answered.push(id);
        }
        if reply.status != "ok" {
            self.not_ok += 1;
            self.first_refusal.get_or_insert_with(|| reply.response.get().to_owned());
        }
        true
    }
}

impl Handler for Echoes {
    fn on_event(&mut self, id: ConnectionId, event: Event<'_>, _: &mut Vec<String>) {
        match event {
            Event::Open => {}
            Event::Text(text) => self.other += u64::from(!self.on_text(id, text)),
            Event::Gone(reason) => {
                let error = connection_error(&self.endpoints, id, reason);
                self.failure.get_or_insert(error);
            }
        }
    }
}
