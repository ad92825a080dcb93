use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;

/// A registry that has the metrics of the process. Every room adds its own when `app` builds it.
///
/// # Errors
/// Never for a new registry; `prometheus` says so by its type.
pub fn registry() -> prometheus::Result<Registry> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    Ok(registry)
}
