use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::client::HttpClient;
use super::error::ClientError;
use super::gate::Gate;
use super::hook::Hook;
use super::metrics::Metrics;
use super::signature::SigningKey;
use crate::config;
use crate::lifecycle::Tasks;

/// The back ends of a pod: their connections, and one gate for each URL.
pub(crate) struct Webhooks {
    client: HttpClient,
    gates: Mutex<BTreeMap<String, Arc<Gate>>>,
    metrics: Metrics,
    tasks: Tasks,
}

impl Webhooks {
    /// For the channels of a configuration. Leaves are told by `tasks`.
    pub(crate) fn new(channels: &[config::Channel], metrics: Metrics, tasks: &Tasks) -> Result<Self, ClientError> {
        let mut webhooks = channels.iter().filter_map(|channel| channel.webhook.as_ref());
        let client = HttpClient::new(webhooks.any(|webhook| webhook.url.expose().scheme() == "https"))?;
        Ok(Self { client, gates: Mutex::default(), metrics, tasks: tasks.clone() })
    }

    /// The back end of a pattern. Patterns with the same URL share its gate.
    pub(crate) fn hook(&self, settings: &config::Webhook) -> Arc<Hook> {
        let mut gates = self.gates.lock();
        let gate = gates.entry(settings.url.to_string());
        let gate = gate.or_insert_with(|| Arc::new(Gate::new(settings.url.expose(), self.metrics.clone())));
        Arc::new(Hook {
            url: settings.url.expose().clone(),
            key: SigningKey::new(&settings.key()),
            timeout: settings.timeout,
            client: self.client.clone(),
            gate: Arc::clone(gate),
            metrics: self.metrics.clone(),
            tasks: self.tasks.clone(),
        })
    }
}
