//! What becomes of a channel when a callback has finished, failed or cannot be called any more.

use super::{Queued, Slot, State};
use crate::wire::{Payload, Reason};

use super::super::env::{Env, Event};
use super::super::instance::Finished;
use super::super::outcome::{ChannelError, Ended, HandlerResult, Outcome, Reply};

impl Slot {
    pub(super) fn finished(&mut self, finished: Finished<HandlerResult>, env: &mut Env) {
        let Finished { instance, mut cx, result } = finished;
        let reference = cx.current.take();
        let handled = cx.handled.take();
        if let Some(handled) = &handled {
            let succeeded = result.as_ref().map_or_else(|error| error.as_reply(false).is_some(), |_| true);
            handled.finish(&env.client, succeeded && self.ending.is_none());
        }
        if self.ending.is_some() {
            // The last call was `terminate`, unless the end came while another one ran.
            self.state = if self.inbox.is_empty() { State::Done } else { State::Idle(instance, cx) };
            return;
        }
        self.state = State::Idle(instance, cx);
        let answerable = reference.is_some();
        match result {
            Ok(Outcome::NoReply) => {}
            Ok(Outcome::Reply(reply)) => self.reply(reference, None, reply, env),
            Ok(Outcome::ReplyAfter(publication)) => {
                self.reply(reference, Some(publication), Reply::ok(Payload::empty()), env);
            }
            Ok(Outcome::Stop(reply)) => {
                if let Some(reply) = reply {
                    self.reply(reference, None, reply, env);
                }
                // What was missed is not sent any more.
                self.replay = None;
                // At once, unless a reply still waits for its publication; nothing else is handled any more.
                self.inbox.push_first(Queued::Stop);
            }
            Err(error) => match error.as_reply(answerable) {
                Some(reply) => self.reply(reference, None, reply, env),
                // It would fail again after each rejoin.
                None if handled.is_some() && self.replay.is_some() => self.skipped(&error, env),
                None => self.crashed(env, Some(&error)),
            },
        }
    }

    /// A message that the client missed could not be handled: it goes on without it.
    fn skipped(&self, error: &ChannelError, env: &Env) {
        tracing::error!(topic = &*self.seat.topic, %error, "a channel failed on a message that its client missed, and left it out");
        env.metrics().skipped.inc();
    }

    /// A callback failed or panicked: only this channel ends, and its client rejoins (row 139).
    pub(super) fn crashed(&mut self, env: &mut Env, error: Option<&ChannelError>) {
        tracing::error!(topic = &*self.seat.topic, ?error, "a channel crashed");
        env.metrics().crashes.inc();
        if self.ending.is_none() {
            self.fail(Reason::ChannelCrash, env);
        }
    }

    pub(super) fn overflowed(&mut self, env: &mut Env) {
        tracing::warn!(topic = &*self.seat.topic, "a channel was ended: more came than it handles");
        self.fail(Reason::ChannelCrash, env);
    }

    pub(super) fn fail(&mut self, reason: Reason, env: &mut Env) {
        self.announce_end(self.seat.join_ref(), "phx_error", &reason.payload(), env);
        self.end(Ended::Crashed, env);
        self.ended(env);
    }

    pub(super) fn close(&mut self, env: &mut Env) {
        self.announce_end(self.seat.join_ref(), "phx_close", &Payload::empty(), env);
        self.ended(env);
    }

    /// The topic is free for the client again.
    pub(super) fn ended(&self, env: &mut Env) {
        env.report(Event::Ended(self.seat.key));
    }
}
