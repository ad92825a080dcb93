use std::net::SocketAddr;

use super::secret::Secret;

/// For whom the settings are; defaults and checks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `gateway serve` and `gateway check`: needs a file, and is closed unless the file opens it.
    Serve,
    /// `gateway dev`: loopback, open to all.
    Dev,
    /// `gateway publish`, `gateway tail` and the like: use some settings, serve nobody, so nothing is required.
    Client,
}

/// The settings that the command line can give.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--internal-listen`
    pub internal_listen: Option<SocketAddr>,
    /// `--redis-url`; it may hold a password.
    pub redis_url: Option<Secret>,
    /// `--database-url`; it may hold a password.
    pub database_url: Option<Secret>,
}
