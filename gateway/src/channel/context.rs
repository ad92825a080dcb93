use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::client::{ChannelKey, Client, Mail};
use super::endpoint::Endpoint;
use super::handle::{self, ChannelHandle, NoReference, ReplyTo};
use super::ordered::Handled;
use super::outcome::Info;
use super::present::Present;
use super::seat::Seat;
use crate::pubsub::Unavailable;
use crate::pubsub::{Broadcast, Delivery, Publication, Received, Receiver, Subscriber, SubscriberId, Subscription};
use crate::wire::{EncodeError, Outgoing, Payload, Ref};

/// What a callback may do: the channel's side of its connection.
#[derive(Debug)]
pub struct Context {
    pub(super) client: Arc<Client>,
    pub(super) seat: Arc<Seat>,
    pub(super) subscriber: SubscriberId,
    /// The reference of the message that is being handled.
    pub(super) current: Option<Ref>,
    /// The intercepted message that is being handled, where the topic keeps a history: what is pushed stands for it.
    pub(super) handled: Option<Box<Handled>>,
    /// The client already talks to the channel that replaced this one.
    pub(super) muted: bool,
    /// Of other topics. Few channels have any: the others hold one word for it.
    #[expect(clippy::box_collection, reason = "a list of its own would have three words")]
    pub(super) subscriptions: Option<Box<Vec<Subscription>>>,
    /// Set once the channel has to do with presence.
    pub(super) present: Option<Box<Present>>,
}

impl Context {
    /// The topic of the channel.
    pub fn topic(&self) -> &str {
        &self.seat.topic
    }

    /// Has the channel hear, and be shown in, another topic than its client names: for a join callback of a dialect in which
    /// one name on the wire stands for several topics. Frames that go to the client have to get back its own name by the
    /// encoding.
    pub(crate) fn move_to(&mut self, topic: &str) {
        self.seat = self.seat.moved_to(topic);
    }

    /// The client at the other end.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends to topics and sockets from outside this channel.
    pub fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }

    /// Pushes an event to this client only. From [`super::Channel::handle_out`] of a topic with history, to a client that
    /// is told offsets, the last push goes out when the callback returns: it carries the offset of the message.
    ///
    /// # Errors
    /// When the version of the connection cannot carry it: version 2 takes objects and bytes, version 1 any JSON.
    pub fn push(&self, event: &str, payload: impl Into<Payload>) -> Result<(), EncodeError> {
        if self.muted {
            return Ok(());
        }
        let (join_ref, topic, payload) = (self.seat.push_ref(), &self.seat.topic, &payload.into());
        let push = Outgoing::Push { join_ref, topic, event, payload, offset: None };
        match &self.handled {
            Some(handled) => handled.push(&self.client, push),
            None => handle::queue(&self.client, push),
        }
    }

    /// Resolves when the client has read so much that something large can be sent to it.
    pub(crate) async fn room(&self) {
        poll_fn(|task| self.client.outbox().poll_room(task)).await;
    }

    /// Sends an event to all subscribers of the topic, this client included, on every pod. It is under way before this
    /// returns; awaiting it tells that it was accepted and that this client's own copy stands before what follows.
    pub fn broadcast(&self, event: &str, payload: impl Into<Payload>) -> Publication {
        self.publish(event, payload.into(), None)
    }

    /// Like [`Context::broadcast`], to all but this channel; other tabs of the same user do get it (row 154).
    pub fn broadcast_from(&self, event: &str, payload: impl Into<Payload>) -> Publication {
        self.publish(event, payload.into(), Some(self.subscriber))
    }

    fn publish(&self, event: &str, payload: Payload, exclude: Option<SubscriberId>) -> Publication {
        self.endpoint().pubsub().broadcast(self.message(event, payload, exclude))
    }

    /// What [`Context::broadcast`], or with `to_others` [`Context::broadcast_from`], would send, not sent yet.
    pub(crate) fn prepared(&self, event: &str, payload: Payload, to_others: bool) -> Broadcast {
        self.message(event, payload, to_others.then_some(self.subscriber))
    }

    fn message(&self, event: &str, payload: Payload, exclude: Option<SubscriberId>) -> Broadcast {
        Broadcast { topic: Arc::clone(&self.seat.topic), event: event.into(), payload, exclude }
    }

    /// Takes what is needed to answer the message that is being handled later, from anywhere.
    ///
    /// # Errors
    /// When none is being handled, or it has no reference.
    pub fn reply_to(&self) -> Result<ReplyTo, NoReference> {
        let reference = self.current.clone().filter(|reference| !reference.is_null()).ok_or(NoReference)?;
        Ok(ReplyTo { client: Arc::clone(&self.client), seat: Arc::clone(&self.seat), reference })
    }

    /// The reference of the message that is being handled.
    pub(crate) fn reference(&self) -> Ref {
        self.current.clone().unwrap_or_default()
    }

    /// A handle for other tasks.
    pub fn handle(&self) -> ChannelHandle {
        ChannelHandle { client: Arc::clone(&self.client), seat: Arc::clone(&self.seat) }
    }

    /// Sends this channel a message after a while; dropped when the channel has ended by then.
    pub fn send_after<T: Send + 'static>(&self, delay: Duration, message: T) {
        self.client.send(self.seat.key, Mail::After(delay, Info::new(message)));
    }

    /// Has the broadcasts of another topic delivered to [`super::Channel::handle_info`] as `Arc<Received>`, as long as
    /// the channel lives. They are not forwarded to the client by themselves (row 159).
    ///
    /// # Errors
    /// When the topic cannot be subscribed to in time.
    pub async fn subscribe(&mut self, topic: &str) -> Result<(), Unavailable> {
        let pubsub = self.endpoint().pubsub();
        let (interest, id) = (pubsub.interest(topic), pubsub.next_subscriber_id());
        let receiver = self.receiver(|received| Mail::Info(Info::new(received)));
        let subscriber = Subscriber { id, delivery: Delivery::Receiver(receiver) };
        let subscription = interest.await?.attach(subscriber, || {});
        self.subscriptions.get_or_insert_default().push(subscription);
        Ok(())
    }

    pub(super) fn receiver(&self, mail: fn(Arc<Received>) -> Mail) -> Arc<dyn Receiver> {
        Arc::new(ChannelReceiver { client: Arc::clone(&self.client), key: self.seat.key, mail })
    }
}

/// Puts the broadcasts of a topic into the mail of a channel.
struct ChannelReceiver {
    client: Arc<Client>,
    key: ChannelKey,
    mail: fn(Arc<Received>) -> Mail,
}

impl Receiver for ChannelReceiver {
    fn receive(&self, message: &Arc<Received>) {
        self.client.send(self.key, (self.mail)(Arc::clone(message)));
    }
}

/// What the join callback may do: everything but send.
#[derive(Debug)]
pub struct JoinContext(pub(super) Context);

impl JoinContext {
    /// The topic to join.
    pub fn topic(&self) -> &str {
        self.0.topic()
    }

    /// The client at the other end.
    pub fn client(&self) -> &Client {
        self.0.client()
    }

    /// Sends to topics and sockets from outside this channel.
    pub fn endpoint(&self) -> &Endpoint {
        self.0.endpoint()
    }

    /// A handle for other tasks. What is sent through it is handled after the join.
    pub fn handle(&self) -> ChannelHandle {
        self.0.handle()
    }

    /// See [`Context::send_after`]; the time runs from now.
    pub fn send_after<T: Send + 'static>(&self, delay: Duration, message: T) {
        self.0.send_after(delay, message);
    }

    /// See [`Context::subscribe`].
    ///
    /// # Errors
    /// When the topic cannot be subscribed to in time.
    pub async fn subscribe(&mut self, topic: &str) -> Result<(), Unavailable> {
        self.0.subscribe(topic).await
    }
}
