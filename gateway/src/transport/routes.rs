use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::FutureExt as _;
use http::header::{
    CONNECTION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tracing::{Instrument as _, Span};

use super::admission::Permit;
use super::arrival::Arrival;
use super::connection::Connection;
use super::handshake::{Agreed, Rejection, check};
use super::longpoll::{LongPollMount, LongPolls, handle};
use super::tcp::SharedTcp;
use crate::channel::{Client, Transport};
use crate::lifecycle::Tasks;
use crate::socket::{Accepted, ConnectResult, Entry, Mount, Registration, Services};
use crate::telemetry::TraceId;
use crate::websocket::handshake::UpgradeError;
use crate::wire::Compression;

/// What the routes of the sockets need.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) services: Arc<Services>,
    pub(crate) tasks: Tasks,
    /// The tasks of the connections, apart from the others: the stop waits for them first.
    pub(crate) connections: Tasks,
    /// Present where a mount has long polling.
    pub(crate) longpolls: Option<Arc<LongPolls>>,
}

/// The routes of all mounts.
pub(crate) fn socket_routes(mounts: Vec<Mount>, acceptor: &Acceptor) -> Router {
    let mut routes = Router::new();
    for mount in mounts {
        let below = |path: &str| axum_path(&format!("{}/{path}", mount.path.trim_end_matches('/')));
        let (path, longpoll_path) = (below(&mount.websocket_path), below(&mount.longpoll_path));
        let (acceptor, mount) = (acceptor.clone(), Arc::new(mount));
        if let (Some(window), Some(longpolls)) = (mount.longpoll, acceptor.longpolls.clone()) {
            let state = LongPollMount { acceptor: acceptor.clone(), mount: Arc::clone(&mount), window, longpolls };
            routes = routes.merge(Router::new().route(&longpoll_path, any(handle)).with_state(state));
        }
        routes = routes.merge(Router::new().route(&path, any(upgrade)).with_state((acceptor, mount)));
    }
    routes
}

/// `/app/:tenant/socket` in the router's own form.
pub(super) fn axum_path(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

async fn upgrade(
    State((acceptor, mount)): State<(Acceptor, Arc<Mount>)>,
    variables: RawPathParams,
    request: Request,
) -> Response {
    let (parts, _body) = request.into_parts();
    // All that the connection logs tells its trace. Those without one have no span, which would cost each of them memory.
    let span = match TraceId::of(&parts.headers) {
        Some(trace_id) => tracing::error_span!("connection", %trace_id),
        None => Span::none(),
    };
    upgrade_parts(acceptor, mount, variables, parts, &span).instrument(span.clone()).await
}

async fn upgrade_parts(
    acceptor: Acceptor,
    mount: Arc<Mount>,
    variables: RawPathParams,
    mut parts: Parts,
    span: &Span,
) -> Response {
    let Some(arrival) = parts.extensions.remove::<Arc<Arrival>>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let metrics = Arc::clone(&acceptor.services.socket_metrics);
    let checked = if acceptor.tasks.is_stopping() {
        Err(Rejection::Draining)
    } else {
        let checked = AssertUnwindSafe(admit(&parts, &arrival, &variables, &mount)).catch_unwind();
        checked.await.unwrap_or(Err(Rejection::Crashed))
    };
    drop(arrival);
    let (agreed, permit, on_upgrade) = match (checked, parts.extensions.remove::<OnUpgrade>()) {
        (Ok((agreed, permit)), Some(on_upgrade)) => (agreed, permit, on_upgrade),
        (checked, _) => {
            let rejection = checked.err().unwrap_or(Rejection::NotAnUpgrade(UpgradeError::Connection));
            tracing::debug!(reason = %rejection, "refused to connect");
            metrics.connect(rejection.result());
            return refuse(&rejection, &mount).await;
        }
    };
    metrics.connect(ConnectResult::Accepted);
    let response = switching_protocols(&agreed);
    let Acceptor { services, connections, .. } = acceptor;
    // Before the answer: from then on a disconnect of the socket's id is meant for this connection too.
    let (client, registration) = register(agreed, &mount, &services);
    let (tasks, span) = (connections.clone(), span.clone());
    connections.spawn(async move {
        match on_upgrade.await {
            Ok(upgraded) => open(upgraded, client, registration, mount, services, permit, &Spawner { tasks, span }),
            Err(error) => tracing::debug!(parent: &span, %error, "the client went away during the handshake"),
        }
    });
    response
}

/// Lets a request pass the limits first, then all that is checked of it.
async fn admit(
    parts: &Parts,
    arrival: &Arrival,
    variables: &RawPathParams,
    mount: &Mount,
) -> Result<(Agreed, Option<Arc<Permit>>), Rejection> {
    let (client_ip, permit) = arrival.admit(&parts.headers)?;
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok((check(parts, arrival, client_ip, &variables, mount).await?, permit))
}

/// Makes the connection known to the pod.
fn register(agreed: Agreed, mount: &Mount, services: &Services) -> (Arc<Client>, Registration) {
    let Agreed { encoding, accepted, .. } = agreed;
    let (endpoint, outbox) = (services.endpoint.clone(), services.outbox(mount.max_frame_size));
    let Accepted { id, assigns, expires_at } = accepted;
    let client = Client::new(id, assigns, encoding, Transport::WebSocket, endpoint, outbox, expires_at);
    let client = Arc::new(client);
    let entry = Entry::new(Arc::clone(&client), mount.idle_timeout, services.clock.now_ms());
    (client, services.registry.register(entry))
}

/// Takes the connection out of hyper: what it read beyond the handshake is kept, its buffers are not. It runs in a task of
/// its own, which holds nothing but the open connection.
fn open(
    upgraded: Upgraded,
    client: Arc<Client>,
    registration: Registration,
    mount: Arc<Mount>,
    services: Arc<Services>,
    permit: Option<Arc<Permit>>,
    tasks: &Spawner,
) {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let (stream, read) = (parts.io.into_inner(), parts.read_buf);
            // Its task counts what compression saves, so it writes all by itself.
            if client.encoding().compression != Compression::None {
                return tasks
                    .spawn(Connection::new(stream, &read, client, registration, mount, services, permit).run());
            }
            let stream = SharedTcp::new(stream, client.outbox());
            return tasks.spawn(Connection::new(stream, &read, client, registration, mount, services, permit).run());
        }
        Err(upgraded) => upgraded,
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<Box<TlsStream<TcpStream>>>>() else {
        unreachable!("the listener serves no other streams")
    };
    let (stream, read) = (parts.io.into_inner(), parts.read_buf);
    tasks.spawn(Connection::new(stream, &read, client, registration, mount, services, permit).run());
}

/// Spawns the tasks of a connection, in the span of its trace if it has one.
struct Spawner {
    tasks: Tasks,
    span: Span,
}

impl Spawner {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if self.span.is_none() {
            self.tasks.spawn(task);
        } else {
            self.tasks.spawn(task.instrument(self.span.clone()));
        }
    }
}

fn switching_protocols(agreed: &Agreed) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(key) = HeaderValue::from_str(&agreed.accept_key) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, key);
    }
    if let Some(Ok(name)) = agreed.subprotocol.as_deref().map(HeaderValue::from_str) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, name);
    }
    if let Some(extension) = agreed.extension {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(extension));
    }
    response
}

/// The answer to a refused request, in the form and at the time that the mount's clients expect.
async fn refuse(rejection: &Rejection, mount: &Mount) -> Response {
    let (status, text) = rejection.response();
    let mut response = match mount.json_refusals {
        None => (status, text).into_response(),
        Some(delay) => {
            tokio::time::sleep(delay).await;
            let text = if text.is_empty() { rejection.to_string() } else { text };
            (status, axum::Json(serde_json::json!({ "error": text }))).into_response()
        }
    };
    if matches!(rejection, Rejection::NotAnUpgrade(UpgradeError::Version)) {
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    if let Rejection::Limit(refused) = rejection {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(refused.retry_after()));
    }
    // The next attempt comes to another pod.
    if matches!(rejection, Rejection::Draining) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(1_u16));
    }
    response
}
