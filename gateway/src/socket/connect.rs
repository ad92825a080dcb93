use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Uri};
use thiserror::Error;

use super::params::Params;
use crate::auth::TokenRefused;
use crate::channel::{Assigns, seconds};

/// Decides who may connect, as a Phoenix `UserSocket` does. Its own fields are what the application knows about all
/// connections.
///
/// ```
/// use gateway::{Accepted, ConnectError, ConnectInfo, Params, Socket};
///
/// struct User(String);
/// struct UserSocket;
///
/// impl Socket for UserSocket {
///     async fn connect(&self, params: &Params, _info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
///         let user = params.get("user").ok_or_else(ConnectError::refused)?;
///         Ok(Accepted::new().id(format!("user_socket:{user}")).assign(User(user.to_owned())))
///     }
/// }
/// ```
pub trait Socket: Send + Sync + 'static {
    /// May this client connect? Runs before the handshake is answered; it is dropped when the client goes away.
    fn connect(
        &self,
        params: &Params,
        info: &ConnectInfo<'_>,
    ) -> impl Future<Output = Result<Accepted, ConnectError>> + Send;
}

/// A [`Socket`] without its type.
pub(super) trait AnySocket: Send + Sync {
    fn connect<'a>(
        &'a self,
        params: &'a Params,
        info: &'a ConnectInfo<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Accepted, ConnectError>> + Send + 'a>>;
}

impl<S: Socket> AnySocket for S {
    fn connect<'a>(
        &'a self,
        params: &'a Params,
        info: &'a ConnectInfo<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Accepted, ConnectError>> + Send + 'a>> {
        Box::pin(Socket::connect(self, params, info))
    }
}

/// A connection that may go on: its socket id and what its channels will know of it.
#[derive(Debug, Default)]
pub struct Accepted {
    pub(crate) id: Option<Box<str>>,
    pub(crate) assigns: Assigns,
    /// Seconds since 1970.
    pub(crate) expires_at: Option<u64>,
}

impl Accepted {
    /// Without an id and assigns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the socket an id; all sockets with it can be disconnected together, on every pod.
    #[must_use]
    pub fn id(mut self, id: impl Into<Box<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Leaves a value for the channels, in the place of its type.
    #[must_use]
    pub fn assign<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.assigns.insert(value);
        self
    }

    /// Ends the connection then, with code 4001, unless it is renewed ([`crate::Client::renew_until`]). 60 seconds before,
    /// the client gets `token_expiring` with `{"expires_in": seconds}` on each of its topics.
    #[must_use]
    pub fn expires_at(mut self, at: SystemTime) -> Self {
        self.expires_at = Some(seconds(at));
        self
    }
}

/// The client may not connect. It is answered 403 with an empty body, unless the mount answers the reason
/// ([`super::Mount::on_refused`]).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the connection is refused")]
pub struct ConnectError {
    reason: Option<Box<str>>,
    token: Option<TokenRefused>,
}

impl ConnectError {
    /// Refuses without a reason.
    pub fn refused() -> Self {
        Self { reason: None, token: None }
    }

    /// Refuses with a reason for the mount's refusal handler; it is not shown to the client by itself.
    pub fn reason(reason: impl Into<Box<str>>) -> Self {
        Self { reason: Some(reason.into()), token: None }
    }

    /// Refuses because of a token, with a reason for the mount's refusal handler.
    pub(crate) fn bad_token(token: TokenRefused, reason: impl Into<Box<str>>) -> Self {
        Self { reason: Some(reason.into()), token: Some(token) }
    }

    /// The reason, if there is one.
    pub fn as_reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What was wrong with the token, if that is why.
    pub fn token(&self) -> Option<TokenRefused> {
        self.token
    }
}

/// The client is told 403; the log and the metrics are told more.
impl From<TokenRefused> for ConnectError {
    fn from(token: TokenRefused) -> Self {
        Self { reason: None, token: Some(token) }
    }
}

/// What the connect callback can know of the request beside its params. Other headers and cookies stay hidden
/// (protocol 1.8).
pub struct ConnectInfo<'a> {
    parts: &'a Parts,
    peer: SocketAddr,
    client_ip: IpAddr,
    auth_token: Option<&'a str>,
}

impl<'a> ConnectInfo<'a> {
    pub(crate) fn new(parts: &'a Parts, peer: SocketAddr, client_ip: IpAddr, auth_token: Option<&'a str>) -> Self {
        Self { parts, peer, client_ip, auth_token }
    }

    /// The address at the other end of the TCP connection (row 48): a proxy's, if there is one.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The client's own address, as far as it is known: what the proxies of `socket.trusted_proxies` tell by
    /// `X-Forwarded-For` or a PROXY header, else that of the TCP connection. A client cannot choose it.
    pub fn client_ip(&self) -> IpAddr {
        self.client_ip
    }

    /// The path and query of the request (row 49).
    pub fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    /// The host that the client asked for.
    pub fn host(&self) -> Option<&str> {
        header(&self.parts.headers, "host")
    }

    /// The header `User-Agent` (row 50).
    pub fn user_agent(&self) -> Option<&str> {
        header(&self.parts.headers, "user-agent")
    }

    /// All headers whose name begins with `x-` (row 45).
    pub fn x_headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        with_prefix(&self.parts.headers, "x-")
    }

    /// All headers whose name begins with `sec-websocket-` (row 46).
    pub fn sec_websocket_headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        with_prefix(&self.parts.headers, "sec-websocket-")
    }

    /// `traceparent` and `tracestate` (row 47).
    pub fn trace_context_headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let headers = &self.parts.headers;
        ["traceparent", "tracestate"].into_iter().filter_map(move |name| Some((name, header(headers, name)?)))
    }

    /// The token that came as a subprotocol, decoded (row 39).
    pub fn auth_token(&self) -> Option<&str> {
        self.auth_token
    }

    /// The token of the first header `Authorization`, if that is `Bearer TOKEN`. Empty when it is not text.
    pub fn bearer_token(&self) -> Option<&str> {
        let value = self.parts.headers.get(AUTHORIZATION)?.as_bytes();
        let (scheme, token) =
            value.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))?;
        debug_assert_eq!(scheme.len(), 7);
        Some(std::str::from_utf8(token).unwrap_or_default().trim_matches(' '))
    }
}

impl fmt::Debug for ConnectInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and query may hold secrets.
        f.debug_struct("ConnectInfo").field("peer", &self.peer).finish_non_exhaustive()
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn with_prefix<'a>(headers: &'a HeaderMap, prefix: &'static str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    headers
        .iter()
        .filter(move |(name, _)| name.as_str().starts_with(prefix))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
}
