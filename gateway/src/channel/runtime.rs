use std::sync::Arc;
use std::task::Context as TaskContext;
use std::time::Duration;

use super::client::{ChannelKey, Client};
use super::context::Context;
use super::env::{Env, Event};
use super::metrics::ChannelMetrics;
use super::outcome::Ended;
use super::replies::PendingJoin;
use super::router::Route;
use super::seat::Seat;
use super::slot::Slot;
use crate::wire::{Payload, Ref};

/// A join that found its route.
pub(crate) struct JoinRequest {
    pub(crate) seat: Arc<Seat>,
    pub(crate) route: Arc<Route>,
    pub(crate) reference: Ref,
    pub(crate) params: Payload,
    /// The channel that this one replaces.
    pub(crate) replaces: Option<Arc<Seat>>,
}

/// The channels of one connection. Owned and polled by the connection's task.
pub(crate) struct Channels {
    slots: Vec<Slot>,
    /// Whether a slot may have something to do. Most of the time a connection is woken only to write.
    active: bool,
    congested: bool,
    /// With more than these, ended ones included, the client is not read: a fast rejoiner waits for its old channels.
    max_slots: u32,
    env: Env,
}

/// How many channels may be ending beside those that a socket may have joined.
const MAX_ENDING: usize = 64;

/// How many bytes of a client's messages may wait for its channels before it is not read any more.
const MAX_WAITING_BYTES: usize = 1024 * 1024;

impl Channels {
    /// None yet. `grace` is the time that callbacks have when their channel ends.
    pub(crate) fn new(client: Arc<Client>, max_channels: usize, grace: Duration) -> Self {
        Self {
            slots: Vec::new(),
            active: false,
            congested: false,
            max_slots: u32::try_from(max_channels.saturating_add(MAX_ENDING)).unwrap_or(u32::MAX),
            env: Env::new(client, grace),
        }
    }

    /// Starts a join.
    pub(crate) fn join(&mut self, request: JoinRequest) {
        let JoinRequest { seat, route, reference, params, replaces } = request;
        let client = Arc::clone(&self.env.client);
        let subscriber = client.endpoint().pubsub().next_subscriber_id();
        let (current, handled, muted, subscriptions, present) = (None, None, false, None, None);
        let cx = Context { client, seat, subscriber, current, handled, muted, subscriptions, present };
        let join = PendingJoin { reference, replaces, intercept: Arc::clone(route.intercept()), recover: None };
        let mut slot = Slot::new(&cx, join);
        slot.start(&route, params, Box::new(cx), &mut self.env);
        // Most sockets join one topic: room for four would be the larger part of an idle connection's list.
        if self.slots.is_empty() {
            self.slots.reserve_exact(1);
        }
        self.slots.push(slot);
        self.active = true;
        self.congested |= self.has_too_many();
    }

    /// Hands a channel a message of its client.
    pub(crate) fn message(&mut self, key: ChannelKey, event: Box<str>, payload: Payload, reference: Ref) {
        if let Some(slot) = self.slot(key) {
            slot.message(event, payload, reference);
            self.congested |= slot.is_congested() || slot.waiting_bytes() > MAX_WAITING_BYTES;
        }
    }

    /// Has a channel leave after what it was sent before; the leave is answered then.
    pub(crate) fn leave(&mut self, key: ChannelKey, reference: Ref) {
        if let Some(slot) = self.slot(key) {
            slot.leave(reference);
        }
    }

    /// Ends a channel because its topic is joined again. Its `phx_close` follows the answer to that join.
    pub(crate) fn replace(&mut self, key: ChannelKey) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.key() == key) {
            slot.end(Ended::Replaced, &self.env);
            self.active = true;
        }
    }

    /// Ends all channels because the connection is gone. Nothing is announced (row 143).
    pub(crate) fn close(&mut self) {
        for slot in &mut self.slots {
            slot.end(Ended::SocketClosed, &self.env);
        }
        self.active = true;
    }

    /// Hands out what came for the channels from elsewhere.
    pub(crate) fn collect_mail(&mut self) {
        if self.env.client.life().take_renewed() {
            for slot in &mut self.slots {
                slot.renewed(&mut self.env);
            }
            self.active = true;
        }
        for (key, mail) in self.env.client.take_mail() {
            if let Some(slot) = self.slots.iter_mut().find(|slot| slot.key() == key) {
                slot.mail(mail, &mut self.env);
                self.active = true;
            }
        }
    }

    /// Tells the client, on each topic once, that its connection is about to end.
    pub(crate) fn warn_of_expiry(&mut self, now: u64) {
        let Some(seconds) = self.env.client.life().seconds_left(now) else { return };
        for slot in &mut self.slots {
            slot.warn_of_expiry(seconds, &self.env);
        }
    }

    /// Goes on with everything that can go on, and says what happened.
    pub(crate) fn poll(&mut self, task: &mut TaskContext<'_>) -> Vec<Event> {
        if !self.active {
            return Vec::new();
        }
        // Mail of the channels to themselves, such as a timer that one of them set before its last await.
        self.collect_mail();
        for slot in &mut self.slots {
            slot.poll(task, &mut self.env);
        }
        self.slots.retain(|slot| !slot.is_done());
        self.active = self.slots.iter().any(|slot| !slot.is_idle());
        self.congested = self.slots.iter().any(Slot::is_congested)
            || self.has_too_many()
            || self.slots.iter().map(Slot::waiting_bytes).sum::<usize>() > MAX_WAITING_BYTES;
        self.env.take_events()
    }

    /// Whether a channel has so much to do that its client should not be read.
    pub(crate) fn is_congested(&self) -> bool {
        self.congested
    }

    /// Whether the client waits for an answer that is on its way.
    pub(crate) fn owes_answers(&self) -> bool {
        self.slots.iter().any(Slot::owes_answer)
    }

    /// Whether no callback is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// For joins that no channel sees.
    pub(crate) fn metrics(&self) -> &ChannelMetrics {
        self.env.metrics()
    }

    /// The client of the connection.
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.env.client
    }

    fn has_too_many(&self) -> bool {
        self.slots.len() > self.max_slots as usize
    }

    fn slot(&mut self, key: ChannelKey) -> Option<&mut Slot> {
        self.active = true;
        self.slots.iter_mut().find(|slot| slot.key() == key)
    }
}
