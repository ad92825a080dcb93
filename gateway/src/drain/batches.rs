use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use tokio::time::Instant;

use super::schedule::batch_size;
use crate::config;
use crate::lifecycle::Tasks;
use crate::socket::{CloseReason, Entry, Registry, WeakEntry};

/// Closes all connections with 1012, in batches, and waits for them, until `cut` at most. Whether all ended in time.
///
/// New ones must not be accepted any more.
pub(super) async fn close_all(
    registry: &Arc<Registry>,
    connections: &Tasks,
    settings: &config::Drain,
    cut: Instant,
) -> bool {
    let mut sockets = registry.entries();
    let batch = batch_size(sockets.len(), settings, cut.saturating_duration_since(Instant::now()));
    tracing::info!(connections = sockets.len(), batch, "draining");
    // Not in the order in which they came, which would send those away together that had come together.
    sockets.shuffle(&mut rand::rng());
    let paced = in_batches(sockets, batch, settings.interval);
    if tokio::time::timeout_at(cut, paced).await.is_err() {
        tracing::warn!("not all connections could be closed in time");
    }
    // Those that were on their way in when the others were counted.
    registry.close_all(CloseReason::Draining);
    let drained = connections.join(cut.saturating_duration_since(Instant::now())).await;
    if !drained {
        tracing::warn!(connections = registry.len(), "not all connections ended in time");
    }
    drained
}

async fn in_batches(mut sockets: Vec<WeakEntry>, batch: usize, interval: Duration) {
    loop {
        // Who has left by itself leaves no gap.
        for _ in 0..batch {
            let Some(socket) = last_alive(&mut sockets) else { return };
            socket.close(CloseReason::Draining);
        }
        if sockets.is_empty() {
            return;
        }
        tokio::time::sleep(jittered(interval)).await;
    }
}

fn last_alive(sockets: &mut Vec<WeakEntry>) -> Option<Entry> {
    std::iter::from_fn(|| sockets.pop()).find_map(|socket| socket.upgrade())
}

/// A quarter more or less: pods that stop together do not beat in time.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::rng().random_range(0.75..1.25))
}
