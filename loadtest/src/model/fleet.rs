//! What is read of one run of `soak`.

use serde_json::Value;

/// One fleet under steady traffic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fleet {
    pub(super) nodes: usize,
    pub(super) connections: u64,
    /// Members of a topic.
    pub(super) per_topic: u64,
    pub(super) deliveries_per_second: f64,
    pub(super) messages_per_second: f64,
    pub(super) kib_per_connection: f64,
    pub(super) us_per_delivery: f64,
    pub(super) redis_us_per_message: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) seconds: u64,
    /// Others had more to do on the machine than it has cores when the run began.
    pub(super) disturbed: bool,
}

impl Fleet {
    /// Reads a result.
    pub(super) fn of(document: &Value) -> Result<Self, String> {
        if document["scenario"] != "soak" {
            return Err("it is no result of soak".to_owned());
        }
        let figures = &document["figures"];
        let figure = |name: &str| {
            let pointer = format!("/{}", name.replace('.', "/"));
            let value = figures.pointer(&pointer).and_then(Value::as_f64).filter(|value| *value > 0.0);
            value.ok_or_else(|| format!("it has no {name} (were --pid and --redis-pid given?)"))
        };
        let nodes = document["config"]["target"]["urls"].as_array().map(Vec::len).filter(|nodes| *nodes > 0);
        let per_topic = document["config"]["connections_per_topic"].as_u64();
        Ok(Self {
            nodes: nodes.ok_or("it does not say how many nodes there were")?,
            per_topic: per_topic.ok_or("it does not say how large its topics were")?.max(1),
            connections: figure("connections")? as u64,
            kib_per_connection: figure("resident_per_connection")? / 1024.0,
            deliveries_per_second: figure("deliveries_per_second")?,
            messages_per_second: figure("asked_per_second")?,
            us_per_delivery: figure("cpu_us_per_delivery")?,
            redis_us_per_message: figure("redis_cpu_us_per_message")?,
            p50_ms: figure("delivery_latency.p50_ms")?,
            p99_ms: figure("delivery_latency.p99_ms")?,
            seconds: document["config"]["duration"]["secs"].as_u64().unwrap_or_default(),
            disturbed: document["machine"]["load_average"].as_f64() > document["machine"]["cores"].as_f64(),
        })
    }

    /// How many nodes host a topic, since connections take turns at the nodes.
    pub(super) fn hosts(&self) -> f64 {
        self.hosts_of(self.nodes)
    }

    /// The same in a fleet of another size.
    pub(super) fn hosts_of(&self, nodes: usize) -> f64 {
        (nodes as u64).min(self.per_topic) as f64
    }
}
