use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// What the room counts. Clones share the counters.
#[derive(Debug, Clone)]
pub struct Metrics {
    delivered: IntCounter,
    broadcast_seconds: Histogram,
    redis_up: IntGauge,
    redis_reconnects: IntCounter,
    dropped: IntCounterVec,
    duplicates: IntCounter,
    gaps: IntCounterVec,
    envelope_version: IntGauge,
}

/// Why a message that came was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It is none of ours and not the JSON that others may send.
    Foreign,
    /// It is of a version that this program does not know.
    Version,
    /// It claims to be ours and is not.
    Malformed,
    /// It came before.
    Duplicate,
    /// It did not come by the history of its topic.
    Raw,
}

/// What became of messages that a pod had missed of a topic with history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// They were read from the history and delivered in order.
    Filled,
    /// They cannot be had any more: subscribers were told.
    Lost,
    /// It was delivered live, and is in no history: a pod that does not know that the topic keeps one published it.
    Unkept,
}

impl Gap {
    fn label(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::Lost => "lost",
            Self::Unkept => "unkept",
        }
    }
}

impl Dropped {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Version => "version",
            Self::Malformed => "malformed",
            Self::Duplicate => "duplicate",
            Self::Raw => "raw",
        }
    }
}

impl Metrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// When the registry has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let broadcast_seconds = HistogramOpts::new(
            "gateway_broadcast_seconds",
            "From the call of broadcast on a pod that hosts the topic until the message has come back to it",
        )
        .buckets(prometheus::exponential_buckets(0.000_25, 2.0, 14)?);
        let metrics = Self {
            delivered: IntCounter::new(
                "gateway_messages_delivered_total",
                "Broadcast messages queued to subscribers of this pod",
            )?,
            broadcast_seconds: Histogram::with_opts(broadcast_seconds)?,
            redis_up: IntGauge::new(
                "gateway_redis_up",
                "1 while all subscriber connections to Redis are up, also in embedded mode",
            )?,
            redis_reconnects: IntCounter::new(
                "gateway_redis_reconnects_total",
                "Subscriber connections to Redis that came back after an interruption",
            )?,
            dropped: IntCounterVec::new(
                Opts::new("gateway_broadcasts_dropped_total", "Messages from Redis that were not delivered, by reason"),
                &["reason"],
            )?,
            duplicates: IntCounter::new(
                "gateway_idempotent_duplicates_total",
                "Broadcasts asked of this pod whose idempotency key was known, and which were not sent again",
            )?,
            gaps: IntCounterVec::new(
                Opts::new(
                    "gateway_history_gaps_total",
                    "Gaps in the messages of topics with history that this pod noticed, by what became of them",
                ),
                &["result"],
            )?,
            envelope_version: IntGauge::new(
                "gateway_envelope_version",
                "The version of the messages that this pod sends to the others; 0 in embedded mode",
            )?,
        };
        for reason in [Dropped::Foreign, Dropped::Version, Dropped::Malformed, Dropped::Duplicate, Dropped::Raw] {
            metrics.dropped.with_label_values(&[reason.label()]);
        }
        for gap in [Gap::Filled, Gap::Lost, Gap::Unkept] {
            metrics.gaps.with_label_values(&[gap.label()]);
        }
        registry.register(Box::new(metrics.delivered.clone()))?;
        registry.register(Box::new(metrics.broadcast_seconds.clone()))?;
        registry.register(Box::new(metrics.redis_up.clone()))?;
        registry.register(Box::new(metrics.redis_reconnects.clone()))?;
        registry.register(Box::new(metrics.dropped.clone()))?;
        registry.register(Box::new(metrics.duplicates.clone()))?;
        registry.register(Box::new(metrics.gaps.clone()))?;
        registry.register(Box::new(metrics.envelope_version.clone()))?;
        Ok(metrics)
    }

    pub(super) fn delivered(&self, count: usize) {
        self.delivered.inc_by(count as u64);
    }

    pub(super) fn looped_back(&self, seconds: f64) {
        self.broadcast_seconds.observe(seconds);
    }

    pub(super) fn redis_up(&self, up: bool) {
        self.redis_up.set(i64::from(up));
    }

    pub(super) fn reconnected(&self) {
        self.redis_reconnects.inc();
    }

    pub(super) fn duplicate(&self) {
        self.duplicates.inc();
    }

    pub(super) fn gap(&self, gap: Gap) {
        self.gaps.with_label_values(&[gap.label()]).inc();
    }

    pub(super) fn envelope_version(&self, version: u8) {
        self.envelope_version.set(version.into());
    }

    pub(super) fn dropped(&self, reason: Dropped) {
        self.dropped.with_label_values(&[reason.label()]).inc();
    }
}
