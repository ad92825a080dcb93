use crate::wire::Reason;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// What the channels of a pod count.
#[derive(Debug, Clone)]
pub(crate) struct ChannelMetrics {
    pub(crate) joined: IntGauge,
    pub(crate) joins_ok: IntCounter,
    pub(crate) joins_refused: IntCounter,
    pub(crate) joins_crashed: IntCounter,
    pub(crate) joins_unavailable: IntCounter,
    joins_unmatched: IntCounter,
    joins_too_many: IntCounter,
    pub(crate) joins_rate_limited: IntCounter,
    pub(crate) crashes: IntCounter,
    /// Clients that got all that they had missed.
    pub(crate) recovered: IntCounter,
    /// Clients that were told so: it could not be proved.
    pub(crate) not_recovered: IntCounter,
    /// Channels that were ended since messages were lost.
    pub(crate) lost: IntCounter,
    /// Missed messages that a channel failed on.
    pub(crate) skipped: IntCounter,
}

impl ChannelMetrics {
    /// Makes the families and registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let joined = IntGauge::new("gateway_channels_joined", "Channels that are joined now")?;
        let joins = Opts::new("gateway_joins_total", "Joins answered, by result");
        let joins = IntCounterVec::new(joins, &["result"])?;
        let recoveries =
            Opts::new("gateway_recoveries_total", "Clients that came back to a topic with history, by result");
        let recoveries = IntCounterVec::new(recoveries, &["result"])?;
        registry.register(Box::new(recoveries.clone()))?;
        let crashes = IntCounter::new("gateway_channel_crashes_total", "Channels ended by an error or a panic")?;
        registry.register(Box::new(joined.clone()))?;
        registry.register(Box::new(joins.clone()))?;
        registry.register(Box::new(crashes.clone()))?;
        let skipped = IntCounter::new(
            "gateway_recovery_skipped_total",
            "Missed messages that were left out since a channel failed on them",
        )?;
        registry.register(Box::new(skipped.clone()))?;
        Ok(Self {
            joined,
            joins_ok: joins.with_label_values(&["ok"]),
            joins_refused: joins.with_label_values(&["refused"]),
            joins_crashed: joins.with_label_values(&["crashed"]),
            joins_unavailable: joins.with_label_values(&["unavailable"]),
            joins_unmatched: joins.with_label_values(&["unmatched"]),
            joins_too_many: joins.with_label_values(&["too_many"]),
            joins_rate_limited: joins.with_label_values(&["rate_limited"]),
            crashes,
            recovered: recoveries.with_label_values(&["recovered"]),
            not_recovered: recoveries.with_label_values(&["not_recovered"]),
            lost: recoveries.with_label_values(&["lost"]),
            skipped,
        })
    }

    /// Counts a join that no channel saw.
    pub(crate) fn join_refused_by_socket(&self, reason: Reason) {
        match reason {
            Reason::TooManyChannels => self.joins_too_many.inc(),
            Reason::RateLimited => self.joins_rate_limited.inc(),
            Reason::TooLarge => self.joins_refused.inc(),
            _ => self.joins_unmatched.inc(),
        }
    }
}
