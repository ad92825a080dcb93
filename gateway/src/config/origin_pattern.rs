use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::Url;

/// One entry of an origin list, `[scheme:]//host[:port]`, where the host may begin with `*.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    text: String,
    /// Any, if none.
    pub scheme: Option<String>,
    /// Lower case, without the wildcard.
    pub host: String,
    /// Whether subdomains of any depth are meant too.
    pub subdomains: bool,
    /// Any, if none. A scheme implies its own (row 28).
    pub port: Option<u16>,
}

/// Why a text is no entry of an origin list: a sentence that reads on after the name of the setting.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("has the entry {entry:?}, which {why}")]
pub struct InvalidOrigin {
    entry: String,
    why: &'static str,
}

impl FromStr for OriginPattern {
    type Err = InvalidOrigin;

    fn from_str(entry: &str) -> Result<Self, InvalidOrigin> {
        let refuse = |why| InvalidOrigin { entry: entry.to_owned(), why };
        let (scheme, rest) = entry
            .split_once("//")
            .ok_or_else(|| refuse("must begin with a scheme or //, such as \"//example.com\""))?;
        let scheme = match scheme.strip_suffix(':') {
            None if scheme.is_empty() => None,
            Some(scheme) if is_scheme(scheme) => Some(scheme.to_ascii_lowercase()),
            _ => return Err(refuse("has no valid scheme")),
        };
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(refuse("must have nothing but a host and a port after the slashes"));
        }
        let (subdomains, authority) = rest.strip_prefix("*.").map_or((false, rest), |host| (true, host));
        let no_host = "has no valid host or port (a wildcard stands only first, as in //*.example.com)";
        // The url crate knows hosts of all kinds and how they are normalized; any scheme that it treats as http does.
        let url = Url::parse(&format!("http://{authority}/")).map_err(|_| refuse(no_host))?;
        let host = url.host_str().filter(|host| !host.contains('*')).ok_or_else(|| refuse(no_host))?;
        let explicit = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port = explicit.or_else(|| default_port(scheme.as_deref()?));
        Ok(Self { text: entry.to_owned(), host: host.to_owned(), scheme, subdomains, port })
    }
}

impl OriginPattern {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_scheme(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(fits)
}

fn default_port(scheme: &str) -> Option<u16> {
    Url::parse(&format!("{scheme}://host/")).ok()?.port_or_known_default()
}
