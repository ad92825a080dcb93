//! A realtime gateway that speaks Phoenix Channels.
//!
//! Any Phoenix client connects to it; a `Channel` is one client's side of one topic, with callbacks as Phoenix has. Redis
//! carries everything between pods; without it the same program runs on one node. The binary of this package is a small
//! program on this library, whose channels come from a configuration file.

mod clock;
pub mod config;
pub mod ids;
pub mod lifecycle;
pub mod outbox;
pub mod presence;
pub mod pubsub;
pub mod redis;
pub mod telemetry;
pub mod websocket;
pub mod wire;

pub use config::{InvalidOrigin, InvalidPattern, OriginPattern, TopicPattern};
pub use wire::Payload;
