use std::fmt;
use std::time::Duration;

use super::error::ConfigError;
use super::id_template::IdTemplate;
use super::network::Network;
use super::origin::{CheckOrigin, check_host};
use super::origin_pattern::OriginPattern;
use super::print::Printer;
use super::section::Section;
use super::units::parse_duration;

pub(super) const KEYS: &[&str] = &[
    "path",
    "check_origin",
    "host",
    "idle_timeout",
    "max_frame_size",
    "max_channels",
    "compress",
    "id",
    "subprotocols",
    "longpoll",
    "longpoll_window",
    "dialect",
    "trusted_proxies",
];

/// Those of a mount: whom to trust is decided once, for all of them share the listener.
pub(super) const MOUNT_KEYS: &[&str] = KEYS.split_at(KEYS.len() - 1).0;

/// The prefix under which clients send a token as a subprotocol; it can't be a subprotocol's name.
const TOKEN_PREFIX: &str = "base64url.bearer.phx.";

/// `[socket]` or one `[[mount]]`: a path at which clients connect, with its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// The path before `/websocket`. Default `/socket`, required for a mount; `GATEWAY_SOCKET__PATH`.
    pub path: MountPath,
    /// From which web pages browsers may connect. Default `true`; a mount takes it from `[socket]`;
    /// `GATEWAY_SOCKET__CHECK_ORIGIN`.
    pub check_origin: CheckOrigin,
    /// The public host name, for `check_origin = true`; lower case. A mount takes it from `[socket]`;
    /// `GATEWAY_SOCKET__HOST`.
    pub host: Option<String>,
    /// A connection ends when nothing at all came in for so long. Default 60 s; `GATEWAY_SOCKET__IDLE_TIMEOUT`.
    pub idle_timeout: Duration,
    /// The largest message in bytes that a client may send; over it the connection ends with 1009. Default 256 KiB;
    /// `GATEWAY_SOCKET__MAX_FRAME_SIZE`.
    pub max_frame_size: usize,
    /// Topics that one connection may have joined at once. Default 100; `GATEWAY_SOCKET__MAX_CHANNELS`.
    pub max_channels: usize,
    /// Whether WebSockets whose clients offer it are compressed (permessage-deflate). Default false;
    /// `GATEWAY_SOCKET__COMPRESS`.
    pub compress: bool,
    /// What names the connections of one user, so that they can be disconnected together. Absent (the default): they
    /// have no name. `GATEWAY_SOCKET__ID`.
    pub id: Option<IdTemplate>,
    /// The subprotocols the server speaks, in its order of preference. Default none; `GATEWAY_SOCKET__SUBPROTOCOLS`.
    pub subprotocols: Vec<String>,
    /// Whether clients may poll, at the path before `/longpoll`. Default false; `GATEWAY_SOCKET__LONGPOLL`.
    pub longpoll: bool,
    /// How long a poll waits for messages, at most 15 s; a session ends when for two of them nobody polls. Default 10 s;
    /// `GATEWAY_SOCKET__LONGPOLL_WINDOW`.
    pub longpoll_window: Duration,
    /// What its clients speak. Default `phoenix`; `GATEWAY_SOCKET__DIALECT`.
    pub dialect: Dialect,
    /// The proxies in front of the gateway, whose `X-Forwarded-*` and PROXY headers are believed. All sockets share the
    /// listener and so this list: a mount has that of `[socket]`. Default none; `GATEWAY_SOCKET__TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<Network>,
}

/// What the clients of a socket speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Phoenix Channels.
    #[default]
    Phoenix,
    /// Supabase Realtime: Broadcast and Presence.
    Supabase,
}

impl Dialect {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "phoenix" => Ok(Self::Phoenix),
            "supabase" => Ok(Self::Supabase),
            _ => Err("must be \"phoenix\" or \"supabase\"".to_owned()),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Phoenix => "phoenix",
            Self::Supabase => "supabase",
        }
    }
}

impl Socket {
    /// Reads `[socket]`, or a mount, which takes the origin policy of `main` when it has none of its own: a mount must
    /// not be looser by omission.
    pub(super) fn read(section: &Section, main: Option<&Self>) -> Result<Self, ConfigError> {
        let path = match (section.text_as("path", MountPath::parse)?, main) {
            (Some(path), _) => path,
            (None, None) => MountPath("/socket".to_owned()),
            (None, Some(_)) => return Err(section.missing("path", "each [[mount]] needs its own")),
        };
        let check_origin = section.value_as("check_origin", CheckOrigin::parse)?;
        let host = section.text_as("host", check_host)?;
        Ok(Self {
            path,
            check_origin: check_origin
                .or_else(|| main.map(|main| main.check_origin.clone()))
                .unwrap_or(CheckOrigin::Host),
            host: host.or_else(|| main.and_then(|main| main.host.clone())),
            idle_timeout: section.period("idle_timeout", Duration::from_secs(60))?,
            max_frame_size: section.size("max_frame_size", 256 << 10)?,
            max_channels: section.count("max_channels", 100)?,
            compress: section.flag("compress", false)?,
            id: section.text_as("id", IdTemplate::parse)?,
            subprotocols: section.list_as("subprotocols", check_subprotocol)?.unwrap_or_default(),
            longpoll: section.flag("longpoll", false)?,
            longpoll_window: section.text_as("longpoll_window", parse_window)?.unwrap_or(Duration::from_secs(10)),
            dialect: section.text_as("dialect", Dialect::parse)?.unwrap_or_default(),
            trusted_proxies: match main {
                Some(main) => main.trusted_proxies.clone(),
                None => section.list_as("trusted_proxies", Network::parse)?.unwrap_or_default(),
            },
        })
    }

    pub(super) fn print(&self, header: &str, out: &mut Printer) {
        out.section(header);
        out.text("path", self.path.as_str());
        match &self.check_origin {
            CheckOrigin::Off => out.bool("check_origin", false),
            CheckOrigin::Host => out.bool("check_origin", true),
            CheckOrigin::Conn => out.text("check_origin", "conn"),
            CheckOrigin::List(list) => out.list("check_origin", list.iter().map(OriginPattern::as_str)),
        }
        match &self.host {
            Some(host) => out.text("host", host),
            None => out.comment("host is not set"),
        }
        out.duration("idle_timeout", self.idle_timeout);
        out.size("max_frame_size", self.max_frame_size);
        out.number("max_channels", self.max_channels);
        out.bool("compress", self.compress);
        match &self.id {
            Some(id) => out.text("id", id.as_str()),
            None => out.comment("id is not set"),
        }
        out.list("subprotocols", self.subprotocols.iter().map(String::as_str));
        out.bool("longpoll", self.longpoll);
        out.duration("longpoll_window", self.longpoll_window);
        out.text("dialect", self.dialect.as_str());
        if header == "[socket]" {
            let networks: Vec<_> = self.trusted_proxies.iter().map(Network::to_string).collect();
            out.list("trusted_proxies", networks.iter().map(String::as_str));
        }
    }
}

/// An absolute path, whose segments are fixed or, as `:name`, hold a value that the connect callback gets.
#[derive(Clone, PartialEq, Eq)]
pub struct MountPath(String);

impl MountPath {
    fn parse(text: &str) -> Result<Self, String> {
        let Some(segments) = text.strip_prefix('/') else {
            return Err("must be absolute, such as \"/socket\"".to_owned());
        };
        let plain =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
        let mut variables = Vec::new();
        for segment in segments.split('/') {
            if let Some(name) = segment.strip_prefix(':') {
                if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    return Err("must name its variable after the colon in letters, digits or _".to_owned());
                }
                if variables.contains(&name) {
                    return Err("must not use one variable name twice".to_owned());
                }
                variables.push(name);
            } else if !plain(segment) || segment == "." || segment == ".." {
                let rule = "must be segments of letters, digits or - . _ ~ (or :name), with no slash at the end";
                return Err(rule.to_owned());
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as written: `/socket/:tenant`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments in order; those that begin with `:` match any one segment.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }

    /// Whether both match exactly the same requests: `/a/:x` and `/a/:y` do.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let shape = |path: &Self| {
            path.segments()
                .map(|segment| if segment.starts_with(':') { ":".to_owned() } else { segment.to_owned() })
                .collect::<Vec<_>>()
        };
        shape(self) == shape(other)
    }
}

impl fmt::Debug for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// phoenix.js waits 20 seconds for an answer.
fn parse_window(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        window if window > Duration::from_secs(15) => Err("must be at most 15s".to_owned()),
        window => Ok(window),
    }
}

/// A subprotocol is an HTTP token (RFC 6455, 4.1).
fn check_subprotocol(text: &str) -> Result<String, String> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(token) {
        return Err("must hold names of 1 to 64 letters, digits or signs, without spaces or commas".to_owned());
    }
    if text.starts_with(TOKEN_PREFIX) {
        return Err(format!("must not hold names that begin with {TOKEN_PREFIX}: clients send tokens so"));
    }
    Ok(text.to_owned())
}
