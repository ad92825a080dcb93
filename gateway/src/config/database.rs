use std::fmt;

use url::Url;

use super::environment::Environment;
use super::error::ConfigError;
use super::print::Printer;
use super::secret::{REDACTED, Secret};
use super::section::Section;

pub(super) const KEYS: &[&str] = &["url"];

/// `[database]`: where archived messages and members are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Where it is. Absent (the default): no archive and no membership. `GATEWAY_DATABASE__URL`, `--database-url`.
    pub url: Option<DatabaseUrl>,
}

impl Database {
    pub(super) fn read(section: &Section, environment: &Environment) -> Result<Self, ConfigError> {
        let url = section.text_as("url", |text| DatabaseUrl::parse(Secret::resolve(text, environment)?))?;
        Ok(Self { url })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[database]");
        match &self.url {
            Some(url) => out.text("url", &url.redacted()),
            None => out.comment("url is not set: no archive, no members"),
        }
    }
}

/// A checked database URL. Its password never appears in `Debug` or `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    given: Secret,
    /// Of a server; a file has no password.
    server: Option<Url>,
}

impl DatabaseUrl {
    fn parse(given: Secret) -> Result<Self, String> {
        let text = given.expose();
        if let Some(file) = text.strip_prefix("sqlite:") {
            let (path, query) = file.split_once('?').unwrap_or((file, ""));
            if path.trim_start_matches('/').is_empty() || path.contains(":memory:") || query.contains("mode=memory") {
                return Err("must name a file, as in \"sqlite:///var/lib/gateway/gateway.db\"".to_owned());
            }
            return Ok(Self { given, server: None });
        }
        let server = Url::parse(text)
            .map_err(|error| format!("is not a URL ({error}); expected one such as \"postgres://user@host/db\""))?;
        if !["postgres", "postgresql"].contains(&server.scheme()) {
            return Err("must begin with sqlite:// or postgres://".to_owned());
        }
        // The driver would write what it does not know to the log, value and all: `sslpassword` is one of libpq's.
        if let Some((name, _)) = server.query_pairs().find(|(name, _)| !is_known(name)) {
            return Err(format!(
                "has the parameter {name:?}, which means nothing here; see docs/ARCHIVE.md for those that do"
            ));
        }
        let printed = server.password() == Some(REDACTED)
            || server.query_pairs().any(|(name, value)| is_secret(&name) && value == REDACTED);
        if printed {
            return Err(format!("holds a password that was printed as {REDACTED}; put the real one back"));
        }
        Ok(Self { given, server: Some(server) })
    }

    /// The whole URL, password included: only for the client that connects.
    pub fn expose(&self) -> &str {
        self.given.expose()
    }

    /// Whether it is a file of this machine.
    pub fn is_file(&self) -> bool {
        self.server.is_none()
    }

    /// The URL for people: passwords are replaced, and a reference (`env:NAME`, `file:PATH`) stays a reference.
    pub fn redacted(&self) -> String {
        if self.given.is_reference() {
            return self.given.redacted().to_owned();
        }
        let Some(server) = &self.server else { return self.given.expose().to_owned() };
        let mut url = server.clone();
        if url.password().is_some() {
            // Fails only for URLs that can't have a password, and this one has.
            let _ = url.set_password(Some(REDACTED));
        }
        if url.query_pairs().any(|(name, _)| is_secret(&name)) {
            let pairs: Vec<_> = server.query_pairs().into_owned().collect();
            let hidden = pairs.iter().map(|(name, value)| (name, if is_secret(name) { REDACTED } else { value }));
            url.query_pairs_mut().clear().extend_pairs(hidden);
        }
        url.into()
    }
}

/// The query parameters that the driver knows, beside `options[NAME]`.
const PARAMETERS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

fn is_known(parameter: &str) -> bool {
    PARAMETERS.contains(&parameter) || (parameter.starts_with("options[") && parameter.ends_with(']'))
}

/// The query parameter that may hold the password; `sslkey` and others are paths.
fn is_secret(parameter: &str) -> bool {
    parameter == "password"
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&self.redacted()).finish()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}
