use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};
use tower_service::Service as _;

use super::arrival::{Arrival, Front};
use super::patience::Patience;
use super::proxy_header;
use super::refuse::refuse;
use crate::lifecycle::Tasks;
use crate::socket::ConnectResult;

/// How many connections may wait to be accepted. Reconnecting clients come all at once.
const BACKLOG: i32 = 4096;

/// How long to wait after a failure to accept that will not go away by itself at once, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// From how much on no more of a client's request is read, one read aside: room for any head that is meant well. hyper's
/// own limit is six times more.
const CLIENT_BUFFER: usize = 64 * 1024;

/// How long a client's connection may stay at HTTP, in timeouts of a head: one for the head, the others for the connect
/// callback and for requests that are no handshakes.
const HTTP_TIMEOUTS: u32 = 3;

/// A bound address that serves HTTP/1.1.
///
/// The accept loop is our own, for the deadline: a client that has not sent its whole request head in time is cut, and
/// costs nothing but a TCP connection until then.
pub(crate) struct Listener {
    listener: TcpListener,
    head_timeout: Duration,
}

impl Listener {
    /// Binds an address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(crate) fn bind(address: SocketAddr, head_timeout: Duration) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self { listener: TcpListener::from_std(socket.into())?, head_timeout })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts and serves until the stop begins; `front` is for clients, and absent on the internal listener.
    pub(crate) async fn serve(self, routes: Router, tasks: Tasks, front: Option<Arc<Front>>) {
        let server = Server { routes, head_timeout: self.head_timeout, tasks: tasks.clone() };
        let mut stopped = pin!(tasks.stopped());
        loop {
            let accepted = tokio::select! {
                () = &mut stopped => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match &front {
                    Some(front) => receive(front, &server, stream, peer),
                    None => tasks.spawn(server.clone().serve(stream, peer)),
                },
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "connections cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Takes a client's connection. Who is refused here has cost an accept.
fn receive(front: &Arc<Front>, server: &Server, stream: TcpStream, peer: SocketAddr) {
    let tasks = &server.tasks;
    if front.proxy_protocol && front.proxies.contains(peer.ip()) {
        tasks.spawn(proxied(Arc::clone(front), server.clone(), stream, peer));
        return;
    }
    match front.admit(peer, peer.ip()) {
        Ok(arrival) => tasks.spawn(server.clone().serve_client(Arc::clone(front), stream, arrival)),
        Err(refused) => refuse(front, stream, refused, tasks),
    }
}

/// A connection that a trusted proxy begins by telling whose it is.
async fn proxied(front: Arc<Front>, server: Server, mut stream: TcpStream, peer: SocketAddr) {
    let read = timeout_at(Instant::now() + server.head_timeout, proxy_header::read(&mut stream));
    let client = tokio::select! {
        () = server.tasks.stopped() => return,
        read = read => match read {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a trusted proxy sent no PROXY header");
                return front.metrics.connect(ConnectResult::ProxyHeader);
            }
            Err(_late) => return front.metrics.connect(ConnectResult::ProxyHeader),
        },
    };
    let admitted = match client {
        Some(client) => front.admit(peer, client),
        None => front.admit_unknown(peer),
    };
    match admitted {
        // Boxed: while the header is awaited there need be no room for all that follows.
        Ok(arrival) => Box::pin(server.serve_client(front, stream, arrival)).await,
        Err(refused) => refuse(&front, stream, refused, &server.tasks),
    }
}

/// What each connection of a listener needs.
#[derive(Clone)]
struct Server {
    routes: Router,
    head_timeout: Duration,
    tasks: Tasks,
}

impl Server {
    /// Serves a connection of the internal listener.
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        if stream.set_nodelay(true).is_ok() {
            let head_timeout = self.head_timeout;
            let prepare = move |request: &mut Request<Incoming>| insert_peer(request, peer);
            self.serve_http(stream, http1(head_timeout), None, prepare).await;
        }
    }

    /// Serves a client that was let in, by TLS if that is configured.
    async fn serve_client(self, front: Arc<Front>, stream: TcpStream, arrival: Arrival) {
        // Messages are small and must not wait for each other.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let head_timeout = self.head_timeout;
        let deadline = Instant::now() + head_timeout;
        let until = deadline + head_timeout * (HTTP_TIMEOUTS - 1);
        let patience = Arc::new(Patience::new(until, head_timeout));
        let arrival = Arc::new(arrival);
        let until = Some(Arc::clone(arrival.patience.get_or_init(|| patience)));
        let prepare = move |request: &mut Request<Incoming>| {
            insert_peer(request, arrival.peer);
            request.extensions_mut().insert(Arc::clone(&arrival));
        };
        let Some(tls) = &front.tls else {
            return self.serve_http(stream, client_http1(head_timeout), until, prepare).await;
        };
        let shaken = tokio::select! {
            () = self.tasks.stopped() => return,
            shaken = timeout_at(deadline, tls.acceptor().accept(stream)) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => {
                // One deadline for both handshakes.
                let rest = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
                self.serve_http(Box::new(stream), client_http1(rest), until, prepare).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                front.metrics.connect(ConnectResult::Tls);
            }
            Err(_late) => front.metrics.connect(ConnectResult::Tls),
        }
    }

    /// Serves the requests of one connection, until one of them takes it over or its time is over: then the one
    /// under way is answered, if its client reads, and no other.
    async fn serve_http<S>(
        self,
        stream: S,
        http: http1::Builder,
        until: Option<Arc<Patience>>,
        prepare: impl Fn(&mut Request<Incoming>),
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { routes, head_timeout, tasks } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            prepare(&mut request);
            routes.clone().call(request.map(Body::new))
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        let over = async {
            match until {
                Some(until) => until.over().await,
                None => std::future::pending().await,
            }
        };
        let served = tokio::select! {
            served = &mut connection => served,
            () = tasks.stopped() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = over => {
                connection.as_mut().graceful_shutdown();
                let Ok(served) = timeout_at(Instant::now() + head_timeout, connection).await else {
                    return tracing::debug!("a client that stayed at HTTP was cut");
                };
                served
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "an HTTP connection failed");
        }
    }
}

fn http1(head_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    builder
}

fn client_http1(head_timeout: Duration) -> http1::Builder {
    let mut builder = http1(head_timeout);
    builder.max_buf_size(CLIENT_BUFFER);
    builder
}

fn insert_peer(request: &mut Request<Incoming>, peer: SocketAddr) {
    request.extensions_mut().insert(ConnectInfo(peer));
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
