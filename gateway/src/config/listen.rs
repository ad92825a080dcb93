use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::error::ConfigError;
use super::mode::Mode;
use super::print::Printer;
use super::section::Section;

pub(super) const KEYS: &[&str] = &["public", "internal"];

/// `[listen]`: where the gateway takes connections. Port 0 lets the system choose a free port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Clients connect here. Default `0.0.0.0:4000` in `serve`, `127.0.0.1:4000` in `dev`; `GATEWAY_LISTEN__PUBLIC`,
    /// `--listen`.
    pub public: SocketAddr,
    /// Health, metrics and the API, for back ends and probes only. Default `0.0.0.0:4001` in `serve`,
    /// `127.0.0.1:4001` in `dev`; `GATEWAY_LISTEN__INTERNAL`, `--internal-listen`.
    pub internal: SocketAddr,
}

impl Listen {
    pub(super) fn read(section: &Section, mode: Mode) -> Result<Self, ConfigError> {
        let host = match mode {
            Mode::Dev => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Mode::Serve | Mode::Client => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        let address = |key, port| {
            let parsed = section.text_as(key, |text| {
                text.parse().map_err(|_| "must be an address and a port, such as \"0.0.0.0:4000\"".to_owned())
            })?;
            Ok::<_, ConfigError>(parsed.unwrap_or(SocketAddr::new(host, port)))
        };
        Ok(Self { public: address("public", 4000)?, internal: address("internal", 4001)? })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[listen]");
        out.text("public", &self.public.to_string());
        out.text("internal", &self.internal.to_string());
    }
}
