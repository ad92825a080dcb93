//! What the author of a channel sees, and the runtime that calls it.
//!
//! A [`Channel`] is one client's side of one topic. The [`Router`] finds the channel of a topic; the runtime keeps the
//! channels of one connection and polls their callbacks from the connection's task. Called by `socket`; it never imports
//! it: it is handed an outbox to write to and reports the end of each channel.
//!
//! Invariants: one callback of a channel runs at a time, in the order of its messages; callbacks of different channels
//! run independently; a panic or an error ends its own channel only; a callback that has begun is never cut in the middle
//! while its channel lives, and has a grace when the channel ends.

mod assigns;
mod client;
mod context;
mod endpoint;
mod env;
mod handle;
mod histories;
mod history;
mod inbox;
mod instance;
mod life;
mod metrics;
mod ordered;
mod outcome;
mod passing;
mod presence;
mod present;
mod recovery;
mod replies;
mod router;
mod runtime;
mod seat;
mod slot;
mod subscribing;
#[cfg(test)]
mod tests;
mod timers;
mod track_error;
mod traits;

pub use assigns::Assigns;
pub use client::{Client, Transport};
pub use context::{Context, JoinContext};
pub(crate) use endpoint::MAX_SOCKET_ID;
pub use endpoint::{Endpoint, Presences};
pub use handle::{ChannelHandle, NoReference, ReplyTo};
pub use history::ChannelHistory;
pub use life::Renewed;
pub use outcome::{ChannelError, Ended, HandlerResult, Info, JoinError, JoinResult, Outcome, Reply};
pub use presence::ChannelPresence;
pub use router::Router;
pub use track_error::TrackError;
pub use traits::Channel;

pub(crate) use client::ChannelKey;
pub(crate) use env::Event;
pub(crate) use histories::policy;
pub(crate) use instance::{Call, Finished, Instance, JoinStep, Step};
pub(crate) use life::{Due, seconds};
pub(crate) use metrics::ChannelMetrics;
pub(crate) use router::Route;
pub(crate) use runtime::{Channels, JoinRequest};
pub(crate) use seat::Seat;
