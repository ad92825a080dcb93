use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::auth::{Identity, TokenRefused, Verifier};
use crate::channel::MAX_SOCKET_ID;
use crate::config::IdTemplate;
use crate::socket::{Accepted, ConnectError, ConnectInfo, Params, Socket};
use crate::webhooks::TraceContext;

/// The connect param `user_id`, for the presences of relays.
pub(super) struct UserId(pub(super) Box<str>);

/// Lets everybody connect, or who has a good token. The socket id comes from the connect params and the token by a
/// template.
#[derive(Debug, Clone, Default)]
pub struct RelaySocket {
    id: Option<IdTemplate>,
    tokens: Option<Tokens>,
}

#[derive(Debug, Clone)]
struct Tokens {
    verifier: Arc<Verifier>,
    required: bool,
}

impl RelaySocket {
    /// With the template of the configuration.
    pub fn new(id: Option<IdTemplate>) -> Self {
        Self { id, tokens: None }
    }

    /// Refuses bad tokens, and, if one is required, who has none. A connection ends with its token; its channels find an
    /// [`Identity`] among the assigns.
    #[must_use]
    pub fn tokens(mut self, verifier: Arc<Verifier>, required: bool) -> Self {
        self.tokens = Some(Tokens { verifier, required });
        self
    }
}

impl Tokens {
    /// As whom somebody connects, and until when; none for an anonymous client.
    async fn identify(&self, token: Option<&str>) -> Result<Option<(Identity, u64)>, TokenRefused> {
        let Some(token) = token else {
            if self.required {
                self.verifier.refused(TokenRefused::Missing);
                return Err(TokenRefused::Missing);
            }
            return Ok(None);
        };
        let claims = self.verifier.verify(token).await?;
        let exp = claims.exp;
        Ok(Some((Identity::new(claims, Arc::clone(&self.verifier)), exp)))
    }
}

impl Socket for RelaySocket {
    async fn connect(&self, params: &Params, info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        let mut accepted = Accepted::new();
        let identified = match &self.tokens {
            Some(tokens) => tokens.identify(token(params, info)).await?,
            None => None,
        };
        if let Some(user) = params.get("user_id").filter(|user| !user.is_empty()) {
            if user.len() > MAX_SOCKET_ID {
                return Err(ConnectError::refused());
            }
            accepted = accepted.assign(UserId(user.into()));
        }
        if let Some(trace) = TraceContext::of_headers(info.trace_context_headers()) {
            accepted = accepted.assign(trace);
        }
        let sub = identified.as_ref().map(|(identity, _)| identity.sub());
        let id = self.id.as_ref().and_then(|template| {
            // With tokens, who somebody is stands in the token and nowhere else.
            template.render(|name| if name == "sub" && self.tokens.is_some() { sub } else { params.get(name) })
        });
        if let Some(id) = id {
            // It stays in memory as long as the connection.
            if id.len() > MAX_SOCKET_ID {
                return Err(ConnectError::refused());
            }
            accepted = accepted.id(id);
        }
        if let Some((identity, exp)) = identified {
            if let Some(end) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(exp)) {
                accepted = accepted.expires_at(end);
            }
            accepted = accepted.assign(identity);
        }
        Ok(accepted)
    }
}

/// The token of a request: the first of three places counts, even if another one holds a better token.
fn token<'a>(params: &'a Params, info: &'a ConnectInfo<'_>) -> Option<&'a str> {
    // A list or a map is a token too, and a bad one.
    let param = || params.value("token").map(|token| token.as_str().unwrap_or_default());
    info.auth_token().or_else(param).or_else(|| info.bearer_token())
}
