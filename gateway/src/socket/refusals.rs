use std::sync::Arc;
use std::time::Duration;

use super::close::CloseReason;
use super::metrics::{ConnectResult, SocketMetrics};
use crate::channel::ChannelMetrics;

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

/// At most one line in so many looks: a flood must not fill the log as well.
const QUIET_LOOKS: u32 = 10;

/// Says in the log what the limits have refused: within a second, and then once every ten seconds as long as it goes on.
/// Runs until it is dropped.
pub(crate) async fn report_refusals(sockets: Arc<SocketMetrics>, channels: Arc<ChannelMetrics>) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = Refusals::count(&sockets, &channels);
    let mut quiet = 0;
    loop {
        ticks.tick().await;
        if quiet > 0 {
            quiet -= 1;
            continue;
        }
        let counted = Refusals::count(&sockets, &channels);
        if counted != told {
            counted.log_since(&told);
            told = counted;
            quiet = QUIET_LOOKS;
        }
    }
}

/// What was refused since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusals {
    connections: u64,
    connections_per_ip: u64,
    connects_per_second: u64,
    shed: u64,
    messages: u64,
    joins: u64,
    closed: u64,
}

impl Refusals {
    fn count(sockets: &SocketMetrics, channels: &ChannelMetrics) -> Self {
        Self {
            connections: sockets.connects(ConnectResult::PodFull),
            connections_per_ip: sockets.connects(ConnectResult::AddressFull),
            connects_per_second: sockets.connects(ConnectResult::AddressTooFast),
            shed: sockets.connects(ConnectResult::Shed),
            messages: sockets.messages_rate_limited.get(),
            joins: channels.joins_rate_limited.get(),
            closed: sockets.disconnects(CloseReason::RateLimited),
        }
    }

    /// Counts only, so that nothing of a client can stand here.
    fn log_since(&self, before: &Self) {
        tracing::warn!(
            connections = self.connections - before.connections,
            connections_per_ip = self.connections_per_ip - before.connections_per_ip,
            connects_per_second = self.connects_per_second - before.connects_per_second,
            shed = self.shed - before.shed,
            messages = self.messages - before.messages,
            joins = self.joins - before.joins,
            closed = self.closed - before.closed,
            "the limits refused clients"
        );
    }
}
