use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// What the room counts. Clones share the counters.
#[derive(Debug, Clone)]
pub struct Metrics {
    entries: IntGauge,
    diffs: IntCounterVec,
    convergence: Histogram,
}

/// Why a diff was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody came, changed or went.
    Change,
    /// The store may have lost something, or was set back: what was held was compared with all that it has.
    Resync,
}

impl Cause {
    fn label(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Resync => "resync",
        }
    }
}

impl Metrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// When the registry has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let convergence = HistogramOpts::new(
            "gateway_presence_convergence_seconds",
            "From a track or update on this pod until it has come back and stands in a diff for this pod's clients",
        )
        .buckets(prometheus::exponential_buckets(0.001, 2.0, 14)?);
        let metrics = Self {
            entries: IntGauge::new("gateway_presence_entries", "Clients that this pod tracks, by topic and key")?,
            diffs: IntCounterVec::new(
                Opts::new("gateway_presence_diffs_total", "Presence diffs sent to this pod's clients, by cause"),
                &["cause"],
            )?,
            convergence: Histogram::with_opts(convergence)?,
        };
        for cause in [Cause::Change, Cause::Resync] {
            metrics.diffs.with_label_values(&[cause.label()]);
        }
        registry.register(Box::new(metrics.entries.clone()))?;
        registry.register(Box::new(metrics.diffs.clone()))?;
        registry.register(Box::new(metrics.convergence.clone()))?;
        Ok(metrics)
    }

    pub(super) fn tracked(&self) {
        self.entries.inc();
    }

    pub(super) fn untracked(&self, count: usize) {
        self.entries.sub(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn diff(&self, cause: Cause) {
        self.diffs.with_label_values(&[cause.label()]).inc();
    }

    pub(super) fn converged(&self, took: Duration) {
        self.convergence.observe(took.as_secs_f64());
    }
}
