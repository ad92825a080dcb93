//! The orderly stop: clients are told to reconnect elsewhere, and their channels have time to finish.

use std::sync::Arc;
use std::time::Duration;

use crate::lifecycle::Tasks;
use crate::socket::{CloseReason, Registry};

/// Closes all connections with 1012 and waits for them, at most `limit`. Whether all ended in time.
///
/// New ones must not be accepted any more.
pub(crate) async fn drain(registry: &Arc<Registry>, connections: &Tasks, limit: Duration) -> bool {
    tracing::info!(connections = registry.len(), "draining");
    registry.close_all(CloseReason::Draining);
    let drained = connections.join(limit).await;
    if !drained {
        tracing::warn!(connections = registry.len(), "not all connections ended in time");
    }
    drained
}
