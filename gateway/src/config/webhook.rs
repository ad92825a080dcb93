use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use toml::Table;
use url::Url;

use super::environment::Environment;
use super::events::{ClientEvents, check_event};
use super::nearest::most_like;
use super::secret::Secret;
use super::section::{Value, kind};
use super::service_url::ServiceUrl;
use super::units::{parse_duration, print_duration};

const KEYS: &[&str] = &["url", "events", "secret", "timeout"];

/// What a secret of the Standard Webhooks scheme begins with; base64 follows.
const ENCODED: &str = "whsec_";

/// A shorter key could be guessed from one signature.
const SHORTEST_KEY: usize = 16;

/// Clients that wait longer than this for an answer do not exist: phoenix.js gives up after 10 seconds by default.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// `channel.webhook`: the back end that decides about joins and events of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where requests are posted: `http` or `https`, without user and password. Required.
    pub url: ServiceUrl,
    /// The events that the back end decides. Default all (`["*"]`); the others are relayed by `client_events`.
    pub events: ClientEvents,
    /// What requests are signed with: at least 16 bytes, or base64 behind `whsec_`. Required.
    pub secret: Secret,
    /// How long the client waits for an answer at most, from its message on. Default 5 s.
    pub timeout: Duration,
}

impl Webhook {
    /// Reads the table; the error reads on after the name of the setting.
    pub(super) fn parse(value: &Value, environment: &Environment) -> Result<Self, String> {
        let example = "{ url = \"https://…\", secret = \"env:NAME\" }";
        let table =
            value.as_table().ok_or_else(|| format!("must be a table such as {example}, not {}", kind(value)))?;
        if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let nearest = most_like(unknown, KEYS.iter().map(|key| (*key, *key)));
            return Err(format!("has the unknown key {unknown:?}: did you mean `{nearest}`?"));
        }
        let text = |key: &str| match table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(format!("needs a string as `{key}`, not {}", kind(other))),
        };
        let url = text("url")?.ok_or("needs a `url`: where joins and events are posted")?;
        let secret = text("secret")?.ok_or("needs a `secret`: requests are signed with it, as in \"env:NAME\"")?;
        let secret =
            Secret::resolve(secret, environment).map_err(|problem| format!("has a `secret` that {problem}"))?;
        key_of(secret.expose()).map_err(|problem| format!("has a `secret` that {problem}"))?;
        let timeout = text("timeout")?.map(parse_timeout).transpose()?;
        Ok(Self {
            url: parse_url(url)?,
            events: parse_events(table)?,
            secret,
            timeout: timeout.unwrap_or(Duration::from_secs(5)),
        })
    }

    /// The bytes that requests are signed with.
    pub(crate) fn key(&self) -> Vec<u8> {
        // Checked when it was read; a secret that a program made itself is taken as it is.
        key_of(self.secret.expose()).unwrap_or_else(|_| self.secret.expose().as_bytes().to_vec())
    }

    /// As a table for printing.
    pub(super) fn redacted(&self) -> Table {
        let text = |text: &str| Value::String(text.to_owned());
        let events = self.events.entries().into_iter().map(text).collect();
        Table::from_iter([
            ("url".to_owned(), text(&self.url.to_string())),
            ("events".to_owned(), Value::Array(events)),
            ("secret".to_owned(), text(self.secret.redacted())),
            ("timeout".to_owned(), Value::String(print_duration(self.timeout))),
        ])
    }
}

fn parse_url(text: &str) -> Result<ServiceUrl, String> {
    // The parser's message does not repeat the text, which may hold a password.
    let url = Url::parse(text).map_err(|error| format!("has a `url` that is none: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("has a `url` that does not begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a `url` with a user or password: requests are signed with `secret` instead".to_owned());
    }
    if url.fragment().is_some() {
        return Err("has a `url` with a #fragment, which is never sent".to_owned());
    }
    ServiceUrl::new(url).ok_or_else(|| "has a `url` whose query was printed as ***; put the real one back".to_owned())
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text).map_err(|problem| format!("has a `timeout` that {problem}"))? {
        Duration::ZERO => Err("has a `timeout` that must be longer than zero".to_owned()),
        timeout if timeout > LONGEST_TIMEOUT => Err("has a `timeout` that must be at most 60s".to_owned()),
        timeout => Ok(timeout),
    }
}

fn parse_events(table: &Table) -> Result<ClientEvents, String> {
    let Some(value) = table.get("events") else { return Ok(ClientEvents::All) };
    let list = value.as_array().ok_or_else(|| format!("needs a list of strings as `events`, not {}", kind(value)))?;
    let entries = list.iter().map(|item| match item.as_str() {
        Some(event) => check_event(event).map_err(|problem| format!("has a list `events` that {problem}")),
        None => Err(format!("needs a list of strings as `events`, which holds {}", kind(item))),
    });
    Ok(ClientEvents::of(entries.collect::<Result<_, _>>()?))
}

/// The key in a secret; the error never repeats it.
fn key_of(secret: &str) -> Result<Vec<u8>, String> {
    let key = match secret.strip_prefix(ENCODED) {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| "has no base64 behind whsec_".to_owned())?,
        None => secret.as_bytes().to_vec(),
    };
    if key.len() < SHORTEST_KEY {
        return Err(format!("is shorter than {SHORTEST_KEY} bytes: `openssl rand -hex 32` makes a good one"));
    }
    Ok(key)
}
