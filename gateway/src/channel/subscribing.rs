use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use super::client::Mail;
use super::context::Context;
use super::ordered::{Ordered, Watch};
use super::passing::Passing;
use super::recovery::{Recover, Start, begin};
use super::replies::PendingJoin;
use crate::pubsub::{Delivery, Interest, Subscriber, Unavailable};

/// A topic that this pod receives, and where the client begins if it asked to recover.
pub(super) type Subscribed = (Interest, Option<Start>);

/// The way of a channel from its join callback to the topic.
pub(super) type Subscribing = Pin<Box<dyn Future<Output = Result<Subscribed, Unavailable>> + Send>>;

/// Subscribes the pod to the topic of a channel. Where the presences follow the answer to the join, which may be more than
/// an outbox holds, it waits until the client has read most of what it was sent before (design ruling 16).
pub(super) fn subscribing(cx: &Context, recover: Option<Recover>) -> Subscribing {
    let interest = cx.endpoint().pubsub().interest(cx.topic());
    let waits = cx.present.as_ref().is_some_and(|present| present.state_follows_reply);
    if !waits && recover.is_none() {
        return Box::pin(async move { Ok((interest.await?, None)) });
    }
    let (client, topic) = (Arc::clone(&cx.client), Arc::clone(&cx.seat.topic));
    Box::pin(async move {
        let interest = interest.await?;
        let start = match &recover {
            Some(recover) => begin(&interest, &topic, recover, client.endpoint().pages()).await?,
            None => None,
        };
        poll_fn(|task| client.outbox().poll_room(task)).await;
        Ok((interest, start))
    })
}

/// How the broadcasts of the topic reach a channel. Who asked to recover gets all in one order, and is told when messages
/// are lost.
pub(super) fn subscriber(cx: &Context, join: Option<&PendingJoin>, recovers: bool) -> Subscriber {
    let (encoding, outbox) = (cx.client.encoding(), Arc::clone(cx.client.outbox()));
    let watch = || Watch { client: Arc::clone(&cx.client), key: cx.seat.key };
    let delivery = match join {
        Some(join) if !join.intercept.is_empty() => {
            let events = Arc::clone(&join.intercept);
            let receiver = if recovers {
                Arc::new(Ordered::new(watch(), Arc::clone(&events)))
            } else {
                cx.receiver(|received| Mail::Out(Passing::intercepted(received)))
            };
            Delivery::Intercepted { encoding, outbox, events, receiver }
        }
        _ => {
            let lost = if recovers { Some(Arc::new(watch()) as _) } else { None };
            Delivery::Fastlane { encoding, outbox, lost }
        }
    };
    Subscriber { id: cx.subscriber, delivery }
}
