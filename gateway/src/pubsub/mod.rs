//! Every broadcast of the product goes through here: who hears a topic on this pod, and how a message reaches all pods.
//!
//! Called by `channel` (joins, broadcasts), `socket` (disconnects), `http` and the commands. It writes encoded frames
//! straight to the outboxes of connections and knows neither sockets nor channels.
//!
//! Invariants: all subscribers of a topic, on all pods, see one order; fan-out never waits for anybody; a message is
//! encoded at most once per encoding; a pod receives exactly the topics it hosts, and some seconds longer; a publication
//! that resolves well stands in the outboxes of this pod's subscribers already.

mod backend;
mod catch_up;
mod dialect;
mod entry;
mod envelope;
mod error;
mod fanout;
mod foreign;
mod histories;
mod idempotency;
mod interest;
mod json_line;
mod kept;
mod letters;
mod listener;
mod message;
mod metrics;
mod publication;
mod seen;
mod service;
#[cfg(test)]
mod testing;
mod topics;
mod track;

pub use error::{HistoryError, PublishError, Unavailable};
pub use idempotency::{Acceptance, IdempotencyKey};
pub use interest::{Interest, Subscription};
pub use message::{
    Broadcast, Control, ControlHandler, Delivery, LetterHandler, Lost, Received, Receiver, Subscriber, SubscriberId,
};
pub use metrics::Metrics;
pub use publication::{KeyedPublication, Publication};
pub use service::PubSub;
