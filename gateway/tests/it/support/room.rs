use std::time::Duration;

use gateway::Mount;
use serde_json::json;
use tokio::time::Instant;

use super::client::Client;
use super::gateway::{OpenSocket, TestGateway, relay_router};
use super::handshake::metrics;
use super::panics::panics;
use super::raw::RawSocket;

/// Nothing that a test waits for takes so long, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway where two clients talk, joined before anything bad happens.
pub(crate) struct Room {
    pub(crate) gateway: TestGateway,
    alice: Client,
    bob: Client,
    said: u32,
}

impl Room {
    pub(crate) async fn new() -> Self {
        Self::with_config("").await
    }

    pub(crate) async fn with_config(toml: &str) -> Self {
        assert_eq!(panics(), 0);
        let gateway = TestGateway::with_config(toml, [Mount::new("/socket", OpenSocket, relay_router())]).await;
        let (mut alice, mut bob) = (gateway.connect().await, gateway.connect().await);
        alice.join("1", "room:1").await;
        bob.join("1", "room:1").await;
        Self { gateway, alice, bob, said: 0 }
    }

    pub(crate) async fn attacker(&self, target: &str) -> RawSocket {
        RawSocket::connect(self.gateway.public(), target).await
    }

    /// Asserts that a message is still answered and heard, and that nothing else came.
    pub(crate) async fn is_unharmed(&mut self) {
        self.said += 1;
        let reference = self.said.to_string();
        self.alice.send(json!(["1", reference, "room:1", "say", { "n": self.said }])).await;
        let broadcast = json!([null, null, "room:1", "say", { "n": self.said }]);
        assert_eq!(self.alice.next().await, broadcast);
        assert_eq!(self.bob.next().await, broadcast);
        let reply = json!(["1", reference, "room:1", "phx_reply", { "status": "ok", "response": {} }]);
        assert_eq!(self.alice.next().await, reply);
    }

    /// Asserts that nothing panicked or crashed, and that of all connections only those of the two are left.
    pub(crate) async fn ends_unharmed(mut self) {
        self.is_unharmed().await;
        assert_eq!(panics(), 0);
        let until = Instant::now() + PATIENCE;
        loop {
            let page = metrics(self.gateway.internal()).await;
            assert!(page.contains("\ngateway_channel_crashes_total 0\n"), "{page}");
            if page.contains("\ngateway_connections 2\n") && page.contains("\ngateway_channels_joined 2\n") {
                return;
            }
            assert!(Instant::now() < until, "connections or channels are left: {page}");
            tokio::task::yield_now().await;
        }
    }
}
