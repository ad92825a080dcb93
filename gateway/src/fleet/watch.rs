use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::balancer::{Balancer, Verdict};
use super::metrics::FleetMetrics;
use super::shedder::Shedder;
use super::version::Version;
use crate::clock::Clock;
use crate::config;
use crate::lifecycle::Readiness;
use crate::presence::{Census, Presence};
use crate::pubsub::PubSub;
use crate::socket::Registry;

/// How often connections are sent away while there is a surplus.
const TICK: Duration = Duration::from_millis(100);

/// What is needed to look after this pod's place among the others.
pub(crate) struct Fleet {
    pub(crate) presence: Presence,
    pub(crate) pubsub: PubSub,
    pub(crate) registry: Arc<Registry>,
    pub(crate) readiness: Readiness,
    pub(crate) clock: Clock,
    pub(crate) metrics: FleetMetrics,
}

impl Fleet {
    /// Does so whenever the leases were read. Runs until it is dropped; alone there is nothing to do.
    pub(crate) async fn watch(self, presence: config::Presence, rebalance: config::Rebalance) {
        let Some(mut census) = self.presence.census() else { return };
        let mut version = Version::new(self.pubsub.newest_version(), presence.lease);
        let mut balancer = rebalance.enabled.then(|| Balancer::new(rebalance.tolerance));
        let (registry, metrics) = (self.registry.clone(), self.metrics.clone());
        let mut shedder = Shedder::new(registry, self.clock, metrics, rebalance.rate, presence.lease);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut surplus = 0;
        loop {
            tokio::select! {
                changed = census.changed() => if changed.is_err() { return },
                _ = ticks.tick(), if surplus > 0 => {
                    shedder.tick();
                    continue;
                }
            }
            let census = census.borrow_and_update().clone();
            self.metrics.pods.set(i64::try_from(census.others.len() + 1).unwrap_or(i64::MAX));
            self.pubsub.speak(version.choose(&census, Instant::now()));
            if let Some(balancer) = &mut balancer {
                surplus = self.surplus(balancer, &census, shedder.shed());
                self.metrics.surplus.set(i64::try_from(surplus).unwrap_or(i64::MAX));
                shedder.choose(surplus, presence.heartbeat);
            }
        }
    }

    fn surplus(&self, balancer: &mut Balancer, census: &Census, shed: u64) -> u64 {
        // A pod that stops sends its clients away in its own way.
        if census.doubtful || !self.readiness.is_ready() {
            return 0;
        }
        let others: Vec<u64> = census.others.iter().filter_map(|about| about.connections).collect();
        match balancer.look(self.registry.len() as u64, &others, shed) {
            Verdict::Steady => 0,
            Verdict::Surplus(surplus) => surplus,
            Verdict::Futile => {
                tracing::warn!(
                    "connections that were sent to other pods came back, so none are sent for a while: does the balancer \
                     send clients to every pod?"
                );
                self.metrics.futile.inc();
                0
            }
        }
    }
}
