use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use super::client::Mail;
use super::context::Context;
use super::replies::PendingJoin;
use crate::pubsub::{Delivery, Interest, Subscriber, Unavailable};

/// The way of a channel from its join callback to the topic.
pub(super) type Subscribing = Pin<Box<dyn Future<Output = Result<Interest, Unavailable>> + Send>>;

/// Subscribes the pod to the topic of a channel. Where the presences follow the answer to the join, which may be more than
/// an outbox holds, it waits until the client has read most of what it was sent before (design ruling 16).
pub(super) fn subscribing(cx: &Context) -> Subscribing {
    let interest = cx.endpoint().pubsub().interest(cx.topic());
    if !cx.present.as_ref().is_some_and(|present| present.state_follows_reply) {
        return Box::pin(interest);
    }
    let client = Arc::clone(&cx.client);
    Box::pin(async move {
        let interest = interest.await?;
        poll_fn(|task| client.outbox().poll_room(task)).await;
        Ok(interest)
    })
}

/// How the broadcasts of the topic reach a channel.
pub(super) fn subscriber(cx: &Context, join: Option<&PendingJoin>) -> Subscriber {
    let (encoding, outbox) = (cx.client.vsn().into(), Arc::clone(cx.client.outbox()));
    let delivery = match join {
        Some(join) if !join.intercept.is_empty() => {
            let (events, receiver) = (Arc::clone(&join.intercept), cx.receiver(Mail::Out));
            Delivery::Intercepted { encoding, outbox, events, receiver }
        }
        _ => Delivery::Fastlane { encoding, outbox, lost: None },
    };
    Subscriber { id: cx.subscriber, delivery }
}
