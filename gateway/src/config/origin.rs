use url::Host;

use super::origin_pattern::{InvalidOrigin, OriginPattern};
use super::section::Value;

/// From which web pages a browser may connect. Requests without an `Origin` header are no browsers and always pass
/// (protocol 1.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOrigin {
    /// `false`: from all.
    Off,
    /// `true`: from pages of the configured `host`, whatever their scheme and port.
    Host,
    /// `"conn"`: from pages whose scheme, host and port are those of the request itself.
    Conn,
    /// From pages that one of the entries means.
    List(Vec<OriginPattern>),
}

const EXPECTED: &str = "must be true, false, \"conn\" or a list such as [\"//example.com\", \"https://*.example.com\"]";

impl CheckOrigin {
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::Boolean(false) => Ok(Self::Off),
            Value::Boolean(true) => Ok(Self::Host),
            Value::String(text) if text == "conn" => Ok(Self::Conn),
            Value::Array(entries) => {
                let entries: Option<Vec<&str>> = entries.iter().map(Value::as_str).collect();
                let entries = entries.ok_or(EXPECTED)?;
                if entries.is_empty() {
                    return Err("is an empty list, which would refuse every browser".to_owned());
                }
                let entries: Result<_, InvalidOrigin> = entries.into_iter().map(str::parse).collect();
                entries.map(Self::List).map_err(|error| error.to_string())
            }
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

/// Checks the host name that `check_origin = true` compares with; answers it in lower case, as browsers send it.
pub(super) fn check_host(text: &str) -> Result<String, String> {
    match Host::parse(text) {
        Ok(Host::Domain(name)) if name.contains('*') => Err("must be one host name, without a wildcard".to_owned()),
        Ok(host) => Ok(host.to_string()),
        Err(_) => Err("must be a host name without scheme or port, such as \"chat.example.com\"".to_owned()),
    }
}
