use std::fmt;

use url::Url;

use super::environment::Environment;
use super::error::ConfigError;
use super::print::Printer;
use super::secret::{REDACTED, Secret};
use super::section::Section;

pub(super) const KEYS: &[&str] = &["url", "prefix", "envelope"];

/// The newest version of what pods send to each other.
pub const NEWEST_ENVELOPE: u8 = 2;

/// `[redis]`: what carries messages between pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// Where Redis is. Absent (the default): one pod serves alone, in process. `GATEWAY_REDIS__URL`, `--redis-url`.
    pub url: Option<RedisUrl>,
    /// What all keys and channels begin with, so that several gateways can share one Redis. Default `gw`;
    /// `GATEWAY_REDIS__PREFIX`.
    pub prefix: String,
    /// The newest version of messages between pods that this pod says it reads, and writes; what it writes is never newer
    /// than what all pods read. Default: the newest there is; `GATEWAY_REDIS__ENVELOPE`.
    pub envelope: u8,
}

impl Redis {
    pub(super) fn read(section: &Section, environment: &Environment) -> Result<Self, ConfigError> {
        let url = section.text_as("url", |text| {
            let given = Secret::resolve(text, environment)?;
            RedisUrl::parse(&given)
        })?;
        let prefix = section.text_as("prefix", check_prefix)?.unwrap_or_else(|| "gw".to_owned());
        let envelope = section.value_as("envelope", |value| {
            let version = value.as_integer().and_then(|number| u8::try_from(number).ok());
            let known = version.filter(|version| (1..=NEWEST_ENVELOPE).contains(version));
            known.ok_or_else(|| format!("must be a version from 1 to {NEWEST_ENVELOPE}"))
        })?;
        Ok(Self { url, prefix, envelope: envelope.unwrap_or(NEWEST_ENVELOPE) })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[redis]");
        match &self.url {
            Some(url) => out.text("url", &url.redacted()),
            None => out.comment("url is not set: one pod, in process"),
        }
        out.text("prefix", &self.prefix);
        out.number("envelope", self.envelope.into());
    }
}

/// A checked Redis URL. Its password never appears in `Debug` or `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    given: Secret,
    parsed: Url,
}

impl RedisUrl {
    const SCHEMES: [&str; 6] =
        ["redis", "rediss", "redis-cluster", "rediss-cluster", "redis-sentinel", "rediss-sentinel"];

    fn parse(given: &Secret) -> Result<Self, String> {
        let parsed = Url::parse(given.expose())
            .map_err(|error| format!("is not a URL ({error}); expected one such as \"redis://127.0.0.1:6379\""))?;
        if !Self::SCHEMES.contains(&parsed.scheme()) {
            return Err("must begin with redis://, rediss://, redis-cluster:// or redis-sentinel://".to_owned());
        }
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err("names no host; expected one such as \"redis://127.0.0.1:6379\"".to_owned());
        }
        let database = parsed.path().trim_matches('/');
        if !database.is_empty() && database.parse::<u8>().is_err() {
            return Err("must have a database number after the host, or nothing".to_owned());
        }
        let named = parsed.query_pairs().any(|(name, value)| name == "sentinelServiceName" && !value.is_empty());
        if parsed.scheme().ends_with("-sentinel") && !named {
            return Err("must name the service that the sentinels watch: add ?sentinelServiceName=NAME".to_owned());
        }
        let redacted_password = parsed.password() == Some(REDACTED)
            || parsed.query_pairs().any(|(name, value)| is_secret(&name) && value == REDACTED);
        if redacted_password {
            return Err(format!("holds a password that was printed as {REDACTED}; put the real one back"));
        }
        Ok(Self { given: given.clone(), parsed })
    }

    /// The whole URL, password included: only for the client that connects.
    pub fn expose(&self) -> &str {
        self.given.expose()
    }

    /// Whether pods talk to a Redis Cluster, where pub/sub is sharded.
    pub fn is_cluster(&self) -> bool {
        self.parsed.scheme().ends_with("-cluster")
    }

    /// The URL for people: passwords are replaced, and a reference (`env:NAME`, `file:PATH`) stays a reference.
    pub fn redacted(&self) -> String {
        if self.given.is_reference() {
            return self.given.redacted().to_owned();
        }
        let mut url = self.parsed.clone();
        if url.password().is_some() {
            // Fails only for URLs that can't have a host, and those are refused.
            let _ = url.set_password(Some(REDACTED));
        }
        if url.query_pairs().any(|(name, _)| is_secret(&name)) {
            let pairs: Vec<_> = self.parsed.query_pairs().into_owned().collect();
            let hidden = pairs.iter().map(|(name, value)| (name, if is_secret(name) { REDACTED } else { value }));
            url.query_pairs_mut().clear().extend_pairs(hidden);
        }
        url.set_fragment(None);
        url.into()
    }
}

/// Query parameters whose value is a password (`sentinelPassword`).
fn is_secret(parameter: &str) -> bool {
    let name = parameter.to_ascii_lowercase();
    ["pass", "secret", "token", "key"].iter().any(|part| name.contains(part))
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisUrl").field(&self.redacted()).finish()
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// Braces would move the hash tag of a cluster key, so that the keys of one topic would not share a slot.
fn check_prefix(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    if !text.is_empty() && text.len() <= 64 && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 64 letters, digits or any of - _ . : /".to_owned())
    }
}
