use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::connect::{Accepted, AnySocket, ConnectError, ConnectInfo, Socket};
use super::params::Params;
use crate::auth::CheckOrigin;
use crate::channel::Router;
use crate::wire::Dialect;

/// How a refused connection is answered instead of 403 with an empty body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body, as plain text.
    pub body: String,
}

type RefusalHandler = Arc<dyn Fn(&str) -> Refusal + Send + Sync>;

/// A [`Socket`], its channels, and where and how clients reach it.
pub struct Mount {
    pub(crate) path: String,
    pub(crate) websocket_path: String,
    pub(crate) check_origin: CheckOrigin,
    pub(crate) subprotocols: Option<Vec<String>>,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_frame_size: usize,
    pub(crate) max_channels: usize,
    pub(crate) compress: bool,
    pub(crate) callback_grace: Duration,
    pub(crate) longpoll_path: String,
    /// How long a poll waits; none: no long polling.
    pub(crate) longpoll: Option<Duration>,
    pub(crate) dialect: Dialect,
    /// Refusals are JSON, and come so late; none: they are plain, and come at once.
    pub(crate) json_refusals: Option<Duration>,
    socket: Box<dyn AnySocket>,
    router: Router,
    on_refused: Option<RefusalHandler>,
}

impl Mount {
    /// Mounts a socket at a path such as `/socket`, which may hold variables, as in `/app/:tenant`: they become params.
    pub fn new(path: &str, socket: impl Socket, router: Router) -> Self {
        Self {
            path: path.to_owned(),
            websocket_path: "websocket".to_owned(),
            check_origin: CheckOrigin::Host(None),
            subprotocols: None,
            idle_timeout: Duration::from_secs(60),
            max_frame_size: 256 * 1024,
            max_channels: 100,
            compress: false,
            callback_grace: Duration::from_secs(5),
            longpoll_path: "longpoll".to_owned(),
            longpoll: None,
            dialect: Dialect::Phoenix,
            json_refusals: None,
            socket: Box::new(socket),
            router,
            on_refused: None,
        }
    }

    /// The path of the WebSocket below the mount's, `websocket` by default; it may hold variables too.
    #[must_use]
    pub fn websocket_path(mut self, path: &str) -> Self {
        self.websocket_path = path.to_owned();
        self
    }

    /// Serves long polling beside the WebSocket; a poll that finds nothing waits for so long. Must be shorter than clients wait
    /// for an answer: 20 seconds in phoenix.js. A session ends when for two such windows nobody polls.
    #[must_use]
    pub fn longpoll(mut self, window: Duration) -> Self {
        self.longpoll = Some(window);
        self
    }

    /// The path of long polling below the mount's, `longpoll` by default; it may hold variables too.
    #[must_use]
    pub fn longpoll_path(mut self, path: &str) -> Self {
        self.longpoll_path = path.to_owned();
        self
    }

    /// Which web pages may connect. By default all, since no host of our own is known.
    #[must_use]
    pub fn check_origin(mut self, rule: CheckOrigin) -> Self {
        self.check_origin = rule;
        self
    }

    /// The subprotocols that a client may offer, best first; it must offer one of them if it offers any.
    #[must_use]
    pub fn subprotocols(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subprotocols = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// How long a client may send nothing at all; 60 seconds by default. Must exceed its heartbeat.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// The largest frame, and message of several frames, in bytes; 256 KiB by default.
    #[must_use]
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.max_frame_size = bytes;
        self
    }

    /// How many channels one socket may have joined; 100 by default.
    #[must_use]
    pub fn max_channels(mut self, count: usize) -> Self {
        self.max_channels = count;
        self
    }

    /// Whether WebSockets whose clients offer it are compressed (permessage-deflate); by default they are not.
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// How long the callbacks of a channel may still run after it ended; 5 seconds by default.
    #[must_use]
    pub fn callback_grace(mut self, grace: Duration) -> Self {
        self.callback_grace = grace;
        self
    }

    /// Answers connections that were refused with a reason (row 13).
    #[must_use]
    pub fn on_refused(mut self, handler: impl Fn(&str) -> Refusal + Send + Sync + 'static) -> Self {
        self.on_refused = Some(Arc::new(handler));
        self
    }

    /// How its clients use frames.
    #[must_use]
    pub(crate) fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Answers all refusals as `{"error": text}`, and only after a while: clients that try again at once cost little then.
    #[must_use]
    pub(crate) fn json_refusals(mut self, delay: Duration) -> Self {
        self.json_refusals = Some(delay);
        self
    }

    /// Asks the application whether a client may connect.
    pub(crate) async fn connect(&self, params: &Params, info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        self.socket.connect(params, info).await
    }

    /// The answer to a refused connection, if the application has one.
    pub(crate) fn refusal(&self, error: &ConnectError) -> Option<Refusal> {
        Some((self.on_refused.as_ref()?)(error.as_reason()?))
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").field("path", &self.path).field("router", &self.router).finish_non_exhaustive()
    }
}
