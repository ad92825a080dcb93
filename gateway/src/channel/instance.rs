use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tokio::time::Instant;

use super::context::{Context, JoinContext};
use super::outcome::{Ended, HandlerResult, Info, JoinResult, Outcome};
use super::traits::Channel;
use crate::pubsub::Received;
use crate::wire::Payload;

/// What a channel is called for.
pub(crate) enum Call {
    AfterJoin,
    /// `came`: when the client's message was taken in, which may have waited since.
    In {
        event: Box<str>,
        payload: Payload,
        came: Instant,
    },
    Out(Arc<Received>),
    Info(Info),
    Terminate(Ended),
}

/// What a finished call gives back: the channel and its context, which were its own while it ran.
pub(crate) struct Finished<T> {
    pub(crate) instance: Box<dyn Instance>,
    pub(crate) cx: Box<Context>,
    pub(crate) result: T,
}

pub(super) type Running<T> = Pin<Box<dyn Future<Output = Finished<T>> + Send>>;

/// Polls a callback; `None` when it panicked.
pub(super) fn poll_caught<T>(running: &mut Running<T>, task: &mut TaskContext<'_>) -> Poll<Option<Finished<T>>> {
    match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(task))) {
        Ok(Poll::Ready(finished)) => Poll::Ready(Some(finished)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_panic) => Poll::Ready(None),
    }
}

/// A call that is done, or under way.
pub(crate) enum Step<T = HandlerResult> {
    Done(Finished<T>),
    Running(Running<T>),
}

pub(crate) type JoinStep = Step<JoinResult>;

/// A channel without its type. The built-in channels implement it directly, to do without a future where they can.
pub(crate) trait Instance: Send {
    fn join(self: Box<Self>, params: Payload, cx: Box<Context>) -> JoinStep;
    fn call(self: Box<Self>, call: Call, cx: Box<Context>) -> Step;
}

/// Any [`Channel`].
pub(super) struct Custom<C>(pub(super) C);

impl<C: Channel> Instance for Custom<C> {
    fn join(mut self: Box<Self>, params: Payload, cx: Box<Context>) -> JoinStep {
        Step::Running(Box::pin(async move {
            let mut joining = JoinContext(*cx);
            let result = self.0.join(params, &mut joining).await;
            Finished { instance: self, cx: Box::new(joining.0), result }
        }))
    }

    fn call(mut self: Box<Self>, call: Call, mut cx: Box<Context>) -> Step {
        Step::Running(Box::pin(async move {
            let channel = &mut self.0;
            let result = match call {
                Call::AfterJoin => channel.after_join(&mut cx).await,
                Call::In { event, payload, .. } => channel.handle_in(&event, payload, &mut cx).await,
                Call::Out(received) => channel.handle_out(&received.event, received.payload.clone(), &mut cx).await,
                Call::Info(info) => channel.handle_info(info, &mut cx).await,
                Call::Terminate(reason) => {
                    channel.terminate(reason, &mut cx).await;
                    Ok(Outcome::NoReply)
                }
            };
            Finished { instance: self, cx, result }
        }))
    }
}
