use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// Signs requests as Standard Webhooks says (symmetric, version 1), so that back ends can check them with its libraries.
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The value of `webhook-signature`. The id must have no dot: a dot ends it in what is signed.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut signed = hmac::Context::with_key(&self.0);
        signed.update(format!("{id}.{timestamp}.").as_bytes());
        signed.update(body);
        format!("v1,{}", STANDARD.encode(signed.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the scheme's own documentation.
    #[test]
    fn signs_as_the_standard_does() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            SigningKey::new(&key).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_part_counts() {
        let key = SigningKey::new(b"0123456789abcdef");
        let signature = key.sign("a", 1, b"{}");
        for other in [key.sign("b", 1, b"{}"), key.sign("a", 2, b"{}"), key.sign("a", 1, b"{ }")] {
            assert_ne!(signature, other);
        }
        assert_ne!(signature, SigningKey::new(b"0123456789abcdeg").sign("a", 1, b"{}"));
    }
}
