//! TLS towards other servers: Redis, identity providers, back ends. Trusted is what the system trusts.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// TLS towards other servers cannot be set up.
#[derive(Debug, Error)]
pub(crate) enum TrustError {
    /// The system has no trusted certificate that can be read.
    #[error("the system's trusted certificates: {0}")]
    NoCertificates(String),
    /// The library has no version or cipher to offer.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// The certificates that the system trusts; `SSL_CERT_FILE` names others.
///
/// # Errors
/// When there are none. Some systems carry certificates that cannot be read: what counts is that some can.
pub(crate) fn system_roots() -> Result<RootCertStore, TrustError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let reason = loaded.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(TrustError::NoCertificates(reason));
    }
    Ok(roots)
}

/// How to speak TLS to servers whose certificates lead to these.
///
/// # Errors
/// When the library has nothing to offer.
pub(crate) fn client_config(roots: RootCertStore) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
