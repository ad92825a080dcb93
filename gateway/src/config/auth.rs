use std::time::Duration;

pub use jsonwebtoken::Algorithm;
use jsonwebtoken::AlgorithmFamily;
use url::Url;

use super::environment::Environment;
use super::error::ConfigError;
use super::print::Printer;
use super::secret::{Secret, read_file};
use super::section::{Section, Value, kind};
use super::service_url::ServiceUrl;

pub(super) const KEYS: &[&str] = &["required", "hs256_secret", "jwks_url", "issuer", "audience", "leeway"];
pub(super) const KEY_KEYS: &[&str] = &["kid", "alg", "secret", "public_key_file"];

/// More would be a mistake, and a token without `kid` is tried with each key.
const MOST_KEYS: usize = 32;

/// Clocks differ by seconds; a longer leeway would only keep ended tokens alive.
const LONGEST_LEEWAY: Duration = Duration::from_secs(300);

/// `[auth]`: which tokens are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Whether a connection needs a token. Default yes; otherwise who has none is anonymous, and who has a bad one is
    /// still refused. `GATEWAY_AUTH__REQUIRED`.
    pub required: bool,
    /// A key for HS256 without `kid`: short for one `[[auth.key]]`. `GATEWAY_AUTH__HS256_SECRET`.
    pub hs256_secret: Option<Secret>,
    /// `[[auth.key]]`: keys for verification; several at once, so that one can be replaced without a gap.
    pub keys: Vec<AuthKey>,
    /// Where the keys of an identity provider are (RFC 7517). `GATEWAY_AUTH__JWKS_URL`.
    pub jwks_url: Option<ServiceUrl>,
    /// The token's `iss` must be one of these; empty: it is not looked at. `GATEWAY_AUTH__ISSUER`.
    pub issuer: Vec<String>,
    /// The token's `aud` must name one of these; empty: a token that has an `aud` is refused (RFC 7519, 4.1.3).
    /// `GATEWAY_AUTH__AUDIENCE`.
    pub audience: Vec<String>,
    /// By how much clocks may differ. Default 30 s; `GATEWAY_AUTH__LEEWAY`.
    pub leeway: Duration,
}

/// One `[[auth.key]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthKey {
    /// Its name in the token's header. Without one it is tried for every token of its algorithm.
    pub kid: Option<String>,
    /// The only algorithm that it is used with, whatever a token says. Required.
    pub alg: Algorithm,
    /// The key itself.
    pub material: KeyMaterial,
}

/// What a key is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// `secret`, for HS256, HS384 and HS512: the bytes of the text as they are.
    Secret(Secret),
    /// `public_key_file`, for the others.
    PublicKey {
        /// The path as given.
        path: String,
        /// The text of the file.
        pem: String,
    },
}

impl Auth {
    /// Reads `[auth]` and its keys; none when the configuration has neither.
    pub(super) fn read(
        section: &Section,
        keys: &[Section],
        environment: &Environment,
    ) -> Result<Option<Self>, ConfigError> {
        if !section.is_given() && keys.is_empty() {
            return Ok(None);
        }
        let required = section.value_as("required", |value| {
            value.as_bool().ok_or_else(|| format!("must be true or false, not {}", kind(value)))
        })?;
        let hs256_secret = section.text_as("hs256_secret", |text| secret(text, Algorithm::HS256, environment))?;
        let auth = Self {
            required: required.unwrap_or(true),
            hs256_secret,
            keys: keys.iter().map(|key| AuthKey::read(key, environment)).collect::<Result<_, _>>()?,
            jwks_url: section.text_as("jwks_url", parse_url)?,
            issuer: section.value_as("issuer", one_or_more)?.unwrap_or_default(),
            audience: section.value_as("audience", one_or_more)?.unwrap_or_default(),
            leeway: section.text_as("leeway", parse_leeway)?.unwrap_or(Duration::from_secs(30)),
        };
        if auth.hs256_secret.is_none() && auth.keys.is_empty() && auth.jwks_url.is_none() {
            return Err(
                section.missing("hs256_secret", "give it, a `jwks_url`, or an [[auth.key]] to verify tokens with")
            );
        }
        if auth.keys.len() > MOST_KEYS {
            return Err(ConfigError::Conflict(format!("there are more than {MOST_KEYS} [[auth.key]]")));
        }
        Ok(Some(auth))
    }

    /// What `check` prints where there is none.
    pub(super) fn print_absent(out: &mut Printer) {
        out.comment("[auth] is not set: clients need no token");
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[auth]");
        out.bool("required", self.required);
        match &self.hs256_secret {
            Some(secret) => out.text("hs256_secret", secret.redacted()),
            None => out.comment("hs256_secret is not set"),
        }
        match &self.jwks_url {
            Some(url) => out.text("jwks_url", &url.to_string()),
            None => out.comment("jwks_url is not set"),
        }
        for (key, values) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            match &values[..] {
                [] => out.comment(&format!("{key} is not set")),
                [value] => out.text(key, value),
                values => out.list(key, values.iter().map(String::as_str)),
            }
        }
        out.duration("leeway", self.leeway);
        self.keys.iter().for_each(|key| key.print(out));
    }
}

impl AuthKey {
    fn read(section: &Section, environment: &Environment) -> Result<Self, ConfigError> {
        let alg = section.text_as("alg", parse_algorithm)?;
        let alg = alg.ok_or_else(|| section.missing("alg", "say which algorithm the key is for, such as \"RS256\""))?;
        let secret = section.text_as("secret", |text| secret(text, alg, environment))?;
        let public_key = section.text_as("public_key_file", |path| {
            let pem = read_file(path)?;
            Ok(KeyMaterial::PublicKey { path: path.to_owned(), pem })
        })?;
        let is_symmetric = alg.family() == AlgorithmFamily::Hmac;
        let material = match (secret, public_key) {
            (Some(secret), None) if is_symmetric => KeyMaterial::Secret(secret),
            (None, Some(public_key)) if !is_symmetric => public_key,
            _ if is_symmetric => {
                return Err(section.missing("secret", &format!("{alg:?} needs it, and no `public_key_file`")));
            }
            _ => return Err(section.missing("public_key_file", &format!("{alg:?} needs it, and no `secret`"))),
        };
        Ok(Self { kid: section.text_as("kid", |text| not_empty(text).map(str::to_owned))?, alg, material })
    }

    fn print(&self, out: &mut Printer) {
        out.section("[[auth.key]]");
        match &self.kid {
            Some(kid) => out.text("kid", kid),
            None => out.comment("kid is not set"),
        }
        out.text("alg", &format!("{:?}", self.alg));
        match &self.material {
            KeyMaterial::Secret(secret) => out.text("secret", secret.redacted()),
            KeyMaterial::PublicKey { path, .. } => out.text("public_key_file", path),
        }
    }
}

/// A secret must be as long as the hash (RFC 7518, 3.2): a shorter one can be guessed from any token.
fn secret(text: &str, alg: Algorithm, environment: &Environment) -> Result<Secret, String> {
    let least = match alg {
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => 32,
    };
    let secret = Secret::resolve(text, environment)?;
    if secret.expose().starts_with("-----BEGIN") {
        return Err("holds a key in PEM form, which is no shared secret".to_owned());
    }
    if secret.expose().len() < least {
        return Err(format!(
            "must be at least {least} bytes long for {alg:?}: make one with `openssl rand -hex {least}`"
        ));
    }
    Ok(secret)
}

fn parse_algorithm(text: &str) -> Result<Algorithm, String> {
    text.parse().map_err(|_| {
        "must be one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA".to_owned()
    })
}

fn parse_url(text: &str) -> Result<ServiceUrl, String> {
    let wrong = || "must be an http:// or https:// URL without user and password".to_owned();
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    if !matches!(url.scheme(), "http" | "https") || !is_plain {
        return Err(wrong());
    }
    ServiceUrl::new(url).ok_or_else(|| "has a query that was printed as ***; put the real one back".to_owned())
}

fn parse_leeway(text: &str) -> Result<Duration, String> {
    let leeway = super::units::parse_duration(text)?;
    if leeway > LONGEST_LEEWAY { Err("must be at most 5m".to_owned()) } else { Ok(leeway) }
}

fn one_or_more(value: &Value) -> Result<Vec<String>, String> {
    let texts = match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(items) if !items.is_empty() => {
            let texts = items.iter().map(Value::as_str).collect::<Option<_>>();
            texts.ok_or("must be a string or a list of strings")?
        }
        other => return Err(format!("must be a string or a list of strings, not {}", kind(other))),
    };
    texts.into_iter().map(|text| not_empty(text).map(str::to_owned)).collect()
}

fn not_empty(text: &str) -> Result<&str, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text) }
}
