use std::fs;

use serde_json::{Map, Value, json};

use super::args::TokenArgs;
use super::exit::Failure;
use super::process::print;
use crate::auth::TokenKey;
use crate::clock::unix_seconds;
use crate::config::{Auth, Config};

/// Prints a token for development: signed by the shared secret of the configuration, or by a private key.
pub(super) fn token(config: &Config, options: &TokenArgs) -> Result<(), Failure> {
    let token = mint(config, options)?;
    print(&format!("{token}\n"));
    Ok(())
}

/// The token itself.
pub(super) fn mint(config: &Config, options: &TokenArgs) -> Result<String, Failure> {
    let auth = config.auth.as_ref();
    let key = match &options.key {
        Some(path) => {
            let unreadable = |error| Failure::Usage(format!("cannot read {}: {error}", path.display()));
            let pem = fs::read_to_string(path).map_err(unreadable)?;
            let unusable = |error| Failure::Usage(format!("{}: {error}", path.display()));
            TokenKey::of_pem(&pem, options.kid.clone()).map_err(unusable)?
        }
        None => auth.and_then(TokenKey::of_config).ok_or_else(|| {
            let hint = "set `auth.hs256_secret`, or give a private key with --key FILE";
            Failure::Configuration(format!("there is no key to sign with: {hint}"))
        })?,
    };
    key.sign(&claims(auth, options)).map_err(|error| Failure::Usage(error.to_string()))
}

/// What is asked for stands above what the configuration expects.
fn claims(auth: Option<&Auth>, options: &TokenArgs) -> Map<String, Value> {
    let now = unix_seconds();
    let mut claims = Map::new();
    for (name, values) in [("iss", auth.map(|auth| &auth.issuer)), ("aud", auth.map(|auth| &auth.audience))] {
        if let Some(value) = values.and_then(|values| values.first()) {
            claims.insert(name.to_owned(), json!(value));
        }
    }
    claims.insert("sub".to_owned(), json!(options.sub));
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now.saturating_add(options.ttl.as_secs())));
    if !options.channel.is_empty() {
        claims.insert("channels".to_owned(), json!(options.channel));
    }
    claims.extend(options.claim.iter().cloned());
    claims
}
