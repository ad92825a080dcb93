use prometheus::{IntCounter, IntGauge, Registry};

/// What this pod knows of the others, and does about it.
#[derive(Debug, Clone)]
pub(crate) struct FleetMetrics {
    pub(super) pods: IntGauge,
    pub(super) rebalanced: IntCounter,
    pub(super) surplus: IntGauge,
    pub(super) futile: IntCounter,
}

impl FleetMetrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        Ok(Self {
            pods: gauge("gateway_pods", "Pods that have a lease, as this one sees it; 0 in embedded mode")?,
            rebalanced: counter(
                "gateway_rebalanced_total",
                "Connections closed because this pod had far more than the others",
            )?,
            surplus: gauge("gateway_rebalance_surplus", "Connections that this pod still wants to send to the others")?,
            futile: counter(
                "gateway_rebalance_futile_total",
                "Times that sending connections away was given up for a while because they came back",
            )?,
        })
    }
}
