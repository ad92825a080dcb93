//! The members of a worker's topics: who is where, and what each has heard.

mod hearing;

use std::time::Instant;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Value, json};

use super::plan::Plan;
use super::tally::Tally;
use crate::client::{Outgoing, Vsn, encode};
use crate::error::Error;
use crate::fleet::{ConnectionId, Fleet, JOIN_REF, numbered};

use crate::measure::{Latency, Sequence};

pub(super) use hearing::Hearing;

/// Counted from 0 within a worker.
pub(super) type MemberId = usize;

/// Stands before the number and the time of a message; nowhere else, for in a string its quotes would be escaped.
const MARKER: &str = "\"loadtest\":\"";

pub(super) struct Topic {
    name: String,
    first: MemberId,
    pub(super) sent: u64,
}

struct Member {
    topic: usize,
    connection: Option<ConnectionId>,
    joined: bool,
    /// When it was to connect.
    intended: Instant,
    /// When its join was answered, by the worker's clock; what was sent before is a replay.
    joined_at: u64,
    /// Whatever number comes first is right.
    fresh: bool,
    sequence: Sequence,
    position: Option<Position>,
}

/// Where a member has got to, as the server counts.
#[derive(Debug, Deserialize)]
struct Position {
    epoch: Value,
    offset: u64,
    #[serde(default)]
    recovered: bool,
}

pub(super) struct Members {
    vsn: Vsn,
    recover: bool,
    /// Whether a connection that ends by itself is a failure of the run: while they are opened.
    strict: bool,
    join_payload: Value,
    first_number: usize,
    event: String,
    typing_event: String,
    padding: String,
    marker: Finder<'static>,
    clock: Instant,
    pub(super) topics: Vec<Topic>,
    members: Vec<Member>,
    /// The member of each connection; there are more connections than members when some come back.
    of: Vec<MemberId>,
    pub(super) joined: usize,
    pub(super) joining: usize,
    /// Who lost its connection without being cut.
    pub(super) fallen: Vec<MemberId>,
    pub(super) tally: Tally,
    join: Latency,
    comeback: Latency,
    delivery: Latency,
    pub(super) this_second: Latency,
    failure: Option<Error>,
}

impl Members {
    pub(super) fn new(plan: &Plan) -> Self {
        let (mut topics, mut members) = (Vec::new(), Vec::new());
        let clock = Instant::now();
        for (index, size) in plan.sizes.iter().enumerate() {
            let name = plan.topic.replace("{n}", &(plan.first_topic + index).to_string());
            topics.push(Topic { name, first: members.len(), sent: 0 });
            members.extend((0..*size).map(|_| Member {
                topic: index,
                connection: None,
                joined: false,
                intended: clock,
                joined_at: 0,
                fresh: false,
                sequence: Sequence::default(),
                position: None,
            }));
        }
        Self {
            vsn: plan.vsn,
            recover: plan.recovers(),
            strict: true,
            join_payload: serde_json::from_str(&plan.join_payload).unwrap_or_else(|_| json!({})),
            first_number: plan.first_member,
            event: plan.event.clone(),
            typing_event: plan.typing_event.clone(),
            padding: "x".repeat(plan.payload_bytes.saturating_sub(40)),
            marker: Finder::new(MARKER),
            clock,
            topics,
            members,
            of: Vec::new(),
            joined: 0,
            joining: 0,
            fallen: Vec::new(),
            tally: Tally::default(),
            join: Latency::new(),
            comeback: Latency::new(),
            delivery: Latency::new(),
            this_second: Latency::new(),
            failure: None,
        }
    }

    /// All have joined once: from now on a connection may end without ending the run.
    pub(super) fn settle(&mut self) {
        self.strict = false;
    }

    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// Whether it listens only.
    pub(super) fn is_listener(&self, member: MemberId) -> bool {
        self.topics[self.members[member].topic].first != member
    }

    pub(super) fn is_joined(&self, member: MemberId) -> bool {
        self.members[member].joined
    }

    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Opens a connection for a member that has none.
    pub(super) fn connect(&mut self, fleet: &mut Fleet, member: MemberId, intended: Instant) -> Result<(), Error> {
        let id = fleet.connect()?;
        self.of.push(member);
        debug_assert_eq!(self.of.len(), id + 1, "ids count up");
        let one = &mut self.members[member];
        (one.connection, one.intended) = (Some(id), intended);
        self.joining += 1;
        Ok(())
    }

    /// Takes a member's connection away. With `forget` another member comes in its place, who has heard nothing.
    pub(super) fn cut(&mut self, fleet: &mut Fleet, member: MemberId, forget: bool) {
        let one = &mut self.members[member];
        if let Some(id) = one.connection.take() {
            fleet.cut(id);
        }
        self.joined -= usize::from(std::mem::take(&mut one.joined));
        one.fresh |= forget;
        self.tally.gone += 1;
    }

    /// Has the publisher of a topic send the next message, or something that is not counted.
    pub(super) fn publish(&mut self, fleet: &mut Fleet, topic: usize, intended: Instant) {
        let at = self.micros(intended);
        let Topic { first, sent, .. } = self.topics[topic];
        let Some(id) = self.members[first].connection.filter(|_| self.members[first].joined) else {
            self.tally.unsent += 1;
            return;
        };
        let payload = format!("{{{MARKER}{sent}.{at}\",\"p\":\"{}\"}}", self.padding);
        let event = std::mem::take(&mut self.event);
        fleet.send(id, &self.text(topic, &sent.to_string(), &event, &payload));
        self.event = event;
        self.topics[topic].sent += 1;
        self.tally.sent += 1;
    }

    /// Something that nobody waits for.
    pub(super) fn type_in(&mut self, fleet: &mut Fleet, topic: usize) {
        let first = self.topics[topic].first;
        if let Some(id) = self.members[first].connection.filter(|_| self.members[first].joined) {
            fleet.send(id, &self.text(topic, "typing", &self.typing_event, "{}"));
        }
    }

    fn text(&self, topic: usize, reference: &str, event: &str, payload: &str) -> String {
        let (join_ref, reference) = (Some(JOIN_REF), Some(format!("m{reference}")));
        let topic = self.topics[topic].name.as_str();
        encode(self.vsn, Outgoing { join_ref, reference: reference.as_deref(), topic, event, payload })
    }

    /// Whether everybody is back and has all that was sent.
    pub(super) fn is_complete(&self) -> bool {
        self.joined == self.members.len()
            && self
                .listeners()
                .all(|(_, member)| member.fresh || member.sequence.next() == self.topics[member.topic].sent)
    }

    fn listeners(&self) -> impl Iterator<Item = (MemberId, &Member)> {
        self.members.iter().enumerate().filter(|(id, _)| self.is_listener(*id))
    }

    /// The counts in the end.
    pub(super) fn finish(mut self) -> Tally {
        let sent = |member: &Member| self.topics[member.topic].sent;
        let heard = self.listeners().filter(|(_, member)| !member.fresh && member.joined);
        let integrity = heard.map(|(_, member)| member.sequence.integrity(sent(member))).sum();
        self.tally.missing = (self.members.len() - self.joined) as u64;
        self.tally.integrity = integrity;
        self.tally.join = self.join.buckets();
        self.tally.comeback = self.comeback.buckets();
        self.tally.delivery = self.delivery.buckets();
        self.tally
    }

    fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.clock).as_micros() as u64
    }

    fn join_payload(&self, member: MemberId) -> String {
        let mut payload = self.join_payload.clone();
        if self.recover
            && let Some(fields) = payload.as_object_mut()
        {
            let position = self.members[member].position.as_ref();
            let recover = position.map_or_else(
                || json!(true),
                |Position { epoch, offset, .. }| json!({ "epoch": epoch, "offset": offset }),
            );
            fields.insert("recover".to_owned(), recover);
        }
        numbered(&payload.to_string(), self.first_number + member)
    }
}
