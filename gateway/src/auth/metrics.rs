use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::refused::TokenRefused;

/// What the verification of tokens counts.
#[derive(Debug, Clone)]
pub(crate) struct TokenMetrics {
    refused: Vec<IntCounter>,
    pub(super) fetched: IntCounter,
    pub(super) not_fetched: IntCounter,
}

impl TokenMetrics {
    /// Counts for nobody.
    pub(super) fn new() -> Self {
        let count = || IntCounter::new("count", "count").expect("the name is a good one");
        Self { refused: TokenRefused::ALL.map(|_| count()).into(), fetched: count(), not_fetched: count() }
    }

    /// Makes the families and registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let by = |name: &str, help: &str, label: &str| -> prometheus::Result<IntCounterVec> {
            let family = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(family.clone()))?;
            Ok(family)
        };
        let refused = by("gateway_tokens_refused_total", "Tokens that were not accepted, by reason", "reason")?;
        let fetches = by("gateway_jwks_fetches_total", "Fetches of the keys at auth.jwks_url, by result", "result")?;
        Ok(Self {
            refused: TokenRefused::ALL.map(|reason| refused.with_label_values(&[reason.label()])).into(),
            fetched: fetches.with_label_values(&["ok"]),
            not_fetched: fetches.with_label_values(&["failed"]),
        })
    }

    pub(super) fn refused(&self, reason: TokenRefused) {
        if let Some(counter) = self.refused.get(reason as usize) {
            counter.inc();
        }
    }
}
