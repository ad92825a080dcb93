use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::batches::close_all;
use super::metrics::DrainMetrics;
use super::schedule::Schedule;
use crate::config;
use crate::lifecycle::{Latch, Readiness, Tasks};
use crate::presence::Presence;
use crate::socket::{CloseReason, Registry};

/// How long a request may still take that is no connection when all connections have ended: who dribbles does not hold the
/// stop.
const UNANSWERED_LIMIT: Duration = Duration::from_secs(2);

/// How long the goodbye to Redis may take, step by step.
const BACKGROUND_LIMIT: Duration = Duration::from_secs(2);

/// How long those may take who ask for metrics.
const HEALTH_LIMIT: Duration = Duration::from_secs(1);

/// All that a gateway has to stop, in order.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) settings: config::Drain,
    pub(crate) metrics: DrainMetrics,
    pub(crate) readiness: Readiness,
    pub(crate) registry: Arc<Registry>,
    pub(crate) presence: Presence,
    /// The public listener, and requests that are no connections yet.
    pub(crate) tasks: Tasks,
    /// Open connections.
    pub(crate) connections: Tasks,
    /// What channels need until the last of them has ended.
    pub(crate) background: Tasks,
    /// Health and metrics, which are served until the very end.
    pub(crate) health: Tasks,
}

impl Stop {
    /// Stops everything. Whether all ended by itself and in time.
    pub(crate) async fn run(self) -> bool {
        let schedule = Schedule::new(&self.settings, Instant::now());
        let _unready: Latch = self.readiness.latch();
        self.metrics.draining.set(1);
        if !self.settings.delay.is_zero() {
            tracing::info!(delay = ?self.settings.delay, "not ready any more; new clients are still taken for a while");
            sleep_until(schedule.deaf).await;
        }
        self.registry.refuse_new(CloseReason::Draining);
        self.tasks.stop();
        let drained = close_all(&self.registry, &self.connections, &self.settings, schedule.cut).await;
        // Behind them: a poll waits until its session has ended, and is answered then.
        let unanswered = UNANSWERED_LIMIT.min(schedule.cut.saturating_duration_since(Instant::now()));
        let stopped = self.tasks.join(unanswered).await;
        let step = |most| schedule.step(most, Instant::now());
        // Before the way to Redis is given up: the others are to see them leave now, and not when the lease has ended.
        if !self.presence.close(step(BACKGROUND_LIMIT)).await {
            tracing::warn!("the presences of this pod could not be taken back; the others will do it");
        }
        let stopped = self.background.join(step(BACKGROUND_LIMIT)).await && stopped;
        self.health.join(step(HEALTH_LIMIT)).await && stopped && drained
    }
}
