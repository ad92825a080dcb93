use std::time::Duration;

use http::header::{ACCEPT, CACHE_CONTROL};
use reqwest::redirect::Policy;
use thiserror::Error;
use url::Url;

use crate::trust;

/// How long an identity provider may take to answer, the body included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// No set of keys is larger, in bytes.
const LARGEST_BODY: usize = 256 * 1024;

/// A set of keys could not be fetched. Never holds the URL, which the log has elsewhere.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error("{0}")]
    Http(String),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is larger than 256 KiB")]
    TooLarge,
    #[error("its answer is no JWK Set: {0}")]
    Content(#[from] serde_json::Error),
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        // What went wrong with the connection is told by the innermost error only.
        let mut innermost: &dyn std::error::Error = &error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::Http(if error.is_timeout() { "it did not answer in time".to_owned() } else { innermost.to_string() })
    }
}

/// A document, and how long it may be kept.
pub(super) struct Fetched {
    pub(super) body: Vec<u8>,
    pub(super) max_age: Option<Duration>,
}

/// A client that trusts what the system trusts, and goes where the configuration says: not through a proxy of the
/// environment, and not on to where an answer points.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn client() -> Result<reqwest::Client, String> {
    // Without trusted certificates http:// can be fetched all the same, and https:// says what is wrong.
    let roots = trust::system_roots().unwrap_or_else(|_| rustls::RootCertStore::empty());
    let tls = trust::client_config(roots).map_err(|error| error.to_string())?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0);
    client.build().map_err(|error| error.to_string())
}

/// Gets a document.
pub(super) async fn get(client: &reqwest::Client, url: &Url) -> Result<Fetched, FetchError> {
    let mut response = client.get(url.clone()).header(ACCEPT, "application/json").send().await?;
    if response.status() != http::StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let cache = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
    let max_age = cache.and_then(max_age);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched { body, max_age })
}

/// The `max-age` of `Cache-Control`; zero where it says that nothing may be kept.
fn max_age(cache_control: &str) -> Option<Duration> {
    let directives = || cache_control.split(',').map(|directive| directive.trim().to_ascii_lowercase());
    if directives().any(|directive| directive == "no-store" || directive == "no-cache") {
        return Some(Duration::ZERO);
    }
    directives().find_map(|it| it.strip_prefix("max-age=")?.trim_matches('"').parse().ok()).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_read_from_cache_control() {
        for (header, age) in [
            ("public, max-age=600, must-revalidate", Some(600)),
            ("Max-Age=\"5\"", Some(5)),
            ("no-cache, max-age=600", Some(0)),
            ("no-store", Some(0)),
            ("private", None),
            ("max-age=soon", None),
            ("", None),
        ] {
            assert_eq!(max_age(header), age.map(Duration::from_secs), "{header}");
        }
    }
}
