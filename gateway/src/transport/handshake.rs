//! What is checked before a connection is upgraded, in the order of protocol 1.3. Long polls pass the same checks.

use std::net::IpAddr;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{HeaderMap, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{Method, StatusCode};
use thiserror::Error;

use super::admission::Refused;
use super::arrival::Arrival;
use crate::auth::TokenRefused;
use crate::socket::{Accepted, ConnectError, ConnectInfo, ConnectResult, Mount, Params, Refusal};
use crate::websocket::deflate::{self, Window};
use crate::websocket::handshake::{UpgradeError, accept};
use crate::wire::{Compression, Encoding, Vsn};

/// What phoenix.js offers beside its token, and expects to be selected.
const PHOENIX: &str = "phoenix";

/// What a token has in front of it among the subprotocols. In spite of the name, phoenix.js uses the standard alphabet.
const TOKEN_PREFIX: &str = "base64url.bearer.phx.";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL_SAFE_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Why a request was not upgraded.
#[derive(Debug, Error)]
pub(super) enum Rejection {
    #[error("the method is not GET")]
    Method,
    #[error("the origin is not allowed")]
    Origin,
    #[error("the auth token cannot be decoded")]
    Token,
    #[error("no offered subprotocol is supported")]
    Subprotocol,
    #[error("the vsn is not supported")]
    Vsn,
    #[error("{0}")]
    Unauthorized(TokenRefused, Option<Refusal>),
    #[error("the application refused the connection")]
    Refused(Option<Refusal>),
    #[error("the connect callback panicked")]
    Crashed,
    #[error(transparent)]
    NotAnUpgrade(#[from] UpgradeError),
    #[error("the pod is draining")]
    Draining,
    #[error(transparent)]
    Limit(#[from] Refused),
}

impl Rejection {
    /// Status and body (protocol 1.4).
    pub(super) fn response(&self) -> (StatusCode, String) {
        match self {
            Self::Method => (StatusCode::BAD_REQUEST, String::new()),
            Self::NotAnUpgrade(error) => (StatusCode::BAD_REQUEST, error.to_string()),
            Self::Refused(Some(refusal)) | Self::Unauthorized(_, Some(refusal)) => {
                (refusal.status, refusal.body.clone())
            }
            Self::Origin
            | Self::Token
            | Self::Subprotocol
            | Self::Vsn
            | Self::Unauthorized(_, None)
            | Self::Refused(None) => (StatusCode::FORBIDDEN, String::new()),
            Self::Crashed => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
            Self::Limit(refused) => (refused.status(), refused.to_string()),
        }
    }

    pub(super) fn result(&self) -> ConnectResult {
        match self {
            Self::Method | Self::NotAnUpgrade(_) => ConnectResult::BadRequest,
            Self::Origin => ConnectResult::OriginRefused,
            Self::Token => ConnectResult::TokenRefused,
            Self::Subprotocol => ConnectResult::SubprotocolRefused,
            Self::Vsn => ConnectResult::VsnRefused,
            Self::Unauthorized(..) => ConnectResult::Unauthorized,
            Self::Refused(_) => ConnectResult::Refused,
            Self::Crashed => ConnectResult::Crashed,
            Self::Draining => ConnectResult::Draining,
            Self::Limit(refused) => refused.result(),
        }
    }
}

/// A request that may be upgraded.
pub(super) struct Agreed {
    pub(super) accept_key: String,
    pub(super) subprotocol: Option<String>,
    /// The value of the response's `sec-websocket-extensions`.
    pub(super) extension: Option<&'static str>,
    pub(super) encoding: Encoding,
    pub(super) accepted: Accepted,
}

/// Checks a request that the limits let pass. `variables` are those of the path.
pub(super) async fn check(
    parts: &Parts,
    arrival: &Arrival,
    client_ip: IpAddr,
    variables: &[(String, String)],
    mount: &Mount,
) -> Result<Agreed, Rejection> {
    if parts.method != Method::GET {
        return Err(Rejection::Method);
    }
    let params = read_params(parts.uri.query().unwrap_or_default(), variables);
    check_origin(&parts.headers, arrival, mount)?;
    let offered = Offered::read(&parts.headers)?;
    let subprotocol = offered.select(mount.subprotocols.as_deref())?;
    let mut encoding = negotiate(&params, mount)?;
    let info = ConnectInfo::new(parts, arrival.peer, client_ip, offered.token.as_deref());
    let accepted = connect(mount, &params, &info).await?;
    let accept_key = accept(&parts.headers)?;
    let agreement = if mount.compress { deflate::negotiate(&parts.headers) } else { None };
    encoding.compression = match agreement.map(|agreement| agreement.window) {
        None => Compression::None,
        Some(Window::Full) => Compression::Deflate,
        Some(Window::Small) => Compression::DeflateSmall,
    };
    let extension = agreement.map(deflate::Agreement::answer);
    Ok(Agreed { accept_key, subprotocol, extension, encoding, accepted })
}

/// The connect params: those of the query, and the variables of the path, which win.
pub(super) fn read_params(query: &str, variables: &[(String, String)]) -> Params {
    let mut params = Params::from_query(query);
    for (name, value) in variables {
        params.set(name, value);
    }
    params
}

/// What the client asks to be sent.
pub(super) fn negotiate(params: &Params, mount: &Mount) -> Result<Encoding, Rejection> {
    let vsn = match params.value("vsn") {
        None => Vsn::negotiate(None),
        // A list or a map is refused like any other bad version (row 10).
        Some(_) => Vsn::negotiate(Some(params.get("vsn").unwrap_or_default())),
    };
    let (offsets, dialect) = (params.asks_for_offsets(), mount.dialect);
    Ok(Encoding { vsn: vsn.map_err(|_| Rejection::Vsn)?, offsets, dialect, compression: Compression::None })
}

/// Asks the application.
pub(super) async fn connect(mount: &Mount, params: &Params, info: &ConnectInfo<'_>) -> Result<Accepted, Rejection> {
    let accepted = mount.connect(params, info).await;
    accepted.map_err(|error: ConnectError| match (error.token(), mount.refusal(&error)) {
        (Some(reason), answer) => Rejection::Unauthorized(reason, answer),
        (None, answer) => Rejection::Refused(answer),
    })
}

/// Whether the page that a request comes from may connect; what comes from no page may.
pub(super) fn check_origin(headers: &HeaderMap, arrival: &Arrival, mount: &Mount) -> Result<(), Rejection> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    // A header that is not even text can match no rule, unless all is allowed.
    let origin = origin.to_str().unwrap_or_default();
    let request = arrival.request_origin(headers);
    if mount.check_origin.allows(Some(origin), &request) { Ok(()) } else { Err(Rejection::Origin) }
}

/// The subprotocols that a client offers, and the token that may be hidden among them (protocol 1.5, 1.6).
struct Offered {
    names: Option<Vec<String>>,
    token: Option<String>,
}

impl Offered {
    /// Reads the first header line.
    fn read(headers: &HeaderMap) -> Result<Self, Rejection> {
        let Some(header) = headers.get(SEC_WEBSOCKET_PROTOCOL) else { return Ok(Self { names: None, token: None }) };
        let header = header.to_str().map_err(|_| Rejection::Subprotocol)?;
        let mut names: Vec<String> = header.split(',').map(|name| name.trim().to_owned()).collect();
        let is_token = |name: &&String| name.starts_with(TOKEN_PREFIX);
        // More than one token: none of them is used (row 42).
        let token = if names.iter().filter(is_token).count() == 1 {
            let at = names.iter().position(|name| name.starts_with(TOKEN_PREFIX));
            at.map(|at| decode_token(&names.swap_remove(at))).transpose()?
        } else {
            None
        };
        Ok(Self { names: Some(names), token })
    }

    /// The first of the server's that was offered; `phoenix` is always one of them.
    fn select(&self, supported: Option<&[String]>) -> Result<Option<String>, Rejection> {
        let Some(offered) = &self.names else { return Ok(None) };
        let is_offered = |name: &&str| offered.iter().any(|offered| offered == name);
        let mut known = supported.unwrap_or_default().iter().map(String::as_str).chain([PHOENIX]);
        match known.find(is_offered) {
            Some(name) => Ok(Some(name.to_owned())),
            // Without a list of our own, or with nothing but the token offered, there is nothing to disagree about.
            None if supported.is_none() || offered.is_empty() => Ok(None),
            None => Err(Rejection::Subprotocol),
        }
    }
}

fn decode_token(entry: &str) -> Result<String, Rejection> {
    let encoded = entry.strip_prefix(TOKEN_PREFIX).unwrap_or_default();
    let bytes = STANDARD_BASE64.decode(encoded).or_else(|_| URL_SAFE_BASE64.decode(encoded));
    bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(Rejection::Token)
}
