//! What a slot tells its client.

use std::task::Context as TaskContext;

use serde_json::json;

use super::Slot;
use crate::pubsub::{Publication, Received};
use crate::wire::{Name, Outgoing, Payload, Ref, TOKEN_EXPIRING};

use super::super::client::Mail;
use super::super::env::Env;
use super::super::handle;
use super::super::life::Renewed;
use super::super::outcome::{Info, Reply};
use super::super::passing::Passing;

impl Slot {
    pub(super) fn reply(&mut self, reference: Option<Ref>, waits_for: Option<Publication>, reply: Reply, env: &Env) {
        let Some(reference) = reference else {
            return tracing::debug!(topic = &*self.seat.topic, ?reply, "there is no message to reply to");
        };
        if self.replies.is_empty() && waits_for.is_none() {
            return self.reply_as(self.seat.push_ref(), &reference, &reply, env);
        }
        self.replies.push(reference, waits_for, reply);
    }

    pub(super) fn poll_replies(&mut self, task: &mut TaskContext<'_>, env: &Env) {
        while let Some((reference, reply)) = self.replies.poll_next(task) {
            self.reply_as(self.seat.push_ref(), &reference, &reply, env);
        }
    }

    pub(super) fn announce_end(&self, join_ref: &Ref, event: &str, payload: &Payload, env: &Env) {
        let ended = Outgoing::Ended { join_ref, topic: &self.seat.topic, event, payload };
        if let Err(error) = handle::queue(&env.client, ended) {
            tracing::debug!(topic = &*self.seat.topic, %error, "the end of a channel could not be told");
        }
    }

    pub(super) fn reply_as(&self, join_ref: &Ref, reference: &Ref, reply: &Reply, env: &Env) {
        let topic = &Name::from(&*self.seat.topic);
        let (status, response) = (reply.status(), &reply.response);
        let reply = Outgoing::Reply { join_ref, reference, topic, status, response };
        if let Err(error) = handle::queue(&env.client, reply) {
            tracing::error!(topic = &*self.seat.topic, %error, "a reply could not be encoded");
        }
    }

    /// A broadcast that waited behind one which the channel intercepts.
    pub(super) fn pass_on(&self, passing: &Passing, env: &Env) {
        let Received { topic, event, payload, offset } = &*passing.received;
        // As on the fastlane: who cannot be sent it is left out.
        if let Err(error) = handle::queue(&env.client, Outgoing::Broadcast { topic, event, payload, offset: *offset }) {
            tracing::debug!(topic = &*self.seat.topic, %error, "a broadcast could not be encoded");
        }
        passing.done();
    }

    /// The client's connection ends in so many seconds.
    pub(in super::super) fn warn_of_expiry(&mut self, seconds: u64, env: &Env) {
        if self.warned || self.subscription.is_none() {
            return;
        }
        self.warned = true;
        let payload = Payload::from(json!({ "expires_in": seconds }));
        if let Err(error) = handle::push(&env.client, &self.seat, TOKEN_EXPIRING, &payload) {
            tracing::debug!(topic = &*self.seat.topic, %error, "a warning could not be encoded");
        }
    }

    /// The client was renewed: the channel may want to look at its rights.
    pub(in super::super) fn renewed(&mut self, env: &mut Env) {
        self.warned = false;
        self.mail(Mail::Info(Info::new(Renewed)), env);
    }
}
