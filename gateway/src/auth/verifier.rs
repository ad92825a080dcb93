use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, Validation, decode};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::claims::{Claims, RawClaims};
use super::jwks::{Jwks, Timing};
use super::key::{InvalidKey, Key};
use super::metrics::TokenMetrics;
use super::refused::TokenRefused;
use super::role::RoleClaims;
use super::signature;
use crate::clock::unix_seconds;
use crate::config::Auth;

/// The longest token in bytes. What a browser can send in a handshake is not much more.
const LARGEST_TOKEN: usize = 8 * 1024;

/// Tokens cannot be verified as the configuration asks.
#[derive(Debug, Error)]
pub enum VerifierError {
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// The client for the keys of the identity provider cannot be set up.
    #[error("keys cannot be fetched from `auth.jwks_url`: {0}")]
    Client(String),
}

/// Verifies tokens as `[auth]` says.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<Key>,
    jwks: Option<Jwks>,
    rules: Validation,
    /// Those of Supabase's tokens.
    role_rules: Validation,
    metrics: TokenMetrics,
}

/// What is believed of a token before it is verified: which key to look for.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl Verifier {
    /// With the keys of the configuration. Those of a `jwks_url` come by [`Verifier::keep_fresh`].
    ///
    /// # Errors
    /// When a key cannot be used.
    pub fn new(config: &Auth) -> Result<Self, VerifierError> {
        Self::with_timing(config, TokenMetrics::new(), Timing::USUAL)
    }

    /// One that counts for the metrics page.
    pub(crate) fn with_metrics(config: &Auth, metrics: TokenMetrics) -> Result<Self, VerifierError> {
        Self::with_timing(config, metrics, Timing::USUAL)
    }

    pub(super) fn with_timing(config: &Auth, metrics: TokenMetrics, timing: Timing) -> Result<Self, VerifierError> {
        signature::install();
        let short = config.hs256_secret.as_ref().map(|secret| Key::of_secret(None, Algorithm::HS256, secret.expose()));
        let keys = config.keys.iter().map(Key::of_config).collect::<Result<Vec<_>, _>>()?;
        let jwks = match &config.jwks_url {
            Some(url) => Some(Jwks::new(url.clone(), timing, metrics.clone()).map_err(VerifierError::Client)?),
            None => None,
        };
        let (rules, role_rules) = (rules(config), role_rules(config));
        Ok(Self { keys: keys.into_iter().chain(short).collect(), jwks, rules, role_rules, metrics })
    }

    /// Keeps the keys of the identity provider fresh; runs until it is dropped. Returns at once where there is none.
    pub async fn keep_fresh(&self) {
        if let Some(jwks) = &self.jwks {
            jwks.keep_fresh().await;
        }
    }

    /// What a token says, if it is good. Waits only when its key is unknown and an identity provider may have it: at
    /// most 3 seconds.
    ///
    /// # Errors
    /// Why it is not. That is for the log and not for the client.
    pub async fn verify(&self, token: &str) -> Result<Claims, TokenRefused> {
        let verified = self.check(token, &self.rules).await.and_then(Claims::try_from);
        let mut claims = verified.inspect_err(|reason| self.refused(*reason))?;
        claims.exp = self.end(claims.exp);
        Ok(claims)
    }

    /// As [`Verifier::verify`], of an API key or an access token as Supabase's clients have them: it must name a role, and
    /// need not name a user. An audience counts where there is one.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub(crate) async fn verify_role(&self, token: &str) -> Result<RoleClaims, TokenRefused> {
        let verified = self.check(token, &self.role_rules).await.and_then(RoleClaims::try_from);
        let mut claims = verified.inspect_err(|reason| self.refused(*reason))?;
        claims.exp = self.end(claims.exp);
        Ok(claims)
    }

    /// Counts a refusal that was found elsewhere.
    pub(crate) fn refused(&self, reason: TokenRefused) {
        self.metrics.refused(reason);
    }

    async fn check(&self, token: &str, rules: &Validation) -> Result<RawClaims, TokenRefused> {
        if token.len() > LARGEST_TOKEN {
            return Err(TokenRefused::TooLarge);
        }
        let header = read_header(token)?;
        let algorithm: Algorithm = header.alg.parse().map_err(|_| TokenRefused::Algorithm)?;
        let kid = header.kid.as_deref();
        let Some(jwks) = self.jwks.as_ref().filter(|_| algorithm.family() != AlgorithmFamily::Hmac) else {
            return self.try_keys(token, rules, kid, algorithm, &[]);
        };
        let known = jwks.snapshot();
        let verdict = self.try_keys(token, rules, kid, algorithm, &known.keys);
        let is_named = |kid: &str| known.keys.iter().chain(&self.keys).any(|key| key.kid.as_deref() == Some(kid));
        let may_come = match (&verdict, kid) {
            (Err(TokenRefused::UnknownKey | TokenRefused::Signature), Some(kid)) => !is_named(kid),
            (Err(TokenRefused::UnknownKey), None) => known.keys.is_empty(),
            _ => false,
        };
        if !may_come {
            return verdict;
        }
        match jwks.after(&known).await {
            Some(newer) => self.try_keys(token, rules, kid, algorithm, &newer.keys),
            None => verdict,
        }
    }

    /// Verifies with the keys that fit: by name if both have one, and always by algorithm.
    fn try_keys(
        &self,
        token: &str,
        rules: &Validation,
        kid: Option<&str>,
        algorithm: Algorithm,
        fetched: &[Key],
    ) -> Result<RawClaims, TokenRefused> {
        let rules = Validation { algorithms: vec![algorithm], ..rules.clone() };
        let named = |key: &Key| kid.is_some() && key.kid.as_deref() == kid;
        let mut verdict = match self.keys.iter().chain(fetched).find(|key| named(key)) {
            Some(key) if key.algorithm != algorithm => TokenRefused::Algorithm,
            _ => TokenRefused::UnknownKey,
        };
        for key in self.keys.iter().chain(fetched).filter(|key| key.fits(kid, algorithm)) {
            match decode::<RawClaims>(token, &key.decoding, &rules) {
                Ok(token) => return Ok(token.claims),
                Err(error) => match TokenRefused::of(&error) {
                    TokenRefused::Signature => verdict = TokenRefused::Signature,
                    reason => return Err(reason),
                },
            }
        }
        Err(verdict)
    }

    /// When a token ends. One that was taken although its time is over, because clocks differ, ends when it would not be taken
    /// any more.
    fn end(&self, exp: u64) -> u64 {
        if exp <= unix_seconds() { exp.saturating_add(self.rules.leeway) } else { exp }
    }
}

fn role_rules(config: &Auth) -> Validation {
    let mut rules = rules(config);
    rules.required_spec_claims.retain(|claim| !["sub", "aud"].contains(&claim.as_str()));
    rules
}

fn rules(config: &Auth) -> Validation {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.leeway = config.leeway.as_secs();
    rules.validate_nbf = true;
    let mut required = vec!["exp", "sub"];
    // Where a value is expected, a token without one is refused, too.
    if !config.issuer.is_empty() {
        rules.set_issuer(&config.issuer);
        required.push("iss");
    }
    if !config.audience.is_empty() {
        rules.set_audience(&config.audience);
        required.push("aud");
    }
    rules.set_required_spec_claims(&required);
    rules
}

fn read_header(token: &str) -> Result<Header, TokenRefused> {
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(TokenRefused::Malformed);
    };
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenRefused::Malformed)?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| TokenRefused::Malformed)?;
    // What is critical would have to be understood (RFC 7515, 4.1.11), and no extension is.
    if header.crit.is_some() { Err(TokenRefused::Malformed) } else { Ok(header) }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::super::mint::TokenKey;
    use super::*;
    use crate::config::{Config, Mode};

    fn config() -> Auth {
        let text = "[auth]\nhs256_secret = \"0123456789abcdef0123456789abcdef\"";
        Config::from_toml(Mode::Client, text).unwrap().auth.unwrap()
    }

    /// Without a provider nothing is waited for.
    fn verify(verifier: &Verifier, token: &str) -> Result<Claims, TokenRefused> {
        verifier.verify(token).now_or_never().unwrap()
    }

    fn good() -> String {
        let claims = Map::from_iter([("sub".to_owned(), json!("u")), ("exp".to_owned(), json!(4_000_000_000_u64))]);
        TokenKey::of_config(&config()).unwrap().sign(&claims).unwrap()
    }

    proptest! {
        #[test]
        fn a_token_of_which_anything_was_changed_is_refused(at in any::<prop::sample::Index>(), by in any::<char>()) {
            let (verifier, good) = (Verifier::new(&config()).unwrap(), good());
            prop_assert!(verify(&verifier, &good).is_ok());
            let at = at.index(good.len());
            let changed = format!("{}{by}{}", &good[..at], &good[at + 1..]);
            let longer = format!("{}{by}{}", &good[..at], &good[at..]);
            prop_assert!(changed == good || verify(&verifier, &changed).is_err(), "{changed}");
            prop_assert!(verify(&verifier, &longer).is_err(), "{longer}");
            prop_assert!(verify(&verifier, &good[..at]).is_err());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 3)) {
            let verifier = Verifier::new(&config()).unwrap();
            prop_assert!(verify(&verifier, &text).is_err());
            let encoded: Vec<_> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
            prop_assert!(verify(&verifier, &encoded.join(".")).is_err());
        }
    }
}
