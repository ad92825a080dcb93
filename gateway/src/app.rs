//! Builds every part once and wires them: the only place that knows all.

mod application;
mod database;
mod front;
mod mounts;
mod turn;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry as MetricRegistry;
use thiserror::Error;

use self::application::Application;
use self::mounts::{configured_mount, rest_mounts, verifier};
pub use self::turn::Turn;
use crate::auth::VerifierError;
use crate::builtin::relay_routes;
use crate::channel::{ChannelMetrics, Endpoint, policy};
use crate::clock::Clock;
use crate::config::{Config, InvalidPattern, TopicPattern};
use crate::drain::{DrainMetrics, Stop};
use crate::fleet::{Fleet, FleetMetrics};
use crate::history::Policy;
use crate::http::{Access, Api, Internal, internal_routes, page_routes};
use crate::ids::NodeId;
use crate::lifecycle::{Readiness, Tasks};
use crate::outbox::{Budget, Flusher};
use crate::presence::{self, About, Hooks, Presence};
use crate::pubsub::{self, Control, ControlHandler, PubSub};
use crate::redis;
use crate::socket::{CloseReason, Mount, Registry, Services, SocketLimits, SocketMetrics, sweep};
use crate::store::{self, Store};
use crate::telemetry;
use crate::transport::{Acceptor, Listener, LongPolls, Tls, TlsError, rest_routes, socket_routes};
use crate::webhooks::{self, Webhooks};

pub(crate) use database::{database_location, open_database};

/// All outboxes of a pod may hold so many times what one may.
const BUDGET_OUTBOXES: usize = 256;

/// Why a gateway did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The Redis settings cannot be used.
    #[error(transparent)]
    Redis(#[from] redis::SettingsError),
    /// The database does not answer, or has not the tables of this version.
    #[error(transparent)]
    Database(#[from] store::OpenError),
    /// Tokens cannot be verified with the keys of the configuration.
    #[error(transparent)]
    Auth(#[from] VerifierError),
    /// The webhooks of the configuration cannot be called.
    #[error(transparent)]
    Webhooks(#[from] webhooks::ClientError),
    /// The certificate of `listen.tls_cert_file` or its key cannot be used.
    #[error("`listen.tls_cert_file`, `listen.tls_key_file`: {0}")]
    Tls(#[from] TlsError),
    /// Jobs of one name twice: each would take what the other has broadcast for its own.
    #[error("two jobs are named `{0}`: give each a name of its own")]
    RepeatedJob(Arc<str>),
    /// Metrics of one name twice.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Puts a gateway together.
///
/// ```no_run
/// # use gateway::{Accepted, ConnectError, ConnectInfo, Params, Socket};
/// # struct UserSocket;
/// # impl Socket for UserSocket {
/// #     async fn connect(&self, _: &Params, _: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> { Ok(Accepted::new()) }
/// # }
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// use gateway::{Gateway, Mount, Router, config::Config};
///
/// let mount = Mount::new("/socket", UserSocket, Router::new());
/// let gateway = Gateway::builder(Config::embedded()).mount(mount).start().await?;
/// println!("clients connect to ws://{}/socket", gateway.public_addr());
/// # Ok(()) }
/// ```
pub struct Builder {
    config: Config,
    mounts: Vec<Mount>,
    configured: bool,
    dev: bool,
    hooks: Vec<(TopicPattern, Arc<dyn Hooks>)>,
    application: Application,
}

impl Builder {
    /// Adds a socket.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Adds the sockets and relay channels of the configuration.
    #[must_use]
    pub fn mount_configured(mut self) -> Self {
        self.configured = true;
        self
    }

    /// Opens the API to this machine, adds the page at `/`, and lets only pages of this machine connect to configured
    /// sockets that name no origins.
    #[must_use]
    pub fn development(mut self) -> Self {
        self.dev = true;
        self
    }

    /// Adds what the application says about the presences of some topics, and what it wants to see of them. The first
    /// pattern that matches a topic counts.
    ///
    /// # Errors
    /// When the pattern has a `*` elsewhere than at its end.
    pub fn presence(mut self, pattern: &str, hooks: impl Hooks + 'static) -> Result<Self, InvalidPattern> {
        self.hooks.push((pattern.parse()?, Arc::new(hooks)));
        Ok(self)
    }

    /// Binds the addresses, connects to Redis and the database if there are any, and serves.
    ///
    /// # Errors
    /// When an address cannot be bound, or Redis or the database cannot be used.
    pub async fn start(self) -> Result<Gateway, StartError> {
        let Self { config, mut mounts, configured, dev, hooks, application } = self;
        application.check()?;
        let metrics = telemetry::registry()?;
        let verifier = verifier(&config, &metrics)?;
        // What channels need until the last of them has ended.
        let background = Tasks::new();
        let webhooks = Webhooks::new(&config.channels, webhooks::Metrics::register(&metrics)?, &background)?;
        let archive = database::connect(&config, &metrics, &background, dev).await?;
        if configured {
            let mount = |socket| configured_mount(socket, &config, verifier.as_ref(), &webhooks, archive.as_ref(), dev);
            mounts.extend(config.sockets().map(mount));
        }
        let rests = if configured { rest_mounts(&config, verifier.as_ref(), dev) } else { Vec::new() };
        let tls = config.listen.tls.as_ref().map(Tls::load).transpose()?.map(Arc::new);
        let (public, public_addr) = bind(config.listen.public, &config)?;
        let (internal, internal_addr) = bind(config.listen.internal, &config)?;

        let (tasks, connections, readiness) = (Tasks::new(), Tasks::new(), Readiness::new());
        let socket_metrics = SocketMetrics::register(&metrics)?;
        let clock = Clock::start();
        let registry = Arc::new(Registry::new(socket_metrics.connections.clone(), clock));
        let policy = policy(mounts.iter().map(Mount::router));
        let pubsub = connect_pubsub(&config, &metrics, &registry, &background, &readiness, policy).await?;
        let presence = connect_presence(&config, &pubsub, &metrics, &registry, &readiness, &background)?;
        hooks.into_iter().for_each(|(pattern, hooks)| presence.add_hooks(pattern, hooks));
        let endpoint = Endpoint::new(pubsub, presence.clone(), Arc::new(ChannelMetrics::register(&metrics)?));
        let services = services(&config, &endpoint, &registry, socket_metrics, &background);
        let (budget, clock) = (Arc::clone(&services.budget), services.clock);
        if let Some(verifier) = verifier {
            background.spawn_until_stop(async move { verifier.keep_fresh().await });
        }
        background.spawn_until_stop(sweep(Arc::clone(&registry), budget, clock, sweep_period(&mounts)));

        let front = Arc::new(front::front(&config, &services, tls, &background));
        let polled = mounts.iter().any(|mount| mount.longpoll.is_some());
        let longpolls = polled.then(|| LongPolls::start(endpoint.pubsub(), &background, &tasks));
        let acceptor = Acceptor { services, tasks: tasks.clone(), connections: connections.clone(), longpolls };
        let paths = mounts.iter().map(|mount| mount.path.clone()).collect();
        let mut routes = socket_routes(mounts, &acceptor).merge(rest_routes(&rests, &acceptor));
        if dev {
            routes = routes.merge(page_routes(paths));
        }
        let routes = application.start(routes, &endpoint, &tasks);
        let access = if dev { Access::Loopback } else { Access::Keys(config.api.keys) };
        let store = archive.as_ref().map(|archive| archive.store().clone());
        let api = Api { endpoint: endpoint.clone(), archive };
        let api = Internal { api, readiness: readiness.clone(), registry: metrics.clone(), access };
        tasks.spawn(public.serve(routes, tasks.clone(), Some(front)));
        // Health and metrics are served until the very end.
        let health = Tasks::new();
        health.spawn(internal.serve(internal_routes(api), health.clone(), None));
        let fleet = fleet(&acceptor.services, &presence, &readiness, FleetMetrics::register(&metrics)?);
        background.spawn_until_stop(fleet.watch(config.presence, config.rebalance));
        let (settings, metrics) = (config.drain, DrainMetrics::register(&metrics)?);
        let stop = Stop { settings, metrics, readiness, registry, presence, tasks, connections, background, health };
        Ok(Gateway { public_addr, internal_addr, endpoint, store, stop })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, mounts, dev, .. } = self;
        f.debug_struct("Builder")
            .field("config", config)
            .field("mounts", mounts)
            .field("dev", dev)
            .finish_non_exhaustive()
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    public_addr: SocketAddr,
    internal_addr: SocketAddr,
    endpoint: Endpoint,
    store: Option<Store>,
    stop: Stop,
}

impl Gateway {
    /// A gateway with these settings, and no sockets yet.
    pub fn builder(config: Config) -> Builder {
        let (mounts, hooks, application) = (Vec::new(), Vec::new(), Application::default());
        Builder { config, mounts, configured: false, dev: false, hooks, application }
    }

    /// Where clients connect to.
    pub fn public_addr(&self) -> SocketAddr {
        self.public_addr
    }

    /// Where health, metrics and the API are.
    pub fn internal_addr(&self) -> SocketAddr {
        self.internal_addr
    }

    /// Sends to topics and sockets.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Archived messages and members, where the configuration has a database.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// Whether clients should be sent here.
    pub fn is_ready(&self) -> bool {
        self.stop.readiness.is_ready()
    }

    /// Resolves when clients should be sent here: at once in embedded mode, else when Redis is connected.
    pub async fn ready(&self) {
        self.stop.readiness.ready().await;
    }

    /// Stops in order, as `[drain]` says: not ready, then no new connections, and the open ones closed with 1012, some at
    /// a time. Whether all ended in time.
    pub async fn shutdown(self) -> bool {
        self.stop.run().await
    }
}

/// Listens on an address; with the one that was taken, where any port was asked for.
fn bind(address: SocketAddr, config: &Config) -> Result<(Listener, SocketAddr), StartError> {
    let listener = Listener::bind(address, config.limits.handshake_timeout);
    let listener = listener.map_err(|error| StartError::Listen(address, error))?;
    let taken = listener.local_addr().unwrap_or(address);
    Ok((listener, taken))
}

/// What all connections share.
fn services(
    config: &Config,
    endpoint: &Endpoint,
    registry: &Arc<Registry>,
    socket_metrics: SocketMetrics,
    background: &Tasks,
) -> Arc<Services> {
    let flusher = Flusher::new(background.clone(), socket_metrics.bytes_sent.clone());
    Arc::new(Services {
        endpoint: endpoint.clone(),
        registry: Arc::clone(registry),
        budget: Budget::with_flusher(config.limits.outbox_bytes.saturating_mul(BUDGET_OUTBOXES), flusher),
        clock: Clock::start(),
        socket_metrics: Arc::new(socket_metrics),
        outbox_bytes: config.limits.outbox_bytes,
        limits: SocketLimits::new(&config.limits),
    })
}

/// What looks after this pod's place among the others.
fn fleet(services: &Services, presence: &Presence, readiness: &Readiness, metrics: FleetMetrics) -> Fleet {
    Fleet {
        presence: presence.clone(),
        pubsub: services.endpoint.pubsub().clone(),
        registry: Arc::clone(&services.registry),
        readiness: readiness.clone(),
        clock: services.clock,
        metrics,
    }
}

/// Idle connections are found within a quarter of the shortest idle timeout, a second at most.
fn sweep_period(mounts: &[Mount]) -> Duration {
    let timeouts = mounts.iter().flat_map(|mount| [Some(mount.idle_timeout), mount.longpoll]);
    let shortest = timeouts.flatten().min().unwrap_or(Duration::MAX);
    (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
}

async fn connect_pubsub(
    config: &Config,
    metrics: &MetricRegistry,
    registry: &Arc<Registry>,
    tasks: &Tasks,
    readiness: &Readiness,
    policy: Option<Policy>,
) -> Result<PubSub, StartError> {
    let registry = Arc::clone(registry);
    let handler: ControlHandler = Arc::new(move |control, age| match control {
        // Who has connected since the order was given was let in again.
        Control::Disconnect { socket_id } => registry.close_id(&socket_id, age, CloseReason::Disconnected),
    });
    let (node, metrics) = (NodeId::random(), pubsub::Metrics::register(metrics)?);
    let Some(settings) = redis_settings(config)? else { return Ok(PubSub::memory(node, handler, metrics, policy)) };
    Ok(PubSub::redis(node, &settings, handler, metrics, tasks, readiness, policy).await?)
}

fn connect_presence(
    config: &Config,
    pubsub: &PubSub,
    metrics: &MetricRegistry,
    registry: &Arc<Registry>,
    readiness: &Readiness,
    tasks: &Tasks,
) -> Result<Presence, StartError> {
    let metrics = presence::Metrics::register(metrics)?;
    let (registry, readiness, envelope) = (Arc::clone(registry), readiness.clone(), pubsub.newest_version());
    let describe = Arc::new(move || {
        // A pod that takes no clients does not count for the mean.
        About { connections: readiness.is_ready().then(|| registry.len() as u64), envelope }
    });
    Ok(match redis_settings(config)? {
        Some(redis) => Presence::redis(pubsub, &redis, &config.presence, describe, metrics, tasks)?,
        None => Presence::memory(pubsub, &config.presence, metrics, tasks),
    })
}

/// How Redis is reached, if it is.
pub(crate) fn redis_settings(config: &Config) -> Result<Option<redis::Settings>, redis::SettingsError> {
    let Some(url) = &config.redis.url else { return Ok(None) };
    let mut settings = redis::Settings::new(url.expose(), &config.redis.prefix)?;
    (settings.heartbeat, settings.envelope) = (config.presence.heartbeat, config.redis.envelope);
    Ok(Some(settings))
}

/// Redis for a command that serves nobody.
pub(crate) struct RedisClient {
    pub(crate) pubsub: PubSub,
    tasks: Tasks,
}

impl RedisClient {
    /// Lets what was sent go out.
    pub(crate) async fn close(self) {
        self.tasks.join(Duration::from_secs(1)).await;
    }
}

/// Connects a command to the Redis of the configuration.
pub(crate) async fn connect_redis(config: &Config) -> Result<RedisClient, StartError> {
    let tasks = Tasks::new();
    let metrics = MetricRegistry::new();
    let registry = Arc::new(Registry::new(SocketMetrics::register(&metrics)?.connections, Clock::start()));
    // What a command publishes is kept as if a pod had.
    let policy = policy(std::iter::once(&relay_routes(&config.channels)));
    let pubsub = connect_pubsub(config, &metrics, &registry, &tasks, &Readiness::new(), policy).await?;
    Ok(RedisClient { pubsub, tasks })
}
