use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use serde_json::Value;

use super::frame::Frame;
use super::journal::Journal;
use super::pattern::{Pattern, show};
use super::socket::Link;
use crate::channel::Info;
use crate::pubsub::{Delivery, PubSub, Received, Receiver, Subscriber, Subscription};
use crate::wire::Payload;

/// A topic that a [`super::TestSocket`] has joined. Dropped, it is not left.
///
/// The JSON that an `assert_…` returns is null for bytes: match those with a [`Payload`].
pub struct TestChannel {
    link: Arc<Link>,
    topic: String,
    join_ref: String,
    broadcasts: Journal<Heard>,
    _subscription: Subscription,
}

/// Names a message that was pushed: the reply to it is awaited here.
#[must_use = "what became of the message shows in its reply; use `drop` if that does not matter"]
pub struct Reference {
    link: Arc<Link>,
    topic: String,
    event: String,
    reference: String,
}

impl TestChannel {
    pub(super) fn new(
        link: Arc<Link>,
        topic: String,
        join_ref: String,
        broadcasts: Journal<Heard>,
        subscription: Subscription,
    ) -> Self {
        Self { link, topic, join_ref, broadcasts, _subscription: subscription }
    }

    /// Listens to a topic as the server sees it.
    pub(super) async fn listen(pubsub: &PubSub, topic: &str) -> (Journal<Heard>, Subscription) {
        let broadcasts = Journal::default();
        let receiver = Arc::new(Listener(broadcasts.clone()));
        let subscriber = Subscriber { id: pubsub.next_subscriber_id(), delivery: Delivery::Receiver(receiver) };
        let interest = pubsub.interest(topic).await.expect("an embedded pod hosts every topic at once");
        (broadcasts, interest.attach(subscriber, || {}))
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Sends the channel a message, as its client does: JSON, or bytes.
    pub fn push(&self, event: &str, payload: impl Into<Payload>) -> Reference {
        let reference = self.link.next_reference();
        self.link.send([&self.join_ref, &reference, &self.topic, event], &payload.into());
        Reference { link: Arc::clone(&self.link), topic: self.topic.clone(), event: event.to_owned(), reference }
    }

    /// Leaves the topic.
    pub fn leave(&self) -> Reference {
        self.push("phx_leave", Payload::empty())
    }

    /// Sends a message to the channel's `handle_info`, as other code of the application does.
    pub fn send<T: Send + 'static>(&self, message: T) {
        self.link.inform(&self.topic, Info::new(message));
    }

    /// Waits until the client has been sent an event on this topic, pushed or broadcast: its payload. The end of a channel
    /// is such an event, too: `phx_close` or `phx_error`.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn assert_push(&self, event: &str, pattern: impl Pattern) -> impl Future<Output = Value> {
        let (at, what) = (Location::caller(), self.describe("push", event, &pattern));
        let event = event.to_owned();
        async move {
            let frame = self.link.frames.expect(at, &what, self.wanted_push(&event, &pattern)).await;
            frame.payload.parse().unwrap_or_default()
        }
    }

    /// Waits whether the client is sent such an event, for [`super::QUIET`].
    ///
    /// # Panics
    /// When it is.
    #[track_caller]
    pub fn refute_push(&self, event: &str, pattern: impl Pattern) -> impl Future<Output = ()> {
        let (at, what) = (Location::caller(), self.describe("push", event, &pattern));
        let event = event.to_owned();
        async move { self.link.frames.refute(at, &what, self.wanted_push(&event, &pattern)).await }
    }

    /// Waits until an event is broadcast to the topic, whether this channel's client gets it or not: its payload.
    ///
    /// # Panics
    /// When it is not in time.
    #[track_caller]
    pub fn assert_broadcast(&self, event: &str, pattern: impl Pattern) -> impl Future<Output = Value> {
        let (at, what) = (Location::caller(), self.describe("broadcast", event, &pattern));
        let event = event.to_owned();
        async move {
            let wanted = |heard: &Heard| *heard.0.event == *event && pattern.matches(&heard.0.payload);
            self.broadcasts.expect(at, &what, wanted).await.0.payload.parse().unwrap_or_default()
        }
    }

    /// Waits whether such an event is broadcast to the topic, for [`super::QUIET`].
    ///
    /// # Panics
    /// When it is.
    #[track_caller]
    pub fn refute_broadcast(&self, event: &str, pattern: impl Pattern) -> impl Future<Output = ()> {
        let (at, what) = (Location::caller(), self.describe("broadcast", event, &pattern));
        let event = event.to_owned();
        async move {
            let wanted = |heard: &Heard| *heard.0.event == *event && pattern.matches(&heard.0.payload);
            self.broadcasts.refute(at, &what, wanted).await;
        }
    }

    fn describe(&self, kind: &str, event: &str, pattern: &impl Pattern) -> String {
        format!("{kind} `{event}` on `{}` like {}", self.topic, pattern.describe())
    }

    /// What belongs to this join: other joins of the topic on the socket have other references.
    fn wanted_push<'a>(&'a self, event: &'a str, pattern: &'a impl Pattern) -> impl Fn(&Frame) -> bool + 'a {
        move |frame| {
            let ours = frame.topic == self.topic && (frame.join_ref.is_empty() || frame.join_ref == self.join_ref);
            ours && frame.status.is_none() && frame.event == event && pattern.matches(&frame.payload)
        }
    }
}

impl Reference {
    /// Waits for the reply with this status, by convention `ok` or `error`: its response.
    ///
    /// # Panics
    /// When there is none in time, or it is another.
    #[track_caller]
    pub fn assert_reply(self, status: &str, pattern: impl Pattern) -> impl Future<Output = Value> {
        let (at, what) = (Location::caller(), self.describe(status, &pattern));
        let status = status.to_owned();
        async move {
            let of_this = wanted_reply(&self.topic, &self.reference);
            let like = |frame: &Frame| frame.status.as_ref() == Some(&status) && pattern.matches(&frame.payload);
            let reply = self.link.frames.expect(at, &what, |frame| of_this(frame) && like(frame)).await;
            reply.payload.parse().unwrap_or_default()
        }
    }

    /// Waits whether the message is answered so, for [`super::QUIET`].
    ///
    /// # Panics
    /// When it is.
    #[track_caller]
    pub fn refute_reply(&self, status: &str, pattern: impl Pattern) -> impl Future<Output = ()> {
        let (at, what) = (Location::caller(), self.describe(status, &pattern));
        let status = status.to_owned();
        async move {
            let of_this = wanted_reply(&self.topic, &self.reference);
            let like = |frame: &Frame| frame.status.as_ref() == Some(&status) && pattern.matches(&frame.payload);
            self.link.frames.refute(at, &what, |frame| of_this(frame) && like(frame)).await;
        }
    }

    fn describe(&self, status: &str, pattern: &impl Pattern) -> String {
        let Self { topic, event, reference, .. } = self;
        format!("reply `{status}` to {reference} (`{event}` on `{topic}`) like {}", pattern.describe())
    }
}

/// The reply to one message.
pub(super) fn wanted_reply<'a>(topic: &'a str, reference: &'a str) -> impl Fn(&Frame) -> bool + 'a {
    move |frame| frame.status.is_some() && frame.topic == topic && frame.reference == reference
}

/// What was broadcast.
#[derive(Clone)]
pub(super) struct Heard(Arc<Received>);

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broadcast `{}` on `{}`: {}", self.0.event, self.0.topic, show(&self.0.payload))
    }
}

struct Listener(Journal<Heard>);

impl Receiver for Listener {
    fn receive(&self, message: &Arc<Received>) {
        self.0.add(Heard(Arc::clone(message)));
    }
}

impl fmt::Debug for TestChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestChannel").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reference").field("topic", &self.topic).field("event", &self.event).finish_non_exhaustive()
    }
}
