use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::client::{ChannelKey, Client};
use super::metrics::ChannelMetrics;

/// What the socket must know of its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The join callback has returned: the socket's other messages may go on.
    JoinCallbackDone(ChannelKey),
    /// The topic is no longer joined, or never was.
    Ended(ChannelKey),
}

/// What all slots of a connection share.
pub(super) struct Env {
    pub(super) client: Arc<Client>,
    pub(super) metrics: Arc<ChannelMetrics>,
    pub(super) grace: Duration,
    pub(super) events: VecDeque<Event>,
    /// When a client that catches up had room for more last.
    pub(super) roomy: Instant,
}
