use std::sync::Arc;

use super::token::{ApiKey, Token, in_words};
use crate::auth::{TokenRefused, Verifier};
use crate::channel::MAX_SOCKET_ID;
use crate::config::IdTemplate;
use crate::socket::{Accepted, ConnectError, ConnectInfo, Params, Socket};

/// Lets in who has a good API key: a token that names a role (protocol 8.1).
pub(super) struct SupabaseSocket {
    verifier: Option<Arc<Verifier>>,
    id: Option<IdTemplate>,
}

impl SupabaseSocket {
    /// Without a verifier nobody is let in.
    pub(super) fn new(verifier: Option<Arc<Verifier>>, id: Option<IdTemplate>) -> Self {
        Self { verifier, id }
    }
}

impl Socket for SupabaseSocket {
    async fn connect(&self, params: &Params, info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        let refused = |reason| ConnectError::bad_token(reason, in_words(reason));
        let Some(verifier) = &self.verifier else { return Err(refused(TokenRefused::UnknownKey)) };
        let Some(key) = api_key(params, info) else {
            verifier.refused(TokenRefused::Missing);
            return Err(refused(TokenRefused::Missing));
        };
        let token = Token::verify(key, verifier).await.map_err(refused)?;
        let mut accepted = Accepted::new();
        let id = self.id.as_ref().and_then(|template| {
            // Who somebody is stands in the token and nowhere else.
            template.render(|name| if name == "sub" { token.user() } else { params.get(name) })
        });
        if let Some(id) = id {
            if id.len() > MAX_SOCKET_ID {
                return Err(ConnectError::refused());
            }
            accepted = accepted.id(id);
        }
        Ok(accepted.assign(ApiKey { verifier: Arc::clone(verifier), token }))
    }
}

/// The key of a request. The header comes first, even if the query holds a better one.
fn api_key<'a>(params: &'a Params, info: &'a ConnectInfo<'_>) -> Option<&'a str> {
    let header = info.x_headers().find(|(name, _)| *name == "x-api-key").map(|(_, key)| key);
    header.or_else(|| params.get("apikey")).filter(|key| !key.is_empty())
}
