//! Redis: how it is reached, what the keys are called, and connections that subscribe.
//!
//! Called by `pubsub`, `presence` and `doctor`. Commands go through `fred`; subscriptions do not
//! (docs/adr/0002): our own connections read straight into their listener, so that nothing between the socket and the
//! fan-out can drop a message. It knows nothing of topics' subscribers, envelopes or sockets.
//!
//! Invariants: a command is sent once, never replayed; a channel that was reported as subscribed is received until it is
//! reported as interrupted; a connection that is silently dead is found within a heartbeat.

mod channels;
mod client;
mod cluster;
mod connection;
mod keys;
mod link;
mod listener;
mod place;
mod probe;
mod proof;
mod script;
mod sent;
mod settings;
mod spawn;
mod status;
mod subscriber;
#[cfg(test)]
pub mod testing;

pub use client::{COMMAND_TIMEOUT, client, stay_connected};
pub use connection::ConnectionError;
pub use keys::Keys;
pub use listener::Listener;
pub use probe::{Probe, ProbeError};
pub use script::Script;
pub use settings::{Location, Settings, SettingsError};
pub use spawn::Spawn;
pub use subscriber::{Subscriber, share_of};
