use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntGauge, Registry};

use super::answer::{Answer, Verdict};
use super::error::CallError;
use super::request::Kind;

/// What the room counts. Clones share the counters.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    seconds: HistogramVec,
    pub(super) circuits_open: IntGauge,
}

/// All results, so that each is there from the start.
const RESULTS: [&str; 6] = ["ok", "error", "timeout", "unreachable", "invalid", "shed"];

impl Metrics {
    /// Makes the families and registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let seconds = HistogramOpts::new(
            "gateway_webhook_seconds",
            "From a call of a webhook until its outcome is known, the wait for a place included",
        )
        .buckets(vec![0.005, 0.02, 0.05, 0.1, 0.25, 1.0, 2.5, 5.0, 10.0]);
        let seconds = HistogramVec::new(seconds, &["kind", "result"])?;
        for kind in Kind::ALL {
            for result in RESULTS {
                let _there_from_the_start = seconds.with_label_values(&[kind.label(), result]);
            }
        }
        let circuits_open = IntGauge::new(
            "gateway_webhook_circuits_open",
            "Webhook back ends that failed too often and are left alone for some seconds",
        )?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(circuits_open.clone()))?;
        Ok(Self { seconds, circuits_open })
    }

    pub(super) fn observe(&self, kind: Kind, outcome: &Result<Answer, CallError>, took: Duration) {
        let result = match outcome {
            Ok(Answer { verdict: Verdict::Ok(_), .. }) => "ok",
            Ok(Answer { verdict: Verdict::Error(_), .. }) => "error",
            Err(CallError::Timeout) => "timeout",
            Err(CallError::Unreachable | CallError::Broken) => "unreachable",
            Err(CallError::Status(_) | CallError::Invalid(_)) => "invalid",
            Err(CallError::Overloaded | CallError::CircuitOpen) => "shed",
        };
        self.seconds.with_label_values(&[kind.label(), result]).observe(took.as_secs_f64());
    }
}
