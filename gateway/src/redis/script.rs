use fred::clients::{Client, Pipeline};
use fred::error::Error;
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::{ClusterHash, CustomCommand, Value};
use redis_protocol::redis_keyslot;

/// A Lua script, known to servers by its hash.
#[derive(Debug)]
pub struct Script {
    source: String,
    sha: String,
}

impl Script {
    /// A script whose keys all share a slot.
    pub fn new(source: &str) -> Self {
        // Servers hash the text whenever it is sent: what is for people stays here.
        let lines = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
        let source = lines.collect::<Vec<_>>().join("\n");
        Self { sha: fred::util::sha1_hash(&source), source }
    }

    /// Runs it; a server that does not know it yet gets its text.
    ///
    /// # Errors
    /// When the server is away, or the script fails.
    pub async fn run(&self, client: &Client, keys: Vec<String>, arguments: Vec<Value>) -> Result<Value, Error> {
        match client.evalsha(self.sha.as_str(), keys.clone(), arguments.clone()).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                client.eval(self.source.as_str(), keys, arguments).await
            }
            outcome => outcome,
        }
    }

    /// Queues it in a pipeline, always with its text: if the server did not know it by its hash, what stands behind it
    /// would overtake the second attempt.
    pub async fn queue(&self, pipeline: &Pipeline<Client>, keys: Vec<String>, arguments: Vec<Value>) {
        queue(pipeline, "EVAL", self.source.as_str().into(), keys, arguments).await;
    }

    /// Queues it behind another [`Script::queue`] of the same pipeline, all of which goes to one server: that server knows
    /// it by then.
    pub async fn queue_again(&self, pipeline: &Pipeline<Client>, keys: Vec<String>, arguments: Vec<Value>) {
        queue(pipeline, "EVALSHA", self.sha.as_str().into(), keys, arguments).await;
    }
}

async fn queue(
    pipeline: &Pipeline<Client>,
    command: &'static str,
    script: Value,
    keys: Vec<String>,
    arguments: Vec<Value>,
) {
    // By itself the client would take the text for the key.
    let slot = keys.first().map_or(ClusterHash::Random, |key| redis_keyslot(key.as_bytes()).into());
    let command = CustomCommand::new_static(command, slot, false);
    let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    let words = [script, Value::from(count)].into_iter();
    let words = words.chain(keys.into_iter().map(Value::from)).chain(arguments).collect();
    // Queued in memory: what becomes of it is known when the pipeline has run.
    let _: Result<Value, _> = pipeline.custom(command, words).await;
}
