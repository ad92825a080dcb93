//! One channel of a connection, from its join to the end of its last callback.
//!
//! `joining -> subscribing -> idle <-> busy -> done`. A client that recovers is idle while it catches up, and only its
//! intercepted events and a renewal make it busy. A slot whose channel has ended for the client (`ending`) still runs
//! what is under way and then `terminate`, until its grace is over.

mod frames;
mod outcomes;
mod subscribed;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tokio::time::Sleep;

use super::client::{ChannelKey, MAX_WAITING, Mail};
use super::context::Context;
use super::env::{Env, Event};
use super::inbox::{Inbox, MAX_MESSAGES, Queued};
use super::instance::{Call, Finished, Instance, Running, Step, poll_caught};
use super::ordered::Handled;
use super::outcome::{Ended, HandlerResult, JoinError, JoinResult, Reply};
use super::recovery::Replay;
use super::replies::{PendingJoin, Replies};
use super::router::Route;
use super::seat::Seat;
use super::subscribing::{Subscribing, subscribing};
use super::timers::Timers;
use crate::pubsub::{SubscriberId, Subscription};
use crate::wire::{Payload, Reason, Ref};

enum State {
    Joining(Running<JoinResult>),
    Subscribing(Box<(Subscribing, Finished<Payload>)>),
    Idle(Box<dyn Instance>, Box<Context>),
    Busy(Running<HandlerResult>),
    Done,
}

pub(super) struct Slot {
    seat: Arc<Seat>,
    subscriber: SubscriberId,
    state: State,
    join: Option<Box<PendingJoin>>,
    inbox: Inbox,
    replies: Replies,
    timers: Timers,
    subscription: Option<Subscription>,
    /// Until the client has had what it missed.
    replay: Option<Box<Replay>>,
    /// Whether its client was told that the connection is about to end.
    warned: bool,
    /// Set when the channel has ended for the client: when it is dropped at the latest.
    ending: Option<Pin<Box<Sleep>>>,
}

impl Slot {
    pub(super) fn new(cx: &Context, join: PendingJoin) -> Self {
        Self {
            seat: Arc::clone(&cx.seat),
            subscriber: cx.subscriber,
            state: State::Done,
            join: Some(Box::new(join)),
            inbox: Inbox::default(),
            replies: Replies::default(),
            timers: Timers::default(),
            subscription: None,
            replay: None,
            warned: false,
            ending: None,
        }
    }

    pub(super) fn start(&mut self, route: &Route, params: Payload, cx: Box<Context>, env: &mut Env) {
        if self.note_recovery(route, &params).is_err() {
            env.metrics().joins_refused.inc();
            return self.refuse(Reason::InvalidPayload.payload(), env);
        }
        match catch_unwind(AssertUnwindSafe(|| route.instance().join(params, cx))) {
            Ok(Step::Running(running)) => self.state = State::Joining(running),
            Ok(Step::Done(finished)) => self.joined(finished, env),
            Err(_panic) => self.join_crashed(env),
        }
    }

    pub(super) fn key(&self) -> ChannelKey {
        self.seat.key
    }

    pub(super) fn message(&mut self, event: Box<str>, payload: Payload, reference: Ref) {
        self.inbox.push_message(event, payload, reference);
    }

    pub(super) fn leave(&mut self, reference: Ref) {
        self.inbox.push_leave(reference);
    }

    pub(super) fn mail(&mut self, mail: Mail, env: &mut Env) {
        if self.ending.is_some() {
            return;
        }
        let call = match mail {
            Mail::After(delay, info) if self.timers.len() < MAX_WAITING => {
                return self.timers.push(delay, info);
            }
            Mail::Info(info) if self.inbox.len() < MAX_WAITING => Call::Info(info),
            Mail::Out(passing) if self.inbox.len() < MAX_WAITING => return self.inbox.push_out(passing),
            Mail::After(..) | Mail::Info(_) | Mail::Out(_) | Mail::Overflow => return self.overflowed(env),
            Mail::Lost => return self.lost(env),
        };
        self.inbox.push_call(call);
    }

    /// Whether so much waits for the channel that its client should not be read.
    pub(super) fn is_congested(&self) -> bool {
        self.inbox.is_congested()
    }

    /// Bytes of the client's messages that wait for the channel.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.inbox.bytes()
    }

    /// Whether only a message, mail or the end of the connection can set it going again.
    pub(super) fn is_idle(&self) -> bool {
        let waits = self.inbox.is_empty() && self.replies.is_empty() && self.timers.is_empty() && self.replay.is_none();
        waits && matches!(self.state, State::Idle(..))
    }

    /// Whether its client waits for an answer that is on its way.
    pub(super) fn owes_answer(&self) -> bool {
        let waits = !self.replies.is_empty() || !self.inbox.is_empty();
        self.ending.is_none() && (waits || !matches!(self.state, State::Idle(..) | State::Done))
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Ends the channel for the client; what is under way and `terminate` have the grace to finish.
    pub(super) fn end(&mut self, reason: Ended, env: &Env) {
        if self.ending.is_some() {
            return;
        }
        if self.subscription.take().is_some() {
            env.metrics().joined.dec();
        }
        if reason == Ended::Replaced {
            // Joined again before the first join was answered: its client must not wait for ever, nor the one before it.
            self.answer_join(&Reply::error(Reason::Unavailable.payload()), env);
        }
        // Who has left the topic is not there any more, even if a callback still runs.
        env.client.endpoint().presence_service().untrack_all(self.subscriber);
        self.replay = None;
        self.replies.clear();
        self.timers.clear();
        self.inbox.replace_by_end(reason);
        self.ending = Some(Box::pin(tokio::time::sleep(env.grace())));
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            // Nobody waits for the topic any more.
            State::Subscribing(subscribing) => {
                let (_, Finished { instance, cx, .. }) = *subscribing;
                State::Idle(instance, cx)
            }
            state => state,
        };
    }

    pub(super) fn poll(&mut self, task: &mut TaskContext<'_>, env: &mut Env) {
        if self.ending.as_mut().is_some_and(|grace| grace.as_mut().poll(task).is_ready()) {
            tracing::warn!(topic = &*self.seat.topic, "a channel did not finish its last callback in time");
            self.state = State::Done;
        }
        while let Some(info) = self.timers.poll_next(task) {
            self.inbox.push_call(Call::Info(info));
        }
        loop {
            self.poll_replies(task, env);
            match std::mem::replace(&mut self.state, State::Done) {
                State::Joining(mut running) => match poll_caught(&mut running, task) {
                    Poll::Ready(Some(finished)) => self.joined(finished, env),
                    Poll::Ready(None) => self.join_crashed(env),
                    Poll::Pending => return self.state = State::Joining(running),
                },
                State::Subscribing(mut subscribing) => match subscribing.0.as_mut().poll(task) {
                    Poll::Ready(interest) => self.subscribed(interest, subscribing.1, env),
                    Poll::Pending => return self.state = State::Subscribing(subscribing),
                },
                State::Busy(mut running) => match poll_caught(&mut running, task) {
                    Poll::Ready(Some(finished)) => self.finished(finished, env),
                    Poll::Ready(None) => self.crashed(env, None),
                    Poll::Pending => return self.state = State::Busy(running),
                },
                State::Idle(instance, cx) if self.replay.is_some() => match self.inbox.take_renewal() {
                    // The client may have lost the right to what it missed.
                    Some(renewal) => self.run(renewal, instance, cx, env),
                    None => {
                        if self.replay(instance, cx, task, env).is_pending() {
                            return;
                        }
                    }
                },
                State::Idle(instance, cx) => match self.next() {
                    Some(next) => self.run(next, instance, cx, env),
                    None => return self.state = State::Idle(instance, cx),
                },
                State::Done => return,
            }
        }
    }

    /// What to do next, if it may be done now: a leave or a stop waits for the replies before it, and so does everything
    /// that the channel handles while too many replies are outstanding.
    fn next(&mut self) -> Option<Queued> {
        let may_run = match self.inbox.front()? {
            // A channel's own broadcast that it intercepts follows the reply (row 164).
            Queued::Leave { .. } | Queued::Stop => self.replies.is_empty(),
            Queued::Out(passing) => !passing.is_intercepted || self.replies.is_empty(),
            Queued::Call(..) => self.replies.len() < MAX_MESSAGES,
        };
        if may_run { self.inbox.pop() } else { None }
    }

    fn run(&mut self, next: Queued, instance: Box<dyn Instance>, mut cx: Box<Context>, env: &mut Env) {
        match next {
            Queued::Leave { reference } => {
                // The answer comes first: what the channel pushes while it terminates follows its end (row 118).
                self.reply_as(self.seat.push_ref(), &reference, &Reply::ok(Payload::empty()), env);
                self.close(env);
                self.state = State::Idle(instance, cx);
                self.end(Ended::Left, env);
            }
            Queued::Stop => {
                self.close(env);
                self.state = State::Idle(instance, cx);
                self.end(Ended::Stopped, env);
            }
            Queued::Out(passing) if !passing.is_intercepted => {
                self.pass_on(&passing, env);
                self.state = State::Idle(instance, cx);
            }
            Queued::Out(passing) => {
                let call = Call::Out(Arc::clone(&passing.received));
                cx.handled = Handled::new(passing);
                self.call(call, instance, cx, env);
            }
            Queued::Call(call, reference) => {
                cx.current = reference;
                cx.muted = matches!(call, Call::Terminate(Ended::Replaced));
                self.call(call, instance, cx, env);
            }
        }
    }

    fn call(&mut self, call: Call, instance: Box<dyn Instance>, cx: Box<Context>, env: &mut Env) {
        match catch_unwind(AssertUnwindSafe(|| instance.call(call, cx))) {
            Ok(Step::Running(running)) => self.state = State::Busy(running),
            Ok(Step::Done(finished)) => self.finished(finished, env),
            Err(_panic) => self.crashed(env, None),
        }
    }

    fn joined(&mut self, finished: Finished<JoinResult>, env: &mut Env) {
        let Finished { instance, cx, result } = finished;
        match result {
            Ok(_) if self.ending.is_some() => self.state = State::Idle(instance, cx),
            Ok(result) => {
                env.report(Event::JoinCallbackDone(self.seat.key));
                let interest = subscribing(&cx, self.recovery_of(&result));
                self.state = State::Subscribing(Box::new((interest, Finished { instance, cx, result })));
            }
            Err(JoinError::Refused(response)) => {
                env.metrics().joins_refused.inc();
                self.refuse(response, env);
            }
            Err(JoinError::Unavailable) => self.refuse_unavailable(env),
            Err(JoinError::Crashed(error)) => {
                tracing::error!(topic = &*self.seat.topic, %error, "a join callback failed");
                env.metrics().joins_crashed.inc();
                self.refuse(Reason::JoinCrashed.payload(), env);
            }
        }
    }

    fn join_crashed(&mut self, env: &mut Env) {
        tracing::error!(topic = &*self.seat.topic, "a join callback panicked");
        env.metrics().joins_crashed.inc();
        self.refuse(Reason::JoinCrashed.payload(), env);
    }

    fn refuse_unavailable(&mut self, env: &mut Env) {
        env.metrics().joins_unavailable.inc();
        self.refuse(Reason::Unavailable.payload(), env);
    }

    fn refuse(&mut self, response: Payload, env: &mut Env) {
        self.answer_join(&Reply::error(response), env);
        // What the client sent behind the join is for a topic that it has not joined.
        while let Some(queued) = self.inbox.pop() {
            match queued {
                Queued::Call(Call::In { .. }, Some(reference)) => {
                    let unmatched = Reply::error(Reason::UnmatchedTopic.payload());
                    self.reply_as(&Ref::Null, &reference, &unmatched, env);
                }
                Queued::Leave { reference } => {
                    self.reply_as(self.seat.join_ref(), &reference, &Reply::ok(Payload::empty()), env);
                }
                Queued::Call(..) | Queued::Out(_) | Queued::Stop => {}
            }
        }
        self.state = State::Done;
        self.ended(env);
    }

    fn answer_join(&mut self, reply: &Reply, env: &Env) {
        let Some(join) = self.join.take() else { return };
        self.reply_as(self.seat.join_ref(), &join.reference, reply, env);
        if let Some(old) = join.replaces {
            self.announce_end(old.join_ref(), "phx_close", &Payload::empty(), env);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::Client;
    use super::*;

    /// The two words in front of what an `Arc` holds.
    const COUNTS: usize = 16;

    #[test]
    fn an_idle_channel_stays_small() {
        // Sizes of the allocator: one byte more costs 16 to 32, for each channel of each connection.
        assert!(size_of::<Slot>() <= 160, "a slot has {} bytes", size_of::<Slot>());
        assert!(size_of::<Context>() <= 80, "a context has {} bytes", size_of::<Context>());
        assert!(COUNTS + size_of::<Seat>() <= 64, "a seat has {} bytes", size_of::<Seat>());
        // One for each connection.
        assert!(COUNTS + size_of::<Client>() <= 112, "a client has {} bytes", size_of::<Client>());
    }
}
