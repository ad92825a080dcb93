//! From the topic that the pod receives to a client that hears it: the answer to the join, what the client missed, and its
//! place among the subscribers.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use super::super::context::Context;
use super::super::env::Env;
use super::super::instance::{Call, Finished, Instance};
use super::super::outcome::Reply;
use super::super::passing::Passing;
use super::super::presence::with_state;
use super::super::recovery::{InvalidRecover, Next, Recover, Replay, Shared, Start, with_recovery};
use super::super::router::Route;
use super::super::subscribing::{Subscribed, subscriber};
use super::{Queued, Slot, State};
use crate::history::Position;
use crate::pubsub::{Interest, Subscription, Unavailable};
use crate::wire::{Payload, Reason};

/// How often a client is attached anew that meets a new epoch at that moment.
const ATTEMPTS: usize = 8;

impl Slot {
    /// Takes down what the client asks for, where there is a history. Elsewhere the params are the application's own.
    pub(super) fn note_recovery(&mut self, route: &Route, params: &Payload) -> Result<(), InvalidRecover> {
        if let Some(join) = self.join.as_mut().filter(|_| route.history().is_some()) {
            join.recover = Recover::read(params)?;
        }
        Ok(())
    }

    /// What is to be recovered. A response that is no object leaves no place to tell of it, so nothing is.
    pub(super) fn recovery_of(&self, response: &Payload) -> Option<Recover> {
        let is_object = matches!(response, Payload::Json(_)) && response.is_object_or_binary();
        self.join.as_ref()?.recover.clone().filter(|_| is_object)
    }

    pub(super) fn subscribed(
        &mut self,
        subscribed: Result<Subscribed, Unavailable>,
        joined: Finished<Payload>,
        env: &mut Env,
    ) {
        let Ok((interest, start)) = subscribed else { return self.refuse_unavailable(env) };
        let Finished { instance, cx, result: response } = joined;
        let attached = match start {
            None => {
                let (subscriber, reply) = (subscriber(&cx, self.join.as_deref(), false), Reply::ok(response));
                // The reply is queued under the topic's lock: no broadcast can come before it, and none after it is missed.
                Some(with_state(&cx, |state| {
                    interest.attach(subscriber, || {
                        self.answer_join(&reply, env);
                        state();
                    })
                }))
            }
            Some(Start::Here) => match self.attach_here(interest, &response, &cx, env) {
                Some(subscription) => Some(subscription),
                None => return self.refuse_unavailable(env),
            },
            Some(Start::At(position, page)) => {
                self.begin_replay(interest, position, page, &response, &cx, env);
                None
            }
        };
        env.metrics().joins_ok.inc();
        if let Some(subscription) = attached {
            self.attached(subscription, env);
        }
        self.state = State::Idle(instance, cx);
    }

    /// The client is a subscriber of its topic.
    fn attached(&mut self, subscription: Subscription, env: &Env) {
        self.subscription = Some(subscription);
        env.metrics().joined.inc();
        self.inbox.push_first(Queued::Call(Call::AfterJoin, None));
    }

    /// Lets the client begin where the topic is.
    fn attach_here(
        &mut self,
        mut interest: Interest,
        response: &Payload,
        cx: &Context,
        env: &Env,
    ) -> Option<Subscription> {
        let asked = self.join.as_ref().and_then(|join| join.recover.clone());
        let mut subscriber = subscriber(cx, self.join.as_deref(), true);
        for _ in 0..ATTEMPTS {
            let position = interest.position()?;
            let reply = Reply::ok(with_recovery(response, &position, false)?);
            let attached = with_state(cx, |state| {
                interest.attach_at(&position, subscriber, || {
                    self.answer_join(&reply, env);
                    state();
                })
            });
            match attached {
                Ok(subscription) => {
                    if matches!(asked, Some(Recover::From(_))) {
                        env.metrics().not_recovered.inc();
                    }
                    return Some(subscription);
                }
                Err(back) => (interest, subscriber) = back,
            }
        }
        None
    }

    /// Answers the join; what the client missed follows.
    fn begin_replay(
        &mut self,
        interest: Interest,
        position: Position,
        page: Option<Shared>,
        response: &Payload,
        cx: &Context,
        env: &Env,
    ) {
        let subscriber = subscriber(cx, self.join.as_deref(), true);
        let intercept = self.join.as_ref().map(|join| Arc::clone(&join.intercept)).unwrap_or_default();
        let response = with_recovery(response, &position, true).unwrap_or_else(|| response.clone());
        self.answer_join(&Reply::ok(response), env);
        let (topic, pages) = (Arc::clone(&cx.seat.topic), Arc::clone(env.client.endpoint().pages()));
        let waiting = (interest, subscriber);
        self.replay = Some(Box::new(Replay::new(topic, intercept, pages, position, page, waiting)));
    }

    /// Goes on with the replay. Pending: so it is for now; else the slot has something else to do.
    pub(super) fn replay(
        &mut self,
        instance: Box<dyn Instance>,
        cx: Box<Context>,
        task: &mut TaskContext<'_>,
        env: &mut Env,
    ) -> Poll<()> {
        let Some(mut replay) = self.replay.take() else {
            self.state = State::Idle(instance, cx);
            return Poll::Ready(());
        };
        loop {
            match replay.poll_next(task, env) {
                // What comes with the last step may be large, too.
                Poll::Ready(Next::Level) if replay.poll_room(task, env).is_pending() => {
                    (self.replay, self.state) = (Some(replay), State::Idle(instance, cx));
                    return Poll::Pending;
                }
                Poll::Pending => {
                    (self.replay, self.state) = (Some(replay), State::Idle(instance, cx));
                    return Poll::Pending;
                }
                Poll::Ready(Next::Intercepted(received)) => {
                    self.replay = Some(replay);
                    self.run(Queued::Out(Passing::intercepted(received)), instance, cx, env);
                    return Poll::Ready(());
                }
                Poll::Ready(Next::Broken) => {
                    self.state = State::Idle(instance, cx);
                    self.lost(env);
                    return Poll::Ready(());
                }
                Poll::Ready(Next::Level) => {
                    let attached = with_state(&cx, |state| replay.attach(state));
                    if let Some(subscription) = attached {
                        env.metrics().recovered.inc();
                        self.attached(subscription, env);
                        self.state = State::Idle(instance, cx);
                        return Poll::Ready(());
                    }
                }
            }
        }
    }

    /// Messages are missing that cannot be had any more: the client joins again, and learns it.
    pub(super) fn lost(&mut self, env: &mut Env) {
        env.metrics().lost.inc();
        tracing::debug!(topic = &*self.seat.topic, "a channel was ended: its client would have missed messages");
        self.fail(Reason::Unavailable, env);
    }
}
