use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::key::Key;

/// More keys than this have no identity provider: each is tried for a token without `kid`.
const MOST_KEYS: usize = 64;

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

/// One key of a JWK Set (RFC 7517); what is not needed here is overlooked.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a JWK Set that signatures can be verified with; the others are left out.
///
/// # Errors
/// When it is no JWK Set at all.
pub(super) fn read_set(json: &[u8]) -> Result<Vec<Key>, serde_json::Error> {
    let set: JwkSet = serde_json::from_slice(json)?;
    let keys = set.keys.into_iter().filter_map(|key| {
        let jwk: Jwk = serde_json::from_value(key).ok()?;
        let key = jwk.key();
        if key.is_none() {
            tracing::debug!(kid = jwk.kid, kty = jwk.kty, alg = jwk.alg, "a key of the JWK Set is not used");
        }
        key
    });
    Ok(keys.take(MOST_KEYS).collect())
}

impl Jwk {
    fn key(&self) -> Option<Key> {
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let verifies = self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|it| it == "verify"));
        if !signs || !verifies {
            return None;
        }
        let algorithm = match &self.alg {
            Some(name) => name.parse().ok()?,
            None => self.usual_algorithm()?,
        };
        let decoding = match (self.kty.as_str(), self.crv.as_deref(), algorithm) {
            ("RSA", _, rsa) if rsa.family() == AlgorithmFamily::Rsa => self.rsa()?,
            ("EC", Some("P-256"), Algorithm::ES256) => self.point(32)?,
            ("EC", Some("P-384"), Algorithm::ES384) => self.point(48)?,
            ("OKP", Some("Ed25519"), Algorithm::EdDSA) => {
                DecodingKey::from_ed_der(&decode(self.x.as_ref()?).filter(|x| x.len() == 32)?)
            }
            // `oct` too: what is published is no secret.
            _ => return None,
        };
        Some(Key { kid: self.kid.as_deref().map(Into::into), algorithm, decoding })
    }

    /// A key is used with one algorithm. Where the set names none, it is the one that the kind of key is used with
    /// everywhere.
    fn usual_algorithm(&self) -> Option<Algorithm> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some(Algorithm::RS256),
            ("EC", Some("P-256")) => Some(Algorithm::ES256),
            ("EC", Some("P-384")) => Some(Algorithm::ES384),
            ("OKP", Some("Ed25519")) => Some(Algorithm::EdDSA),
            _ => None,
        }
    }

    fn rsa(&self) -> Option<DecodingKey> {
        let (n, e) = (decode(self.n.as_ref()?)?, decode(self.e.as_ref()?)?);
        let n = &n[n.iter().position(|byte| *byte != 0)?..];
        (256..=1024).contains(&n.len()).then(|| DecodingKey::from_rsa_raw_components(n, &e))
    }

    /// The point of an elliptic curve, uncompressed.
    fn point(&self, length: usize) -> Option<DecodingKey> {
        let (x, y) = (decode(self.x.as_ref()?)?, decode(self.y.as_ref()?)?);
        let fits = x.len() == length && y.len() == length;
        fits.then(|| DecodingKey::from_ec_der(&[&[4], &x[..], &y[..]].concat()))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_keys_for_signatures_are_taken() {
        let bytes = |length: usize| URL_SAFE_NO_PAD.encode(vec![7; length]);
        let rsa = |more: Value| {
            let mut key = json!({ "kty": "RSA", "kid": "k", "n": bytes(256), "e": "AQAB" });
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key
        };
        let taken = [
            (rsa(json!({})), Algorithm::RS256),
            (rsa(json!({ "use": "sig", "alg": "PS384" })), Algorithm::PS384),
            (rsa(json!({ "key_ops": ["verify"], "x5c": ["x"] })), Algorithm::RS256),
            (json!({ "kty": "EC", "crv": "P-256", "x": bytes(32), "y": bytes(32) }), Algorithm::ES256),
            (json!({ "kty": "EC", "crv": "P-384", "x": bytes(48), "y": bytes(48) }), Algorithm::ES384),
            (json!({ "kty": "OKP", "crv": "Ed25519", "x": bytes(32) }), Algorithm::EdDSA),
        ];
        for (key, algorithm) in taken {
            let keys = read_set(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
            assert_eq!(keys.iter().map(|key| key.algorithm).collect::<Vec<_>>(), [algorithm], "{key}");
        }
        let left_out = [
            rsa(json!({ "use": "enc" })),
            rsa(json!({ "key_ops": ["encrypt"] })),
            rsa(json!({ "alg": "RSA-OAEP" })),
            rsa(json!({ "alg": "HS256" })),
            rsa(json!({ "alg": "ES256" })),
            rsa(json!({ "alg": "none" })),
            rsa(json!({ "n": bytes(128) })),
            rsa(json!({ "n": "" })),
            rsa(json!({ "n": "!" })),
            json!({ "kty": "oct", "alg": "HS256", "k": bytes(32) }),
            json!({ "kty": "oct", "k": bytes(32) }),
            json!({ "kty": "EC", "crv": "P-521", "alg": "ES512", "x": bytes(66), "y": bytes(66) }),
            json!({ "kty": "EC", "crv": "P-256", "alg": "ES384", "x": bytes(32), "y": bytes(32) }),
            json!({ "kty": "EC", "crv": "P-256", "x": bytes(31), "y": bytes(32) }),
            json!({ "kty": "OKP", "crv": "X25519", "x": bytes(32) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": bytes(31) }),
            json!({ "kty": 7 }),
            json!("key"),
        ];
        let set = json!({ "keys": left_out, "more": 1 }).to_string();
        assert!(read_set(set.as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_set_is_an_error() {
        for garbage in ["", "{}", "[]", "<html>", r#"{"keys":{}}"#] {
            assert!(read_set(garbage.as_bytes()).is_err(), "{garbage}");
        }
    }
}
