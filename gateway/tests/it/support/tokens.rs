//! Tokens made by hand, so that they can be wrong in every way.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

/// The shared secret of the gateways in the tests.
pub(crate) const SECRET: &str = "a shared secret of the tests, and long enough";

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the tests make tokens as an identity provider does, by its own clock")]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Header and claims as they stand in a token, as given.
pub(crate) fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}", base64url(header), base64url(claims))
}

/// With a signature by a shared secret, whatever the header says.
pub(crate) fn hs256(unsigned: &str, secret: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), unsigned.as_bytes());
    format!("{unsigned}.{}", base64url(tag))
}

/// A good token for [`SECRET`].
pub(crate) fn good(claims: &Value) -> String {
    hs256(&unsigned(&json!({ "alg": "HS256", "typ": "JWT" }).to_string(), &claims.to_string()), SECRET.as_bytes())
}

/// Of a user, for an hour, with grants.
pub(crate) fn token_of(sub: &str, channels: Value) -> String {
    let mut claims = json!({ "sub": sub, "exp": now() + 3600 });
    claims["channels"] = channels;
    good(&claims)
}

/// The RSA key of the tests: its public half is known to gateways as `rsa`.
pub(crate) fn rs256(unsigned: &str) -> String {
    let pem = include_str!("../keys/rsa.test-only.pem");
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(der).unwrap();
    let key = RsaKeyPair::from_pkcs8(&der).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), unsigned.as_bytes(), &mut signature).unwrap();
    format!("{unsigned}.{}", base64url(signature))
}

/// A key of an identity provider.
pub(crate) struct ProviderKey {
    kid: String,
    pair: Ed25519KeyPair,
}

impl ProviderKey {
    pub(crate) fn new(kid: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { kid: kid.to_owned(), pair: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap() }
    }

    /// As it stands in the provider's JWK Set.
    pub(crate) fn jwk(&self) -> Value {
        let x = base64url(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": x })
    }

    /// A good token of a user.
    pub(crate) fn token_of(&self, sub: &str) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.kid });
        let unsigned = unsigned(&header.to_string(), &json!({ "sub": sub, "exp": now() + 3600 }).to_string());
        format!("{unsigned}.{}", base64url(self.pair.sign(unsigned.as_bytes())))
    }
}
