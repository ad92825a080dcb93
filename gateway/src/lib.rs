//! A realtime gateway that speaks Phoenix Channels.
//!
//! Any Phoenix client connects to it; a [`Channel`] is one client's side of one topic, with callbacks as Phoenix has. Redis
//! carries everything between pods; without it the same program runs on one node. The binary of this package is a small
//! program on this library, whose channels come from a configuration file.
//!
//! Start with [`Gateway::builder`], [`Socket`] and [`Channel`].

mod app;
mod auth;
mod builtin;
mod channel;
pub mod cli;
mod clock;
pub mod config;
mod doctor;
mod drain;
mod fleet;
pub mod history;
mod http;
pub mod ids;
pub mod lifecycle;
pub mod outbox;
pub mod presence;
pub mod pubsub;
pub mod redis;
mod socket;
pub mod store;
mod supabase;
pub mod telemetry;
pub mod testing;
mod transport;
mod trust;
mod webhooks;
pub mod websocket;
pub mod wire;

pub use app::{Builder, Gateway, StartError, Turn};
pub use auth::{CheckOrigin, Claims, Identity, InvalidKey, Origin, Rights, TokenRefused, Verifier, VerifierError};
pub use builtin::{RelaySocket, relay_routes};
pub use channel::{
    Assigns, Channel, ChannelError, ChannelHandle, ChannelHistory, ChannelPresence, Client, Context, Ended, Endpoint,
    HandlerResult, Info, JoinContext, JoinError, JoinResult, NoReference, Outcome, Presences, Renewed, Reply, ReplyTo,
    Router, TrackError, Transport,
};
pub use config::{InvalidOrigin, InvalidPattern, OriginPattern, TopicPattern};
pub use socket::{Accepted, CloseReason, ConnectError, ConnectInfo, Mount, Params, Refusal, Socket};
pub use transport::TlsError;
pub use webhooks::ClientError as WebhookClientError;
pub use wire::Payload;

/// What `benches/` measures and nobody else can reach. No part of the API.
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench {
    pub use crate::presence::bench::{Change, ReplicaBench};
    pub use crate::socket::bench::{Effects, SessionBench};
}

/// The examples of the README are compiled with the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
