//! Which web pages may connect (protocol 1.7).

use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::config::{InvalidOrigin, OriginPattern};

/// A parsed `Origin` header. Each part may be missing: `null` and `file://` have no host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// `http`, `https` …
    pub scheme: Option<String>,
    /// Lower case.
    pub host: Option<String>,
    /// As given, or the scheme's default.
    pub port: Option<u16>,
}

impl Origin {
    /// Reads a header; what is no origin has no host.
    pub fn parse(header: &str) -> Self {
        let Ok(url) = Url::parse(header) else { return Self::default() };
        let host = url.host_str().filter(|host| !host.is_empty()).map(str::to_ascii_lowercase);
        Self { scheme: Some(url.scheme().to_owned()), host, port: url.port_or_known_default() }
    }
}

impl Origin {
    /// Whether it is a page of this machine: from a loopback address, or from a file that says so (`file://`). `null` is
    /// none: any page on the web can send it, from a sandboxed frame.
    pub fn is_of_this_machine(&self) -> bool {
        match self.host.as_deref() {
            Some(host) => ["localhost", "127.0.0.1", "[::1]"].contains(&host),
            None => self.scheme.as_deref() == Some("file"),
        }
    }
}

type Predicate = Arc<dyn Fn(&Origin) -> bool + Send + Sync>;

/// The rule of a mount. A request without an `Origin` header passes every rule: it comes from no web page.
#[derive(Clone)]
pub enum CheckOrigin {
    /// Everything passes.
    Off,
    /// The host must be this one; scheme and port do not matter. Without a host everything passes.
    Host(Option<String>),
    /// Scheme, host and port must be those of the request itself.
    Conn,
    /// One of the entries must match.
    List(Vec<OriginPattern>),
    /// The application decides, also about origins without a host.
    Predicate(Predicate),
}

impl CheckOrigin {
    /// A rule from entries `[scheme:]//host[:port]`, where the host may begin with `*.`.
    ///
    /// # Errors
    /// When an entry has another form.
    pub fn list<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidOrigin> {
        entries.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self::List)
    }

    /// A rule that the application decides.
    pub fn predicate(allows: impl Fn(&Origin) -> bool + Send + Sync + 'static) -> Self {
        Self::Predicate(Arc::new(allows))
    }

    /// Whether a request may go on. `request` is where the request itself was sent to.
    pub fn allows(&self, header: Option<&str>, request: &Origin) -> bool {
        let Some(header) = header else { return true };
        let origin = Origin::parse(header);
        match self {
            Self::Off | Self::Host(None) => true,
            Self::Host(Some(host)) => origin.host.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(host)),
            Self::Conn => origin.host.is_some() && origin == *request,
            Self::List(patterns) => patterns.iter().any(|pattern| matches(pattern, &origin)),
            Self::Predicate(allows) => allows(&origin),
        }
    }
}

impl fmt::Debug for CheckOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("Off"),
            Self::Host(host) => f.debug_tuple("Host").field(host).finish(),
            Self::Conn => f.write_str("Conn"),
            Self::List(patterns) => f.debug_tuple("List").field(patterns).finish(),
            Self::Predicate(_) => f.write_str("Predicate"),
        }
    }
}

fn matches(pattern: &OriginPattern, origin: &Origin) -> bool {
    let Some(host) = origin.host.as_deref() else { return false };
    let host_matches = match host.strip_suffix(pattern.host.as_str()) {
        Some("") => true,
        Some(rest) => pattern.subdomains && rest.ends_with('.'),
        None => false,
    };
    host_matches
        && pattern.scheme.as_ref().is_none_or(|scheme| origin.scheme.as_ref() == Some(scheme))
        && pattern.port.is_none_or(|port| origin.port == Some(port))
}

#[cfg(test)]
mod tests;
