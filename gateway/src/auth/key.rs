use std::fmt;

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;

use crate::config::{AuthKey, KeyMaterial};

/// A key of the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the public key in {path} cannot be used with {algorithm}: {problem}")]
pub struct InvalidKey {
    path: String,
    algorithm: String,
    problem: &'static str,
}

/// A key for verification, with the only algorithm that it is used with.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) kid: Option<Box<str>>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl Key {
    pub(super) fn of_secret(kid: Option<&str>, algorithm: Algorithm, secret: &str) -> Self {
        Self { kid: kid.map(Into::into), algorithm, decoding: DecodingKey::from_secret(secret.as_bytes()) }
    }

    pub(super) fn of_config(key: &AuthKey) -> Result<Self, InvalidKey> {
        let kid = key.kid.as_deref();
        match &key.material {
            KeyMaterial::Secret(secret) => Ok(Self::of_secret(kid, key.alg, secret.expose())),
            KeyMaterial::PublicKey { path, pem } => {
                let algorithm = format!("{:?}", key.alg);
                let decoding =
                    read_pem(pem, key.alg).map_err(|problem| InvalidKey { path: path.clone(), algorithm, problem })?;
                Ok(Self { kid: kid.map(Into::into), algorithm: key.alg, decoding })
            }
        }
    }

    /// Whether a token with this header may be signed by it.
    pub(super) fn fits(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        let named = match (self.kid.as_deref(), kid) {
            (Some(own), Some(asked)) => own == asked,
            _ => true,
        };
        named && self.algorithm == algorithm
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What stands before the key in a `SubjectPublicKeyInfo`, by the lengths that these keys have: the algorithm's name.
const P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// Of RSA, behind the length of the whole.
const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// Reads `-----BEGIN PUBLIC KEY-----`.
fn read_pem(pem: &str, algorithm: Algorithm) -> Result<DecodingKey, &'static str> {
    if pem.contains("PRIVATE KEY-----") {
        return Err("it holds a private key; the gateway needs the public one only");
    }
    let info = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "it holds no -----BEGIN PUBLIC KEY-----")?;
    let point = |prefix: &[u8], length: usize| {
        info.strip_prefix(prefix).filter(|point| point.len() == length).ok_or("it is a key for another algorithm")
    };
    match (algorithm, algorithm.family()) {
        (Algorithm::ES256, _) => Ok(DecodingKey::from_ec_der(point(P256, 65)?)),
        (Algorithm::ES384, _) => Ok(DecodingKey::from_ec_der(point(P384, 97)?)),
        (Algorithm::EdDSA, _) => Ok(DecodingKey::from_ed_der(point(ED25519, 32)?)),
        (_, AlgorithmFamily::Rsa) => read_rsa(&info).map(DecodingKey::from_rsa_der),
        _ => Err("the algorithm needs a `secret`"),
    }
}

/// The `RSAPublicKey` in a `SubjectPublicKeyInfo`.
fn read_rsa(info: &[u8]) -> Result<&[u8], &'static str> {
    let wrong = "it is a key for another algorithm";
    let inner = element(info, 0x30).and_then(|inner| inner.strip_prefix(RSA)).ok_or(wrong)?;
    let key = element(inner, 0x03).and_then(|bits| bits.strip_prefix(b"\0")).ok_or(wrong)?;
    let modulus = element(key, 0x30).and_then(|key| element_and_rest(key, 0x02)).ok_or(wrong)?.0;
    let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
    if (2048..=8192).contains(&bits) { Ok(key) } else { Err("an RSA key must have 2048 to 8192 bits") }
}

/// The content of a DER element that is all there is.
fn element(der: &[u8], tag: u8) -> Option<&[u8]> {
    element_and_rest(der, tag).filter(|(_, rest)| rest.is_empty()).map(|(content, _)| content)
}

fn element_and_rest(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const RSA_PEM: &str = include_str!("../../tests/it/keys/rsa.test-only.pub.pem");
    const PRIVATE: &str = include_str!("../../tests/it/keys/rsa.test-only.pem");

    fn pem(der: &[u8]) -> String {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    #[test]
    fn a_key_is_taken_for_its_own_algorithm_only() {
        let p256 = pem(&[P256, &[4; 65]].concat());
        let p384 = pem(&[P384, &[4; 97]].concat());
        let ed25519 = pem(&[ED25519, &[4; 32]].concat());
        let keys = [(RSA_PEM, "RS256"), (RSA_PEM, "PS512"), (&p256, "ES256"), (&p384, "ES384"), (&ed25519, "EdDSA")];
        for (pem, algorithm) in keys {
            for (_, other) in keys {
                let fits = other == algorithm || pem == RSA_PEM && ["RS256", "PS512"].contains(&other);
                assert_eq!(read_pem(pem, other.parse().unwrap()).is_ok(), fits, "{algorithm} for {other}");
            }
            assert!(read_pem(pem, Algorithm::HS256).is_err(), "{algorithm}");
        }
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let whole = SubjectPublicKeyInfoDer::from_pem_slice(RSA_PEM.as_bytes()).unwrap();
        let refused = |pem: &str| read_pem(pem, Algorithm::RS256).map(drop).unwrap_err();
        assert!(refused(PRIVATE).contains("private"));
        assert!(refused("").contains("no -----BEGIN PUBLIC KEY-----"));
        assert!(refused(&RSA_PEM.replace("PUBLIC KEY", "CERTIFICATE")).contains("no -----BEGIN PUBLIC KEY-----"));
        for length in 0..whole.len() {
            assert!(refused(&pem(&whole[..length])).contains("another algorithm"), "{length}");
        }
        assert!(refused(&pem(&[&whole[..], &[0]].concat())).contains("another algorithm"));
        // A modulus of 128 bytes.
        let key = [&b"\x30\x81\x88\x02\x81\x80"[..], &[7; 128], b"\x02\x03\x01\x00\x01"].concat();
        let bits = [&b"\x03\x81\x8c\x00"[..], &key].concat();
        let small = [&b"\x30\x81\x9e"[..], RSA, &bits].concat();
        assert!(refused(&pem(&small)).contains("2048"), "{}", refused(&pem(&small)));
    }
}
