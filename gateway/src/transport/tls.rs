//! TLS of the public listener, and how a new certificate takes the place of the old one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// How often the files are looked at. They are small, and whole files are compared: that works for every way in which
/// they may be replaced, and needs no signal and no watcher.
const LOOK: Duration = Duration::from_secs(2);

/// Why a certificate cannot be used. Nothing of the key stands in it.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not there, or may not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no certificate in PEM in the file.
    #[error("{} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// There is no private key in PEM in the file.
    #[error("{} holds no private key in PEM", .0.display())]
    NoKey(PathBuf),
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("{} and {} cannot be used together: {reason}", files.certificate.display(), files.key.display())]
    Pair {
        /// Both files.
        files: TlsFiles,
        /// What the TLS library says.
        reason: rustls::Error,
    },
}

/// The files as they were read last.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Speaks TLS with a certificate that may be replaced.
pub(crate) struct Tls {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    served: Arc<Served>,
    acceptor: TlsAcceptor,
    seen: Mutex<Contents>,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let contents = Contents::read(files)?;
        let served = Arc::new(Served(Mutex::new(contents.certified(files, &provider)?)));
        let unusable = |reason| TlsError::Pair { files: files.clone(), reason };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&served) as _;
        let mut config = builder.map_err(unusable)?.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { files: files.clone(), provider, served, acceptor, seen: Mutex::new(contents) })
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Looks after the files; a pair that cannot be used leaves the old one in place. Runs until it is dropped.
    pub(crate) async fn reload(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let this = Arc::clone(&self);
            // A network file system may take its time.
            match tokio::task::spawn_blocking(move || this.look()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => tracing::info!("the TLS certificate was replaced"),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the new TLS certificate cannot be used; the old one stays in use");
                }
                // The runtime is shutting down.
                Err(_) => return,
            }
        }
    }

    /// Whether there is a new pair, which is served from now on. A bad one is an error once, until it changes again.
    fn look(&self) -> Result<bool, TlsError> {
        let contents = match Contents::read(&self.files) {
            Ok(contents) => contents,
            // Said once as well: what was not there is remembered as empty.
            Err(error) => {
                let nothing = Contents { certificate: Vec::new(), key: Vec::new() };
                let is_new = std::mem::replace(&mut *self.seen.lock(), nothing).is_something();
                return if is_new { Err(error) } else { Ok(false) };
            }
        };
        if *self.seen.lock() == contents {
            return Ok(false);
        }
        let certified = contents.certified(&self.files, &self.provider);
        *self.seen.lock() = contents;
        *self.served.0.lock() = certified?;
        Ok(true)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read =
            |path: &Path| std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source });
        Ok(Self { certificate: read(&files.certificate)?, key: read(&files.key)? })
    }

    fn is_something(&self) -> bool {
        !(self.certificate.is_empty() && self.key.is_empty())
    }

    fn certified(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsError::NoCertificate(files.certificate.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NoKey(files.key.clone()))?;
        let certified = CertifiedKey::from_der(chain, key, provider);
        Ok(Arc::new(certified.map_err(|reason| TlsError::Pair { files: files.clone(), reason })?))
    }
}

/// The certificate for new connections.
#[derive(Debug)]
struct Served(Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for Served {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock()))
    }
}
