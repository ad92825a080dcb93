use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::Request;
use serde_json::Value;

use super::socket::TestSocket;
use crate::channel::{ChannelMetrics, Client, Endpoint, Transport, policy};
use crate::clock::Clock;
use crate::config::{self, InvalidPattern};
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::outbox::{Budget, Outbox};
use crate::presence::{self, Hooks, Presence};
use crate::pubsub::{self, Control, ControlHandler, PubSub};
use crate::socket::{
    Accepted, CloseReason, ConnectError, ConnectInfo, Driver, Entry, Mount, Params, Registry, Services, SocketLimits,
    SocketMetrics,
};
use crate::wire::Vsn;

/// One embedded pod without a listener: the sockets and channels of a [`Mount`], with pub/sub and presence of their own.
/// Needs a tokio runtime, which every `#[tokio::test]` is.
pub struct ChannelTest {
    services: Arc<Services>,
    mount: Arc<Mount>,
    presence: Presence,
    tasks: Tasks,
}

impl ChannelTest {
    /// A pod with these channels. Limits are those of the mount.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(mount: Mount) -> Self {
        let (tasks, metrics, clock) = (Tasks::new(), prometheus::Registry::new(), Clock::start());
        let known_once = "each name is registered once, in a registry of our own";
        let socket_metrics = SocketMetrics::register(&metrics).expect(known_once);
        let registry = Arc::new(Registry::new(socket_metrics.connections.clone(), clock));
        let orders = Arc::clone(&registry);
        let handler: ControlHandler = Arc::new(move |control, age| match control {
            Control::Disconnect { socket_id } => orders.close_id(&socket_id, age, CloseReason::Disconnected),
        });
        let pubsub_metrics = pubsub::Metrics::register(&metrics).expect(known_once);
        let policy = policy(std::iter::once(mount.router()));
        let pubsub = PubSub::memory(NodeId::random(), handler, pubsub_metrics, policy);
        let presence_metrics = presence::Metrics::register(&metrics).expect(known_once);
        let presence = Presence::memory(&pubsub, &config::Presence::default(), presence_metrics, &tasks);
        let channel_metrics = Arc::new(ChannelMetrics::register(&metrics).expect(known_once));
        let services = Services {
            endpoint: Endpoint::new(pubsub, presence.clone(), channel_metrics),
            registry,
            budget: Budget::new(usize::MAX),
            clock,
            socket_metrics: Arc::new(socket_metrics),
            outbox_bytes: usize::MAX / 4,
            limits: SocketLimits::default(),
        };
        Self { services: Arc::new(services), mount: Arc::new(mount), presence, tasks }
    }

    /// Adds presence hooks, as [`crate::Builder::presence`] does.
    ///
    /// # Errors
    /// When the pattern has a `*` elsewhere than at its end.
    pub fn presence(self, pattern: &str, hooks: impl Hooks + 'static) -> Result<Self, InvalidPattern> {
        self.presence.add_hooks(pattern.parse()?, Arc::new(hooks));
        Ok(self)
    }

    /// Sends to topics and sockets, as code outside of channels does.
    pub fn endpoint(&self) -> &Endpoint {
        &self.services.endpoint
    }

    /// Connects with params, an object whose plain values become strings, through the connect callback.
    ///
    /// # Errors
    /// What the callback refuses with.
    pub async fn connect(&self, params: Value) -> Result<TestSocket, ConnectError> {
        self.connected(params, None).await
    }

    /// As [`ChannelTest::connect`], with the `authToken` of phoenix.js.
    ///
    /// # Errors
    /// What the callback refuses with.
    pub async fn connect_with_token(&self, params: Value, token: &str) -> Result<TestSocket, ConnectError> {
        self.connected(params, Some(token)).await
    }

    async fn connected(&self, params: Value, token: Option<&str>) -> Result<TestSocket, ConnectError> {
        let (parts, ()) = Request::new(()).into_parts();
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        let info = ConnectInfo::new(&parts, SocketAddr::new(ip, 0), ip, token);
        Ok(self.socket(self.mount.connect(&Params::of_test(params), &info).await?))
    }

    /// A connection past the connect callback, with this id and these assigns.
    pub fn socket(&self, accepted: Accepted) -> TestSocket {
        let Accepted { id, assigns, expires_at } = accepted;
        let outbox = Arc::new(Outbox::new(self.services.outbox_bytes, Arc::clone(&self.services.budget)));
        let endpoint = self.services.endpoint.clone();
        let client = Client::new(id, assigns, Vsn::V2, Transport::WebSocket, endpoint, outbox, expires_at);
        let client = Arc::new(client);
        let entry = Entry::new(Arc::clone(&client), self.mount.idle_timeout, self.services.clock.now_ms());
        let registration = self.services.registry.register(entry);
        let driver = Driver::new(Arc::clone(&client), Arc::clone(&self.mount));
        TestSocket::open(client, registration, driver, Arc::clone(&self.services), &self.tasks)
    }
}

impl fmt::Debug for ChannelTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelTest").field("mount", &self.mount).finish_non_exhaustive()
    }
}
