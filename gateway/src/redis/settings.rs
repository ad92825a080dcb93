use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fred::types::config::{Config, Server, ServerConfig, TlsConnector};
use thiserror::Error;
use url::Url;

use crate::config::NEWEST_ENVELOPE;
use crate::trust;

/// How Redis is reached and used.
#[derive(Clone)]
pub struct Settings {
    /// Where it is, with credentials.
    pub location: Location,
    /// What all keys start with; no braces.
    pub prefix: String,
    /// How often each subscriber connection proves itself.
    pub heartbeat: Duration,
    /// How long a proof may take before the connection is given up.
    pub patience: Duration,
    /// The newest version of messages between pods that this pod says it reads, and writes.
    pub envelope: u8,
}

impl Settings {
    /// The defaults: a heartbeat every 10 seconds, answered within 3.
    ///
    /// # Errors
    /// When the URL cannot be used or the prefix contains braces.
    pub fn new(url: &str, prefix: &str) -> Result<Self, SettingsError> {
        if prefix.contains(['{', '}']) {
            return Err(SettingsError::Prefix);
        }
        let location = Location::parse(url)?;
        let (heartbeat, patience) = (Duration::from_secs(10), Duration::from_secs(3));
        Ok(Self { location, prefix: prefix.into(), heartbeat, patience, envelope: NEWEST_ENVELOPE })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The location holds the password.
        let Self { location, prefix, heartbeat, patience, envelope } = self;
        let mut out = f.debug_struct("Settings");
        out.field("hosts", &location.config.server.hosts()).field("prefix", prefix);
        out.field("heartbeat", heartbeat).field("patience", patience).field("envelope", envelope).finish()
    }
}

/// Why Redis settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// Not of the forms `redis://`, `rediss://`, `redis-sentinel://` or `redis-cluster://`.
    #[error("not a usable Redis URL: {0}")]
    Url(String),
    /// Braces in the prefix would tag the keys wrongly.
    #[error("the Redis prefix must not contain braces")]
    Prefix,
    /// The trusted certificates of the system cannot be loaded.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The client for commands refuses them.
    #[error("the Redis client cannot be set up: {0}")]
    Client(String),
}

/// A parsed Redis URL: `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, `redis-sentinel://…?
/// sentinelServiceName=NAME&node=host:port`, `redis-cluster://…?node=host:port`.
#[derive(Clone)]
pub struct Location {
    config: Config,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Location {
    /// Reads a URL. The database matters to commands only: channels belong to no database.
    ///
    /// # Errors
    /// When it is not of one of the forms above.
    pub fn parse(url: &str) -> Result<Self, SettingsError> {
        let parsed = Url::parse(url).map_err(|error| SettingsError::Url(error.to_string()))?;
        let scheme = parsed.scheme();
        let base = scheme.split('-').next().unwrap_or_default();
        if !matches!(base, "redis" | "rediss") || !matches!(&scheme[base.len()..], "" | "-sentinel" | "-cluster") {
            return Err(SettingsError::Url(format!("unknown scheme {scheme}")));
        }
        let mut config = Config::from_url(url).map_err(|error| SettingsError::Url(error.details().to_owned()))?;
        let tls = if base == "rediss" { Some(Arc::new(tls()?)) } else { None };
        config.tls = tls.clone().map(|tls| TlsConnector::from(tokio_rustls::TlsConnector::from(tls)).into());
        config.version = fred::types::RespVersion::RESP3;
        config.fail_fast = false;
        Ok(Self { config, tls })
    }

    /// One server alone, reached and logged in to in the same way: a primary of a cluster.
    #[must_use]
    pub fn at(&self, server: &Server) -> Self {
        let config = Config { server: ServerConfig::Centralized { server: server.clone() }, ..self.config.clone() };
        Self { config, tls: self.tls.clone() }
    }

    /// For fred.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn tls(&self) -> Option<&Arc<rustls::ClientConfig>> {
        self.tls.as_ref()
    }

    /// The servers that the URL names.
    pub fn server(&self) -> &ServerConfig {
        &self.config.server
    }

    /// What to log in with.
    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        let password = self.config.password.as_deref()?;
        Some((self.config.username.as_deref().unwrap_or("default"), password))
    }

    /// What to log in to Sentinels with.
    pub(super) fn sentinel_credentials(&self) -> Option<(&str, &str)> {
        let ServerConfig::Sentinel { username, password, .. } = &self.config.server else { return None };
        Some((username.as_deref().unwrap_or("default"), password.as_deref()?))
    }

    /// The name of the user that commands are run as.
    pub fn user(&self) -> &str {
        self.credentials().map_or("default", |(user, _)| user)
    }

    /// The number of the database that keys are in.
    pub fn database(&self) -> u8 {
        self.config.database.unwrap_or(0)
    }

    /// Whether it is a cluster, where channels are sharded.
    pub fn is_cluster(&self) -> bool {
        self.config.server.is_clustered()
    }
}

fn tls() -> Result<rustls::ClientConfig, SettingsError> {
    let config = trust::system_roots().and_then(trust::client_config);
    config.map_err(|error| SettingsError::Tls(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let plain = Location::parse("redis://127.0.0.1/3").unwrap();
        assert_eq!(plain.server().hosts()[0].port, 6379);
        assert_eq!(plain.credentials(), None);
        let full = Location::parse("redis://joe:secret@example.com:7000").unwrap();
        assert_eq!(full.credentials(), Some(("joe", "secret")));
        let unnamed = Location::parse("redis://:secret@example.com").unwrap();
        assert_eq!(unnamed.credentials(), Some(("default", "secret")));
        let sentinel = Location::parse("redis-sentinel://a:26379?sentinelServiceName=main&node=b:26380").unwrap();
        assert!(sentinel.server().is_sentinel());
        let cluster = Location::parse("redis-cluster://a:7000?node=b:7001").unwrap();
        assert!(cluster.is_cluster());
    }

    #[test]
    fn refuses_what_is_no_redis_url() {
        for url in ["", "localhost:6379", "http://a", "redis-x://a", "redis+unix:///tmp/a"] {
            assert!(matches!(Location::parse(url), Err(SettingsError::Url(_))), "{url}");
        }
        assert!(matches!(Settings::new("redis://a", "g{w"), Err(SettingsError::Prefix)));
    }

    #[test]
    fn the_password_is_not_shown() {
        let settings = Settings::new("redis://joe:secret@example.com", "gw").unwrap();
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
