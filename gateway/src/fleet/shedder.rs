use std::sync::Arc;
use std::time::Duration;

use super::metrics::FleetMetrics;
use crate::clock::Clock;
use crate::socket::{Bucket, CloseReason, Rate, Registry, WeakEntry};

/// Sends connections away, slowly.
pub(super) struct Shedder {
    registry: Arc<Registry>,
    clock: Clock,
    metrics: FleetMetrics,
    rate: Rate,
    per_second: usize,
    bucket: Bucket,
    /// Younger ones stay: nobody is sent round and round.
    youngest: Duration,
    /// Those to send away until the next look, the next one last.
    chosen: Vec<WeakEntry>,
}

impl Shedder {
    pub(super) fn new(
        registry: Arc<Registry>,
        clock: Clock,
        metrics: FleetMetrics,
        per_second: usize,
        youngest: Duration,
    ) -> Self {
        // What a tick may close: a tenth of a second's worth.
        let rate = Rate::new(per_second, per_second.div_ceil(10));
        Self { registry, clock, metrics, rate, per_second, bucket: Bucket::default(), youngest, chosen: Vec::new() }
    }

    /// How many were sent away so far.
    pub(super) fn shed(&self) -> u64 {
        self.metrics.rebalanced.get()
    }

    /// Chooses the most idle ones, no more than can go in `period`.
    pub(super) fn choose(&mut self, surplus: u64, period: Duration) {
        let seconds = usize::try_from(period.as_secs() + 1).unwrap_or(usize::MAX);
        let most = usize::try_from(surplus).unwrap_or(usize::MAX).min(self.per_second.saturating_mul(seconds));
        self.chosen.clear();
        if most == 0 {
            return;
        }
        let now_ms = self.clock.now_ms();
        let old = |entry: &WeakEntry| {
            let entry = entry.upgrade().filter(|entry| entry.age(now_ms) >= self.youngest)?;
            Some(entry.last_seen_ms())
        };
        let entries = self.registry.entries().into_iter();
        let mut idle: Vec<_> = entries.filter_map(|entry| Some((old(&entry)?, entry))).collect();
        let most = most.min(idle.len());
        if most > 0 {
            idle.select_nth_unstable_by_key(most - 1, |(seen, _)| *seen);
        }
        self.chosen.extend(idle.into_iter().take(most).map(|(_, entry)| entry));
    }

    /// Closes those whose time has come.
    pub(super) fn tick(&mut self) {
        while !self.chosen.is_empty() && self.bucket.take(self.rate, self.clock.now_ms()).is_ok() {
            let Some(entry) = self.chosen.pop().and_then(|entry| entry.upgrade()) else { continue };
            entry.close(CloseReason::Rebalanced);
            self.metrics.rebalanced.inc();
        }
    }
}
