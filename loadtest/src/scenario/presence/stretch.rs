//! What is done to the server, and what each part of it took.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use super::crowd::{Crowd, Phase, Traffic};
use super::layout::{ChannelId, Layout};
use super::roster::Faults;
use crate::cli::PresenceArgs;
use crate::client::{Outgoing, encode};
use crate::error::Error;
use crate::fleet::{join_text, numbered};
use crate::measure::CpuMeter;
use crate::scenario::target::Target;

/// How long one turn may wait; nothing is timed by it.
const TURN: Duration = Duration::from_millis(50);

/// One part of a round.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Stretch {
    pub(super) what: &'static str,
    pub(super) round: usize,
    /// From the first message sent until everybody showed what they should; of a hold, all of it.
    pub(super) seconds: f64,
    /// CPU until then, and for the time that came after it (`--settle`).
    pub(super) server_cpu_s: Option<f64>,
    pub(super) redis_cpu_s: Option<f64>,
    pub(super) tool_cpu_s: f64,
    /// How long threads of server and Redis were ready to run but got no core, all of them together.
    pub(super) waited_s: f64,
    #[serde(flatten)]
    pub(super) traffic: Traffic,
    /// Clients that showed what they should in the end, of how many.
    pub(super) complete: usize,
    pub(super) wanted: usize,
    /// Joins or leaves that were never answered.
    pub(super) unanswered: usize,
}

impl Stretch {
    /// CPU of server and Redis together.
    pub(super) fn cpu_s(&self) -> Option<f64> {
        self.server_cpu_s.map(|server| server + self.redis_cpu_s.unwrap_or_default())
    }
}

pub(super) struct Run<'a> {
    target: Target,
    layout: Layout,
    crowd: Crowd,
    args: &'a PresenceArgs,
}

impl<'a> Run<'a> {
    pub(super) fn new(target: Target, layout: Layout, args: &'a PresenceArgs) -> Self {
        let crowd = Crowd::new(layout, target.fleet.config(), &args.topic);
        Self { target, layout, crowd, args }
    }

    pub(super) fn faults(&self) -> Faults {
        self.crowd.faults
    }

    /// How many clients show others than their neighbours do.
    pub(super) fn differing(&self) -> usize {
        self.crowd.differing()
    }

    /// All join, until everybody sees everybody.
    pub(super) fn join(&mut self, round: usize) -> Result<Stretch, Error> {
        let reference = round.to_string();
        self.crowd.begin(Phase::Together(!self.args.without_presence), &reference);
        let at_once = self.args.joins_at_once.unwrap_or(u64::MAX);
        let (all, mut sent) = (self.layout.channels(), 0);
        self.stretch("join", round, all, |run| {
            while sent < all && ((sent - run.crowd.answered) as u64) < at_once {
                run.send_join(run.layout.in_turn(sent), &reference);
                sent += 1;
            }
            run.crowd.answered == all && run.crowd.is_done()
        })
    }

    /// Nothing happens.
    pub(super) fn hold(&mut self, round: usize) -> Result<Stretch, Error> {
        let end = Instant::now() + self.args.hold;
        self.stretch("hold", round, 0, |_| Instant::now() >= end)
    }

    /// All leave but one on each node, until those see nobody else.
    pub(super) fn leave(&mut self, round: usize) -> Result<Stretch, Error> {
        let phase = if self.args.without_presence { Phase::Together(false) } else { Phase::Apart };
        self.crowd.begin(phase, &leave_reference(round));
        let all = self.layout.channels();
        let leaving: Vec<ChannelId> = (0..all).filter(|channel| !self.stays(*channel)).collect();
        let mut sent = false;
        self.stretch("leave", round, leaving.len(), |run| {
            if !std::mem::replace(&mut sent, true) {
                leaving.iter().for_each(|channel| run.send_leave(*channel, round));
            }
            run.crowd.answered == leaving.len() && run.crowd.is_done()
        })
    }

    /// Those who stayed leave too, uncounted.
    pub(super) fn end_round(&mut self, round: usize) -> Result<(), Error> {
        self.crowd.begin(Phase::Together(false), &leave_reference(round));
        let staying: Vec<ChannelId> = (0..self.layout.channels()).filter(|channel| self.stays(*channel)).collect();
        staying.iter().for_each(|channel| self.send_leave(*channel, round));
        let end = Instant::now() + self.args.common.target.patience;
        while self.crowd.answered < staying.len() && Instant::now() < end {
            self.turn(end)?;
        }
        self.settle()
    }

    /// A node dies, until nobody sees its clients.
    pub(super) fn kill(&mut self, round: usize, pid: u32) -> Result<Stretch, Error> {
        self.crowd.begin(Phase::Bereft(None), "");
        let failed = |reason: String| Error::Process { pid, reason };
        let process = Pid::from_raw(pid as i32).ok_or_else(|| failed("that is no process id".to_owned()))?;
        self.target.pids.retain(|watched| *watched != pid);
        let killed = kill_process(process, Signal::KILL);
        killed.map_err(|error| failed(format!("it can't be killed: {error}")))?;
        self.stretch("node killed", round, 0, |run| run.crowd.is_done())
    }

    fn stays(&self, channel: ChannelId) -> bool {
        self.layout.stays(self.layout.connection(channel))
    }

    fn send_join(&mut self, channel: ChannelId, reference: &str) {
        let id = self.layout.connection(channel);
        let payload = numbered(&self.args.common.target.join_payload, id);
        let text = join_text(self.args.common.target.vsn, self.crowd.topic_of(channel), reference, &payload);
        self.crowd.enters(channel);
        self.target.fleet.send(id, &text);
    }

    fn send_leave(&mut self, channel: ChannelId, round: usize) {
        let (join_ref, reference) = (round.to_string(), leave_reference(round));
        let leave = Outgoing {
            join_ref: Some(&join_ref),
            reference: Some(&reference),
            topic: self.crowd.topic_of(channel),
            event: "phx_leave",
            payload: "{}",
        };
        let text = encode(self.args.common.target.vsn, leave);
        self.crowd.leaves(channel);
        self.target.fleet.send(self.layout.connection(channel), &text);
    }

    /// Does `step` and turns until `step` says that all is done, or nothing happens for `--patience`. `asked` answers
    /// are due by then.
    fn stretch(
        &mut self,
        what: &'static str,
        round: usize,
        asked: usize,
        mut step: impl FnMut(&mut Self) -> bool,
    ) -> Result<Stretch, Error> {
        let meter = |pids: &[u32]| (!pids.is_empty()).then(|| CpuMeter::start(pids)).transpose();
        let (server, redis) = (meter(&self.target.pids)?, meter(&self.args.redis_pids)?);
        let own = CpuMeter::start(&[std::process::id()])?;
        let (before, started) = (self.crowd.traffic, Instant::now());
        let (mut seen, mut seen_at) = (u64::MAX, started);
        let patience =
            self.args.common.target.patience.max(if what == "hold" { self.args.hold } else { Duration::ZERO });
        while !step(self) && seen_at.elapsed() <= patience {
            self.turn(Instant::now() + TURN)?;
            if seen != self.crowd.traffic.frames {
                (seen, seen_at) = (self.crowd.traffic.frames, Instant::now());
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        if what != "hold" {
            self.settle()?;
        }
        let server = server.as_ref().map(CpuMeter::used).transpose()?;
        let redis = redis.as_ref().map(CpuMeter::used).transpose()?;
        Ok(Stretch {
            what,
            round,
            seconds,
            server_cpu_s: server.map(|used| used.ran.as_secs_f64()),
            redis_cpu_s: redis.map(|used| used.ran.as_secs_f64()),
            tool_cpu_s: own.used()?.ran.as_secs_f64(),
            waited_s: [server, redis].into_iter().flatten().map(|used| used.waited.as_secs_f64()).sum(),
            traffic: self.crowd.traffic.since(before),
            complete: self.crowd.complete,
            wanted: self.crowd.wanted,
            unanswered: asked.saturating_sub(self.crowd.answered),
        })
    }

    fn settle(&mut self) -> Result<(), Error> {
        let end = Instant::now() + self.args.settle;
        while Instant::now() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    fn turn(&mut self, deadline: Instant) -> Result<(), Error> {
        self.target.fleet.turn(deadline, &mut self.crowd)?;
        self.crowd.take_failure().map_or(Ok(()), Err)
    }
}

fn leave_reference(round: usize) -> String {
    format!("leave{round}")
}
