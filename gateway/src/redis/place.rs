//! Where a subscriber connection goes: the seam between one server, Sentinel and a cluster.

use std::pin::Pin;

use fred::clients::Client;
use fred::interfaces::{ClientLike, PubsubInterface};
use fred::types::config::Server;

/// Work that is not done yet.
pub(super) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a connection asks of its surroundings. No method waits.
pub(super) trait Place: Send + Sync {
    /// Which server to connect to, if that is known.
    fn server(&self) -> Option<Server>;

    /// The channel of the canary; the server is responsible for it.
    fn canary(&self) -> Option<String>;

    /// Publishes a canary; whether Redis took it.
    fn release(&self, canary: &str) -> Work<bool>;

    /// Whether channels belong to slots, which other servers may take over.
    fn is_sharded(&self) -> bool {
        false
    }

    /// Something does not fit the place any more: the connection fell, or the server has given up a channel.
    fn doubtful(&self, _channel: Option<&str>) {}
}

/// A server that the URL names, or the primary that Sentinel names.
pub(super) struct Single {
    /// Absent with Sentinel.
    pub(super) server: Option<Server>,
    pub(super) canary: String,
    /// Follows the primary.
    pub(super) client: Client,
}

impl Place for Single {
    fn server(&self) -> Option<Server> {
        // A client that has a primary is connected to it alone.
        self.server.clone().or_else(|| self.client.active_connections().into_iter().next())
    }

    fn canary(&self) -> Option<String> {
        Some(self.canary.clone())
    }

    fn release(&self, canary: &str) -> Work<bool> {
        let (client, canary) = (self.client.clone(), canary.to_owned());
        Box::pin(async move { client.publish::<i64, _, _>(canary, "").await.is_ok() })
    }
}
