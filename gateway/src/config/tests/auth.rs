//! `[auth]`: what is taken, and that no secret of it is shown.

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn the_defaults_are_strict() {
    assert_eq!(Config::from_toml(Mode::Serve, LEAST).unwrap().auth, None);
    let config = Config::from_toml(Mode::Serve, &format!("{LEAST}[auth]\nhs256_secret = \"{SECRET}\"")).unwrap();
    let auth = config.auth.unwrap();
    assert!(auth.required && auth.keys.is_empty() && auth.issuer.is_empty() && auth.audience.is_empty());
    assert_eq!((auth.leeway.as_secs(), auth.jwks_url), (30, None));
}

#[test]
fn values_come_from_the_file_and_the_environment() {
    let file = TemporaryFile::new("key.pem", "-----BEGIN PUBLIC KEY-----");
    let path = file.0.display();
    let text = format!(
        "[auth]\nissuer = \"a\"\naudience = [\"b\", \"c\"]\nrequired = false\nleeway = \"5m\"\n\
         [[auth.key]]\nkid = \"k\"\nalg = \"RS256\"\npublic_key_file = \"{path}\"\n\
         [[auth.key]]\nalg = \"HS512\"\nsecret = \"env:LONG\"\n[[channel]]\ntopic = \"*\"\njoin = \"granted\""
    );
    let text = TemporaryFile::new("auth.toml", text);
    let long = format!("LONG={SECRET}{SECRET}");
    let environment = [long.as_str(), "GATEWAY_AUTH__JWKS_URL=https://id.example.com/keys"];
    let config = Config::load(Mode::Dev, Some(&text.0), variables(&environment), &Flags::default()).unwrap();
    let auth = config.auth.as_ref().unwrap();
    assert_eq!((auth.issuer.join(" "), auth.audience.join(" "), auth.required), ("a".into(), "b c".into(), false));
    assert_eq!(auth.jwks_url.as_ref().unwrap().expose().as_str(), "https://id.example.com/keys");
    assert_eq!((auth.keys[0].kid.as_deref(), auth.keys[0].alg), (Some("k"), Algorithm::RS256));
    assert!(matches!(&auth.keys[0].material, KeyMaterial::PublicKey { pem, .. } if pem.starts_with("-----BEGIN")));
    assert!(matches!(&auth.keys[1].material, KeyMaterial::Secret(secret) if secret.expose().len() == 64));
    assert_eq!(config.channels[0].join, Join::Granted);
    // What is printed says the same, and loads with the same environment.
    let printed = TemporaryFile::new("auth-printed.toml", config.redacted_toml());
    let again = Config::load(Mode::Dev, Some(&printed.0), variables(&environment), &Flags::default()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn mistakes_are_refused_and_show_no_secret() {
    let key = |lines: &str| format!("[[auth.key]]\n{lines}");
    for (text, expected) in [
        ("[auth]".to_owned(), "gateway.toml:1: `auth.hs256_secret` is missing"),
        ("[auth]\nrequired = true".to_owned(), "`auth.hs256_secret` is missing"),
        ("[auth]\nhs256_secret = \"hunter2\"".to_owned(), "must be at least 32 bytes"),
        ("[auth]\nhs256_secret = \"-----BEGIN PUBLIC KEY----- hunter2\"".to_owned(), "is no shared secret"),
        ("[auth]\nhs256 = \"hunter2\"".to_owned(), "unknown key `auth.hs256`; did you mean `auth.hs256_secret`?"),
        ("[auth]\nrequired = \"hunter2\"".to_owned(), "must be true or false"),
        ("[auth]\njwks_url = \"ftp://hunter2\"".to_owned(), "must be an http:// or https:// URL"),
        ("[auth]\njwks_url = \"https://h/?***\"".to_owned(), "put the real one back"),
        ("[auth]\njwks_url = \"https://a:hunter2@h\"".to_owned(), "without user and password"),
        ("[auth]\nissuer = 7".to_owned(), "must be a string or a list of strings, not an integer"),
        ("[auth]\naudience = []".to_owned(), "must be a string or a list of strings"),
        ("[auth]\naudience = [\"\"]".to_owned(), "must not be empty"),
        ("[auth]\nleeway = \"6m\"".to_owned(), "must be at most 5m"),
        ("[auth]\nkey = 7".to_owned(), "`auth.key` must be a list of tables: write [[auth.key]]"),
        ("[[auth]]\nrequired = true".to_owned(), "`auth` must be one table"),
        ("[[\"auth.key\"]]\nalg = \"HS256\"".to_owned(), "unknown key `auth.key`"),
        (key("kid = \"a\""), "`auth.key[0].alg` is missing"),
        (key("alg = \"none\""), "must be one of HS256"),
        (key("alg = \"ES512\""), "must be one of HS256"),
        (key("alg = \"HS256\"\nsecret = \"hunter2\""), "at least 32 bytes"),
        (key(&format!("alg = \"HS512\"\nsecret = \"{SECRET}hunter2\"")), "at least 64 bytes"),
        (key("alg = \"HS256\"\npublic_key_file = \"/dev/null\""), "`auth.key[0].secret` is missing: HS256 needs it"),
        (key(&format!("alg = \"RS256\"\nsecret = \"{SECRET}hunter2\"")), "RS256 needs it, and no `secret`"),
        (key("alg = \"RS256\"\npublic_key_file = \"/nowhere/key\""), "/nowhere/key, which can't be read"),
        (key("alg = \"RS256\"\nname = \"a\""), "unknown key `auth.key.name`"),
    ] {
        let found = message(Mode::Dev, &text);
        assert!(found.contains(expected), "{text}: {found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
    for (variable, expected) in [
        ("GATEWAY_AUTH__KEY=[]", "write [[auth.key]] in the file"),
        ("GATEWAY_AUTH__SECRET=hunter2", "did you mean `GATEWAY_"),
        ("GATEWAY_AUTH__HS256_SECRET=hunter2", "must be at least 32 bytes"),
    ] {
        let found = from_environment(&[variable]).unwrap_err().to_string();
        assert!(found.contains(expected) && !found.contains("hunter2"), "{found}");
    }
}

#[test]
fn topics_that_need_a_token_need_auth() {
    for join in ["authenticated", "granted"] {
        let text = format!("[socket]\nhost = \"h\"\n[[channel]]\ntopic = \"room:*\"\njoin = \"{join}\"");
        for mode in [Mode::Serve, Mode::Dev] {
            let found = message(mode, &text);
            assert!(found.contains("the topics \"room:*\" are for clients with a token"), "{found}");
        }
        assert!(Config::from_toml(Mode::Client, &text).is_ok());
    }
}

#[test]
fn its_secrets_are_not_printed() {
    let text = format!(
        "[auth]\nhs256_secret = \"{SECRET}\"\n[[auth.key]]\nalg = \"HS256\"\nsecret = \"{SECRET}\"\n\
         [[channel]]\ntopic = \"*\"\njoin = \"open\""
    );
    let config = Config::from_toml(Mode::Dev, &text).unwrap();
    for printed in [config.redacted_toml(), format!("{config:?}")] {
        assert!(!printed.contains(SECRET) && printed.matches("***").count() == 2, "{printed}");
    }
}
