//! A target with its audience, and one take of it.

use std::time::{Duration, Instant};

use super::audience::Audience;
use crate::cli::FanoutArgs;
use crate::client::{Outgoing, TopicPattern, encode};
use crate::error::Error;
use crate::fleet::{ConnectionId, JOIN_REF};
use crate::measure::Integrity;
use crate::report::Progress;
use crate::scenario::take::{self, Counted, Meters, Take};
use crate::scenario::target::Target;
use crate::scenario::valve::{Load, Valve};

/// More than this queued at the publisher means that the server has stopped to read it.
const MAX_BACKLOG: usize = 64 << 20;

pub(super) struct Side {
    target: Target,
    audience: Audience,
    publisher: ConnectionId,
}

impl Side {
    /// Joins all subscribers and the publisher.
    pub(super) fn join(mut target: Target, args: &FanoutArgs, progress: &mut Progress) -> Result<Self, Error> {
        let topics = TopicPattern::new(&args.topic, usize::MAX);
        target.join(&args.common.target, &topics, args.subscribers + 1, None, progress)?;
        let publisher = args.subscribers;
        let audience = Audience::new(target.fleet.config(), args.subscribers, topics.topic(0), args.event.clone());
        Ok(Self { target, audience, publisher })
    }

    pub(super) fn name(&self) -> &'static str {
        self.target.name
    }

    /// Loss, duplicates and order over all takes so far.
    pub(super) fn integrity(&self) -> Integrity {
        self.audience.integrity()
    }

    /// Frames that carried no message of this run.
    pub(super) fn other_frames(&self) -> u64 {
        self.audience.other_frames()
    }

    /// Puts the target under a load, and waits for the last delivery.
    pub(super) fn take(
        &mut self,
        round: usize,
        load: Load,
        duration: Duration,
        args: &FanoutArgs,
    ) -> Result<Take, Error> {
        take::catch_up(&mut self.target, &mut self.audience)?;
        let first = self.audience.begin();
        let meters = Meters::start(&self.target)?;
        let mut valve = Valve::open(load, duration);
        loop {
            while let Some(intended) = valve.next(self.audience.under_way()) {
                self.publish(intended, args);
            }
            let over = valve.is_shut() && self.audience.under_way() == 0;
            if over || Instant::now() > valve.give_up_at(args.takes.drain) {
                break;
            }
            if self.target.fleet.backlog(self.publisher) > MAX_BACKLOG {
                return Err(Error::Usage("the server does not read the publisher's messages; lower --rate".to_owned()));
            }
            self.target.fleet.turn(valve.wake_at(), &mut self.audience)?;
            if let Some(error) = self.audience.take_failure() {
                return Err(error);
            }
        }
        let (sent, deliveries, unfinished) = self.audience.end();
        let latency = self.audience.latency();
        let counted = Counted { round, messages: sent - first, units: deliveries, unfinished, latency };
        Take::close(&self.target, &valve, &meters, counted)
    }

    fn publish(&mut self, intended: Instant, args: &FanoutArgs) {
        let number = self.audience.launch(intended);
        let payload = self.audience.payload(number, args.payload_bytes);
        let reference = (number + 2).to_string();
        let message = Outgoing {
            join_ref: Some(JOIN_REF),
            reference: Some(&reference),
            topic: self.audience.topic(),
            event: &args.event,
            payload: &payload,
        };
        let text = encode(self.target.fleet.config().vsn, message);
        self.target.fleet.send(self.publisher, &text);
    }
}
