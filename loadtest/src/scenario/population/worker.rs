//! A process that does its part of the plan.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::BufRead;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::members::{Hearing, MemberId, Members};
use super::plan::{Life, Plan};
use super::tally::{Line, Second, Tally};
use crate::client::{Endpoint, Endpoints};
use crate::error::Error;
use crate::fleet::{Fleet, FleetConfig, ensure_descriptors};
use crate::measure::{CpuMeter, Latency, Pace};
use crate::report::say;

/// No turn waits longer, so that nothing that is due is late by more.
const TURN: Duration = Duration::from_millis(20);

/// After the last wave there must be time to come back.
const LAST_WAVE: f64 = 0.9;

/// Does what its standard input says, and tells its standard output. Ends when its input does.
pub(in crate::scenario) fn work() -> Result<bool, Error> {
    let mut lines = std::io::stdin().lock().lines();
    let plan = lines.next().and_then(Result::ok).unwrap_or_default();
    drop(lines);
    let plan = serde_json::from_str(&plan).map_err(|error| Error::Usage(format!("that is no plan: {error}")))?;
    let (started, start) = sync_channel(1);
    std::thread::spawn(move || {
        for _line in std::io::stdin().lock().lines().map_while(Result::ok) {
            // Who no longer waits has begun.
            let _ = started.try_send(());
        }
        std::process::exit(0);
    });
    let outcome = Worker::new(plan).and_then(|worker| worker.live(&start));
    tell(&match outcome {
        Ok(tally) => Line::Done(Box::new(tally)),
        Err(error) => Line::Failed(error.to_string()),
    });
    Ok(true)
}

fn tell(line: &Line) {
    // Plain counts: there is nothing that JSON could not say.
    say(&serde_json::to_string(line).unwrap_or_default());
}

struct Worker {
    plan: Plan,
    endpoints: Endpoints,
    fleet: Fleet,
    members: Members,
    random: SmallRng,
    /// Who comes back, and when.
    returns: BinaryHeap<Reverse<(Instant, MemberId)>>,
    cpu: CpuMeter,
}

impl Worker {
    fn new(plan: Plan) -> Result<Self, Error> {
        ensure_descriptors(plan.members())?;
        let parse = |url: &String| {
            let mut endpoint = Endpoint::parse(url, plan.vsn)?;
            if plan.recovers() {
                endpoint.target.push_str("&offsets=1");
            }
            Ok::<_, Error>(endpoint)
        };
        let mut urls = plan.urls.iter().map(parse);
        let first = urls.next().ok_or_else(|| Error::Usage("a server needs a --url".to_owned()))??;
        let endpoints = urls.try_fold(Endpoints::one(first), |all, next| Ok::<_, Error>(all.and(next?)))?;
        let (vsn, heartbeat, sources) = (plan.vsn, plan.heartbeat, plan.sources.clone());
        let fleet = Fleet::new(FleetConfig { endpoints: endpoints.clone(), vsn, heartbeat, sources })?;
        Ok(Self {
            members: Members::new(&plan),
            random: SmallRng::seed_from_u64(plan.seed),
            returns: BinaryHeap::new(),
            cpu: CpuMeter::start(&[std::process::id()])?,
            plan,
            endpoints,
            fleet,
        })
    }

    fn live(mut self, start: &Receiver<()>) -> Result<Tally, Error> {
        self.open()?;
        tell(&Line::Joined(self.members.joined));
        while start.try_recv().is_err() {
            self.turn(Instant::now() + TURN)?;
        }
        self.members.settle();
        let max_lag = self.day()?;
        let end = Instant::now() + self.plan.drain;
        while !self.members.is_complete() && Instant::now() < end {
            self.come_back()?;
            self.turn(Instant::now() + TURN)?;
        }
        let tool_cpu_s = self.cpu.used()?.ran.as_secs_f64();
        let mut tally = self.members.finish();
        (tally.max_lag_ms, tally.tool_cpu_s) = (max_lag.as_secs_f64() * 1e3, tool_cpu_s);
        Ok(tally)
    }

    /// Connects and joins everybody.
    fn open(&mut self) -> Result<(), Error> {
        let (all, started) = (self.plan.members(), Instant::now());
        let mut pace = self.plan.connects_per_second.map(|rate| Pace::new(started, rate));
        let (mut opened, mut seen, mut seen_at, mut told_at) = (0, 0, started, started);
        while self.members.joined < all {
            while opened < all {
                let free = (opened - self.members.joined < self.plan.window).then(Instant::now);
                let due = pace.as_mut().map_or(free, |pace| pace.take_due(Instant::now()));
                let Some(due) = due else { break };
                self.members.connect(&mut self.fleet, opened, due)?;
                opened += 1;
            }
            let soon = Instant::now() + TURN;
            self.turn(pace.as_ref().filter(|_| opened < all).map_or(soon, |pace| soon.min(pace.next_at())))?;
            if self.members.joined > seen {
                (seen, seen_at) = (self.members.joined, Instant::now());
            } else if seen_at.elapsed() > self.plan.patience {
                let seconds = self.plan.patience.as_secs();
                return Err(Error::Stuck { done: seen, wanted: all, seconds });
            }
            if told_at.elapsed() > Duration::from_secs(1) {
                told_at = Instant::now();
                tell(&Line::Joined(self.members.joined.min(all - 1)));
            }
        }
        Ok(())
    }

    /// Sends what is to be sent, while members live as the plan says. How late a message was, at worst.
    fn day(&mut self) -> Result<Duration, Error> {
        let started = Instant::now();
        let end = started + self.plan.duration;
        let mut messages = Pace::new(started, self.plan.messages_per_second);
        let typing = self.plan.typing_per_second;
        let mut typing = (typing > 0.0).then(|| Pace::new(started, typing));
        let mut life = Calendar::new(&self.plan, started);
        let (mut turn, mut second, mut max_lag) = (0, 0, Duration::ZERO);
        while messages.next_at() < end {
            let now = Instant::now();
            while messages.next_at() < end
                && let Some(intended) = messages.take_due(now)
            {
                max_lag = max_lag.max(now - intended);
                self.members.publish(&mut self.fleet, turn % self.plan.sizes.len(), intended);
                turn += 1;
            }
            while typing.as_mut().is_some_and(|pace| pace.take_due(now).is_some()) {
                let topic = self.random.random_range(0..self.plan.sizes.len());
                self.members.type_in(&mut self.fleet, topic);
            }
            self.live_on(&mut life, now);
            self.come_back()?;
            let soon = now + TURN;
            self.turn(soon.min(messages.next_at()))?;
            while started.elapsed() >= Duration::from_secs(second as u64 + 1) {
                second += 1;
                self.tell_second(second);
            }
        }
        Ok(max_lag)
    }

    /// Cuts whom the plan says.
    fn live_on(&mut self, life: &mut Calendar, now: Instant) {
        match self.plan.life {
            Life::Stay => {}
            Life::Waves { every, share, away, .. } => {
                while life.next_wave <= now && life.next_wave < life.last {
                    life.next_wave += every;
                    for member in 0..self.members.count() {
                        if self.may_go(member) && self.random.random_bool(share) {
                            self.members.cut(&mut self.fleet, member, false);
                            let back = now + away.mul_f64(self.random.random());
                            self.returns.push(Reverse((back, member)));
                        }
                    }
                }
            }
            Life::Sessions { .. } => {
                while life.next_wave < life.last
                    && life.departures.as_mut().is_some_and(|pace| pace.take_due(now).is_some())
                {
                    let member = self.random.random_range(0..self.members.count());
                    if self.may_go(member) {
                        self.members.cut(&mut self.fleet, member, true);
                        self.returns.push(Reverse((now, member)));
                    }
                }
            }
        }
    }

    fn may_go(&self, member: MemberId) -> bool {
        self.members.is_listener(member) && self.members.is_joined(member)
    }

    /// Connects those whose time has come, as many as may be on their way at once.
    fn come_back(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let fallen = std::mem::take(&mut self.members.fallen);
        if self.plan.life != Life::Stay {
            for member in fallen {
                let back = now + Duration::from_secs(1).mul_f64(self.random.random());
                self.returns.push(Reverse((back, member)));
            }
        }
        while self.members.joining < self.plan.window
            && let Some(Reverse((due, member))) = self.returns.peek().copied().filter(|next| next.0.0 <= now)
        {
            self.returns.pop();
            self.members.connect(&mut self.fleet, member, due)?;
        }
        Ok(())
    }

    fn tell_second(&mut self, number: usize) {
        let latency = std::mem::replace(&mut self.members.this_second, Latency::new()).summary();
        let (joined, deliveries) = (self.members.joined, self.members.tally.deliveries);
        tell(&Line::Second(Second { number, joined, deliveries, p99_ms: latency.p99_ms }));
    }

    fn turn(&mut self, deadline: Instant) -> Result<(), Error> {
        let mut hearing = Hearing { members: &mut self.members, endpoints: &self.endpoints };
        self.fleet.turn(deadline, &mut hearing)?;
        self.members.take_failure().map_or(Ok(()), Err)
    }
}

/// When something happens to members.
struct Calendar {
    next_wave: Instant,
    departures: Option<Pace>,
    /// Nobody goes after this.
    last: Instant,
}

impl Calendar {
    fn new(plan: &Plan, started: Instant) -> Self {
        let last = started + plan.duration.mul_f64(LAST_WAVE);
        match plan.life {
            Life::Waves { every, .. } => Self { next_wave: started + every, departures: None, last },
            Life::Sessions { mean } => {
                let rate = plan.members() as f64 / mean.as_secs_f64();
                Self { next_wave: started, departures: Some(Pace::new(started, rate)), last }
            }
            Life::Stay => Self { next_wave: last, departures: None, last },
        }
    }
}
