use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value};
use thiserror::Error;

use super::signature;
use crate::config::{Auth, KeyMaterial};

/// A token cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum MintError {
    /// Only a private key in PKCS #8 can sign.
    #[error(
        "the key must be a -----BEGIN PRIVATE KEY----- of RSA, P-256, P-384 or Ed25519 (openssl pkcs8 -topk8 -nocrypt makes one)"
    )]
    Key,
    /// The key refused to sign.
    #[error("the token could not be signed")]
    Signing,
}

/// A key that signs tokens: for development, where nobody else does.
pub(crate) struct TokenKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl TokenKey {
    /// The first shared secret of the configuration.
    pub(crate) fn of_config(config: &Auth) -> Option<Self> {
        if let Some(secret) = &config.hs256_secret {
            let key = EncodingKey::from_secret(secret.expose().as_bytes());
            return Some(Self { kid: None, algorithm: Algorithm::HS256, key });
        }
        config.keys.iter().find_map(|key| match &key.material {
            KeyMaterial::Secret(secret) => {
                let encoding = EncodingKey::from_secret(secret.expose().as_bytes());
                Some(Self { kid: key.kid.clone(), algorithm: key.alg, key: encoding })
            }
            KeyMaterial::PublicKey { .. } => None,
        })
    }

    /// A private key in PEM form: RSA signs as RS256.
    ///
    /// # Errors
    /// When it is no such key.
    pub(crate) fn of_pem(pem: &str, kid: Option<String>) -> Result<Self, MintError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| MintError::Key)?;
        let der = der.secret_pkcs8_der();
        let random = SystemRandom::new();
        let (algorithm, key) = if Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).is_ok() {
            (Algorithm::EdDSA, EncodingKey::from_ed_der(der))
        } else if EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random).is_ok() {
            (Algorithm::ES256, EncodingKey::from_ec_der(der))
        } else if EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der, &random).is_ok() {
            (Algorithm::ES384, EncodingKey::from_ec_der(der))
        } else if RsaKeyPair::from_pkcs8(der).is_ok() {
            (Algorithm::RS256, EncodingKey::from_rsa_der(der))
        } else {
            return Err(MintError::Key);
        };
        Ok(Self { kid, algorithm, key })
    }

    /// Signs claims.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> Result<String, MintError> {
        signature::install();
        let header = Header { kid: self.kid.clone(), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).map_err(|_| MintError::Signing)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
