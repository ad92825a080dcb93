use std::sync::Arc;
use std::time::Duration;

use super::close::CloseReason;
use super::registry::{Entry, Registry};
use crate::channel::Due;
use crate::clock::{Clock, unix_seconds};
use crate::outbox::Budget;

/// Looks after all connections from one place, so that none needs a timer: closes the idle ones, those whose time
/// is over, and the ones that hold the most when the pod's outbox budget is exceeded. Runs until it is dropped.
pub(crate) async fn sweep(registry: Arc<Registry>, budget: Arc<Budget>, clock: Clock, period: Duration) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        close_idle(&registry, clock.now_ms());
        close_expired(&registry, unix_seconds());
        shed(&registry, budget.excess());
    }
}

fn close_idle(registry: &Registry, now_ms: u64) {
    registry.for_each(|entry| {
        if entry.is_idle(now_ms) {
            entry.close(CloseReason::IdleTimeout);
        }
    });
}

/// By the clock on the wall, as tokens are: a connection ends within a second after its token.
fn close_expired(registry: &Registry, now: u64) {
    registry.for_each(|entry| match entry.client().life().due(now) {
        Due::Nothing => {}
        // Its task tells the client.
        Due::Warning => entry.client().outbox().wake(),
        Due::End => entry.close(CloseReason::TokenExpired),
    });
}

/// Drops what the fullest outboxes hold until the excess is gone.
fn shed(registry: &Registry, mut excess: usize) {
    if excess == 0 {
        return;
    }
    let mut fullest: Vec<(usize, Entry)> = Vec::new();
    registry.for_each(|entry| fullest.push((entry.client().outbox().queued_bytes(), entry.clone())));
    fullest.sort_unstable_by_key(|&(bytes, _)| std::cmp::Reverse(bytes));
    for (bytes, entry) in fullest {
        if excess == 0 || bytes == 0 {
            break;
        }
        tracing::warn!(bytes, "over the outbox budget: the fullest connection is closed");
        entry.client().outbox().shed();
        excess = excess.saturating_sub(bytes);
    }
}
