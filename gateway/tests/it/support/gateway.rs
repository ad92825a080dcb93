use std::net::SocketAddr;

use gateway::config::{Config, Mode};
use gateway::{Accepted, Builder, ConnectError, ConnectInfo, Endpoint, Gateway, Mount, Params, Router, Socket};

use super::client::Client;

/// A gateway in this process, embedded, on free ports of the loopback. Stopped when dropped.
pub(crate) struct TestGateway {
    gateway: Gateway,
}

/// Lets everybody in; the connect param `id` becomes the socket id.
pub(crate) struct OpenSocket;

impl Socket for OpenSocket {
    async fn connect(&self, params: &Params, _info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        Ok(params.get("id").map_or_else(Accepted::new, |id| Accepted::new().id(id)))
    }
}

impl TestGateway {
    /// With channels behind an open socket at `/socket`.
    pub(crate) async fn with_channels(router: Router) -> Self {
        Self::with_mounts([Mount::new("/socket", OpenSocket, router)]).await
    }

    /// With these mounts.
    pub(crate) async fn with_mounts(mounts: impl IntoIterator<Item = Mount>) -> Self {
        Self::with_config("", mounts).await
    }

    /// With settings of the file's form beside the addresses, and these mounts.
    pub(crate) async fn with_config(toml: &str, mounts: impl IntoIterator<Item = Mount>) -> Self {
        Self::with_builder(toml, |builder| mounts.into_iter().fold(builder, Builder::mount)).await
    }

    /// With settings of the file's form beside the addresses, and what the test adds.
    pub(crate) async fn with_builder(toml: &str, build: impl FnOnce(Builder) -> Builder) -> Self {
        let listen = "[listen]\npublic = \"127.0.0.1:0\"\ninternal = \"127.0.0.1:0\"\n";
        let config = Config::from_toml(Mode::Dev, &format!("{listen}{toml}")).unwrap();
        let builder = build(Gateway::builder(config));
        let gateway = builder.start().await.unwrap();
        gateway.ready().await;
        Self { gateway }
    }

    /// The relay of the configuration: every topic is open, as in `gateway dev`.
    pub(crate) async fn relay() -> Self {
        Self::with_channels(relay_router()).await
    }

    /// Relays with presence on all topics but `off:*`, as a configuration makes them.
    pub(crate) async fn with_presence() -> Self {
        let off = "[[channel]]\ntopic = \"off:*\"\njoin = \"open\"\n";
        let on = "[[channel]]\ntopic = \"*\"\njoin = \"open\"\npresence = true\nclient_events = [\"say\"]\n";
        Self::with_builder(&format!("{off}{on}"), Builder::mount_configured).await
    }

    /// The sockets and relays of a configuration.
    pub(crate) async fn configured(toml: &str) -> Self {
        Self::with_builder(toml, Builder::mount_configured).await
    }

    pub(crate) fn public(&self) -> SocketAddr {
        self.gateway.public_addr()
    }

    pub(crate) fn internal(&self) -> SocketAddr {
        self.gateway.internal_addr()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.gateway.endpoint()
    }

    /// A client at `/socket` with version 2.
    pub(crate) async fn connect(&self) -> Client {
        self.connect_to("/socket/websocket?vsn=2.0.0").await
    }

    /// A client at a path and query.
    pub(crate) async fn connect_to(&self, path: &str) -> Client {
        Client::connect(&format!("ws://{}{path}", self.public())).await
    }

    /// Stops in order; whether everything ended in time.
    pub(crate) async fn shutdown(self) -> bool {
        self.gateway.shutdown().await
    }
}

/// The channels of the relay, for every topic, without presence.
pub(crate) fn relay_router() -> Router {
    let mut channels = Config::from_toml(Mode::Dev, "").unwrap().channels;
    channels.iter_mut().for_each(|channel| channel.presence = false);
    gateway::relay_routes(&channels)
}
