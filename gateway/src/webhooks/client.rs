use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::error::{CallError, ClientError, InvalidAnswer};
use super::limits::MAX_ANSWER;
use super::request::Request;
use crate::trust;

/// How long an idle connection is kept: shorter than common back ends keep it (Node: 5 s), so that a request does not
/// meet a connection that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// Posts requests, on connections that are kept.
#[derive(Debug, Clone)]
pub(super) struct HttpClient(reqwest::Client);

impl HttpClient {
    /// `secure`: whether any URL is `https`. Only then must the system have trusted certificates.
    pub(super) fn new(secure: bool) -> Result<Self, ClientError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(secure)?)
            .user_agent(concat!("gateway/", env!("CARGO_PKG_VERSION")))
            // An answer from elsewhere is none of the back end that was configured.
            .redirect(reqwest::redirect::Policy::none())
            // Settings come through the configuration, not through variables such as HTTP_PROXY.
            .no_proxy()
            // Nothing is sent twice but by the rule in `hook.rs`.
            .retry(reqwest::retry::never())
            .pool_idle_timeout(KEEP_ALIVE);
        Ok(Self(client.build().map_err(|error| ClientError(error.to_string()))?))
    }

    /// Posts a request; the body of a good answer.
    pub(super) async fn post(&self, url: &Url, request: &Request) -> Result<Bytes, CallError> {
        let posted = self.0.post(url.clone()).headers(request.headers.clone()).body(request.body.clone());
        let mut response = posted
            .send()
            .await
            .map_err(|error| if error.is_connect() { CallError::Unreachable } else { CallError::Broken })?;
        let status = response.status();
        if !status.is_success() {
            return Err(CallError::Status(status.as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| CallError::Broken)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(InvalidAnswer::TooLong.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }
}

fn tls(secure: bool) -> Result<rustls::ClientConfig, ClientError> {
    let roots = if secure { trust::system_roots() } else { Ok(rustls::RootCertStore::empty()) };
    let config = roots.and_then(trust::client_config);
    config.map_err(|error| ClientError(if secure { format!("https: {error}") } else { error.to_string() }))
}
