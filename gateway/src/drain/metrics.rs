use prometheus::{IntGauge, Registry};

/// What the stop shows.
#[derive(Debug, Clone)]
pub(crate) struct DrainMetrics {
    pub(super) draining: IntGauge,
}

impl DrainMetrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let draining = IntGauge::new("gateway_draining", "1 from the signal to stop on")?;
        registry.register(Box::new(draining.clone()))?;
        Ok(Self { draining })
    }
}
