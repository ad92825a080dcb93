use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::error::ConfigError;
use super::mode::Mode;
use super::print::Printer;
use super::section::Section;

pub(super) const KEYS: &[&str] = &["public", "internal", "proxy_protocol", "tls_cert_file", "tls_key_file"];

/// `[listen]`: where the gateway takes connections. Port 0 lets the system choose a free port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Clients connect here. Default `0.0.0.0:4000` in `serve`, `127.0.0.1:4000` in `dev`; `GATEWAY_LISTEN__PUBLIC`,
    /// `--listen`.
    pub public: SocketAddr,
    /// Health, metrics and the API, for back ends and probes only. Default `0.0.0.0:4001` in `serve`,
    /// `127.0.0.1:4001` in `dev`; `GATEWAY_LISTEN__INTERNAL`, `--internal-listen`.
    pub internal: SocketAddr,
    /// Whether the proxies of `socket.trusted_proxies` begin each connection to `public` with a PROXY header. Default
    /// false; `GATEWAY_LISTEN__PROXY_PROTOCOL`.
    pub proxy_protocol: bool,
    /// Certificate and key, when `public` speaks TLS. Absent (the default): plain HTTP.
    /// `GATEWAY_LISTEN__TLS_CERT_FILE`, `GATEWAY_LISTEN__TLS_KEY_FILE`.
    pub tls: Option<TlsFiles>,
}

/// Where the certificate and the key of a listener are. They are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate in PEM, and after it those that lead to a known authority.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
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
        Ok(Self {
            public: address("public", 4000)?,
            internal: address("internal", 4001)?,
            proxy_protocol: section.flag("proxy_protocol", false)?,
            tls: read_tls(section)?,
        })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[listen]");
        out.text("public", &self.public.to_string());
        out.text("internal", &self.internal.to_string());
        out.bool("proxy_protocol", self.proxy_protocol);
        match &self.tls {
            Some(TlsFiles { certificate, key }) => {
                out.text("tls_cert_file", &certificate.to_string_lossy());
                out.text("tls_key_file", &key.to_string_lossy());
            }
            None => out.comment("tls_cert_file and tls_key_file are not set: plain HTTP"),
        }
    }
}

fn read_tls(section: &Section) -> Result<Option<TlsFiles>, ConfigError> {
    let file = |key| {
        section.text_as(key, |path| match path {
            "" => Err("is empty".to_owned()),
            path => Ok(PathBuf::from(path)),
        })
    };
    match (file("tls_cert_file")?, file("tls_key_file")?) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.missing("tls_key_file", "`listen.tls_cert_file` needs its key")),
        (None, Some(_)) => Err(section.missing("tls_cert_file", "`listen.tls_key_file` needs its certificate")),
    }
}
