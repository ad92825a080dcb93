use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::LuaInterface;
use fred::types::Value;

/// A Lua script, known to servers by its hash.
#[derive(Debug)]
pub struct Script {
    source: &'static str,
    sha: String,
}

impl Script {
    /// A script whose keys all share a slot.
    pub fn new(source: &'static str) -> Self {
        Self { source, sha: fred::util::sha1_hash(source) }
    }

    /// Runs it; a server that does not know it yet gets its text.
    ///
    /// # Errors
    /// When the server is away, or the script fails.
    pub async fn run(&self, client: &Client, keys: Vec<String>, arguments: Vec<Value>) -> Result<Value, Error> {
        match client.evalsha(self.sha.as_str(), keys.clone(), arguments.clone()).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => client.eval(self.source, keys, arguments).await,
            outcome => outcome,
        }
    }
}
