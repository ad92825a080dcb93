//! The signatures of tokens, by ring: what TLS here uses already, and nothing that has to be built beside it.
//!
//! The library asks its process-wide provider. Whoever installs first wins: an application that has installed another
//! one verifies with that, which is as good.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::rand::SystemRandom;
use ring::{hmac, signature};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        if key.family() != algorithm.family() {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Ok(Box::new(RingSigner { algorithm: *algorithm, key: key.clone() }))
    },
    verifier_factory: |algorithm, key| {
        // Here HMAC with the public key of another algorithm ends.
        if key.family() != algorithm.family() {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has the library use ring from here on.
pub(super) fn install() {
    // It was, before: by this or by the application.
    let _installed = RING.install_default();
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        let verified = if let Some(algorithm) = hmac_algorithm(self.algorithm) {
            let secret = self.key.try_get_as_bytes().map_err(Error::from_source)?;
            hmac::verify(&hmac::Key::new(algorithm, secret), message, signature)
        } else {
            self.verify_public(message, signature)
        };
        verified.map_err(|_| Error::new())
    }
}

impl RingVerifier {
    fn verify_public(&self, message: &[u8], signature: &[u8]) -> Result<(), ring::error::Unspecified> {
        let rsa = match self.algorithm {
            Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
            Algorithm::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
            other => {
                let curve: &dyn signature::VerificationAlgorithm = match other {
                    Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
                    Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
                    Algorithm::EdDSA => &signature::ED25519,
                    _ => return Err(ring::error::Unspecified),
                };
                let point = self.key.try_get_as_bytes().map_err(|_| ring::error::Unspecified)?;
                return signature::UnparsedPublicKey::new(curve, point).verify(message, signature);
            }
        };
        match self.key.kind() {
            DecodingKeyKind::SecretOrDer(der) => signature::UnparsedPublicKey::new(rsa, der).verify(message, signature),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                signature::RsaPublicKeyComponents { n, e }.verify(rsa, message, signature)
            }
        }
    }
}

struct RingSigner {
    algorithm: Algorithm,
    /// The secret, or a private key in PKCS #8.
    key: EncodingKey,
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        sign(self.algorithm, self.key.as_bytes(), message).map_err(|_| Error::new())
    }
}

fn sign(algorithm: Algorithm, key: &[u8], message: &[u8]) -> Result<Vec<u8>, ring::error::Unspecified> {
    let random = SystemRandom::new();
    if let Some(algorithm) = hmac_algorithm(algorithm) {
        return Ok(hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec());
    }
    let rsa: &dyn signature::RsaEncoding = match algorithm {
        Algorithm::RS256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::RS384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::RS512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::PS256 => &signature::RSA_PSS_SHA256,
        Algorithm::PS384 => &signature::RSA_PSS_SHA384,
        Algorithm::PS512 => &signature::RSA_PSS_SHA512,
        Algorithm::EdDSA => {
            let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(key)?;
            return Ok(pair.sign(message).as_ref().to_vec());
        }
        other => {
            let curve = match other {
                Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                _ => return Err(ring::error::Unspecified),
            };
            let pair = signature::EcdsaKeyPair::from_pkcs8(curve, key, &random)?;
            return Ok(pair.sign(&random, message)?.as_ref().to_vec());
        }
    };
    let pair = signature::RsaKeyPair::from_pkcs8(key)?;
    let mut signed = vec![0; pair.public().modulus_len()];
    pair.sign(rsa, &random, message, &mut signed)?;
    Ok(signed)
}

fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}
