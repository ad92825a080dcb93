//! Bad tokens by every way in: none gets in, and nobody is told why.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::tokens::{ProviderKey, SECRET, base64url, hs256, now, rs256, unsigned};
use crate::support::{Handshake, TestGateway, metrics, panics};

const PUBLIC_KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/keys/rsa.test-only.pub.pem");

async fn gateway() -> TestGateway {
    let hs512 = "x".repeat(64);
    TestGateway::configured(&format!(
        r#"
        [auth]
        hs256_secret = "{SECRET}"
        issuer = "https://id.example.com"
        audience = ["gateway", "app"]
        [[auth.key]]
        kid = "rsa"
        alg = "RS256"
        public_key_file = "{PUBLIC_KEY}"
        [[auth.key]]
        kid = "long"
        alg = "HS512"
        secret = "{hs512}"
        [[channel]]
        topic = "*"
        join = "authenticated"
        "#
    ))
    .await
}

fn claims() -> Value {
    json!({ "sub": "alice", "iss": "https://id.example.com", "aud": "gateway", "exp": now() + 3600 })
}

/// The good claims with another value of one.
fn with(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    signed(&claims.to_string())
}

fn without(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    signed(&claims.to_string())
}

fn signed(claims: &str) -> String {
    hs256(&unsigned(r#"{"alg":"HS256"}"#, claims), SECRET.as_bytes())
}

/// With this header, and a signature by the shared secret.
fn headed(header: &str) -> String {
    hs256(&unsigned(header, &claims().to_string()), SECRET.as_bytes())
}

/// Claims that are wrong in one place; what the metric says of them.
fn bad_claims() -> Vec<(String, &'static str)> {
    let now = now();
    let long = "x".repeat(256);
    let duplicate = |name: &str| {
        let claims = claims().to_string();
        signed(&format!("{},\"{name}\":{}}}", &claims[..claims.len() - 1], claims_value(name)))
    };
    let mut bad = vec![
        (with("exp", json!(now - 31)), "expired"),
        (with("exp", json!(0)), "expired"),
        (with("exp", json!(1.5)), "expired"),
        (with("exp", json!(-1)), "claims"),
        (with("exp", json!("tomorrow")), "claims"),
        (with("exp", json!(format!("{}", now + 3600))), "claims"),
        (with("exp", json!(null)), "claims"),
        (with("exp", json!(true)), "claims"),
        (with("exp", json!([now + 3600])), "claims"),
        (without("exp"), "claims"),
        (duplicate("exp"), "claims"),
        (with("nbf", json!(now + 60)), "not_yet_valid"),
        (with("nbf", json!(u64::MAX)), "not_yet_valid"),
        (with("nbf", json!("now")), "claims"),
        (with("nbf", json!(-5)), "claims"),
        (without("iss"), "issuer"),
        (with("iss", json!("https://evil.example")), "issuer"),
        (with("iss", json!("https://ID.example.com")), "issuer"),
        (with("iss", json!("https://id.example.com/")), "issuer"),
        (with("iss", json!(["https://evil.example"])), "issuer"),
        (with("iss", json!(7)), "issuer"),
        (with("iss", json!(null)), "issuer"),
        (without("aud"), "audience"),
        (with("aud", json!("other")), "audience"),
        (with("aud", json!("gateway2")), "audience"),
        (with("aud", json!("Gateway")), "audience"),
        (with("aud", json!("")), "audience"),
        (with("aud", json!([])), "audience"),
        (with("aud", json!(["other", "third"])), "audience"),
        (with("aud", json!(["gateway", 7])), "audience"),
        (with("aud", json!({ "gateway": true })), "audience"),
        (without("sub"), "claims"),
        (with("sub", json!("")), "claims"),
        (with("sub", json!(null)), "claims"),
        (with("sub", json!(1)), "claims"),
        (with("sub", json!(["alice"])), "claims"),
        (with("sub", json!("alice\r\nbob")), "claims"),
        (with("sub", json!("alice\u{0}")), "claims"),
        (with("sub", json!(long)), "claims"),
        (duplicate("sub"), "claims"),
        (with("channels", json!("room:*")), "claims"),
        (with("channels", json!(["room:*:x"])), "claims"),
        (with("channels", json!([{ "topic": "a" }])), "claims"),
    ];
    for payload in ["", "alice", "[]", "null", "{", "{}", "\u{feff}{}", "{\"sub\":\"alice\",\"exp\":1e999}"] {
        bad.push((signed(payload), "claims"));
    }
    bad
}

fn claims_value(name: &str) -> String {
    claims()[name].to_string()
}

/// Headers and signatures that are wrong.
fn bad_signatures() -> Vec<(String, &'static str)> {
    let body = claims().to_string();
    let public_key = std::fs::read_to_string(PUBLIC_KEY).unwrap();
    let der: String = public_key.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(der).unwrap();
    let good = signed(&body);
    let (signed_part, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed_part.split_once('.').unwrap();
    let mallory = ProviderKey::new("mallory");
    let mut bad = Vec::new();
    // No algorithm, in all spellings, without and with a signature.
    for alg in
        ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", "hs256", "HS256 ", "HS1", "ES512", "RS1", "dir"]
    {
        let header = json!({ "alg": alg, "typ": "JWT" }).to_string();
        bad.push((format!("{}.", unsigned(&header, &body)), "algorithm"));
        bad.push((headed(&header), "algorithm"));
    }
    for header in [
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":0}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":7}"#,
        r#"{"alg":"HS256","kid":["rsa"]}"#,
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"["HS256"]"#,
        "HS256",
        "",
        "{",
    ] {
        bad.push((headed(header), "malformed"));
    }
    // The public key as a shared secret, in all forms that somebody may have it in.
    for secret in [public_key.as_bytes(), public_key.trim().as_bytes(), &der, &der[24..], b"", b"secret"] {
        for header in [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","kid":"rsa"}"#] {
            bad.push((hs256(&unsigned(header, &body), secret), "signature"));
        }
        let as_rsa = unsigned(r#"{"alg":"RS256","kid":"rsa"}"#, &body);
        bad.push((hs256(&as_rsa, secret), "signature"));
    }
    // Another algorithm than that of the key, with a signature that would be good.
    let rsa = |header: &str| rs256(&unsigned(header, &body));
    bad.extend([
        (rsa(r#"{"alg":"RS384","kid":"rsa"}"#), "algorithm"),
        (rsa(r#"{"alg":"PS256","kid":"rsa"}"#), "algorithm"),
        (rsa(r#"{"alg":"ES256","kid":"rsa"}"#), "algorithm"),
        (rsa(r#"{"alg":"EdDSA","kid":"rsa"}"#), "algorithm"),
        (rsa(r#"{"alg":"HS512","kid":"rsa"}"#), "algorithm"),
        (rsa(r#"{"alg":"HS256"}"#), "signature"),
        (headed(r#"{"alg":"HS512","kid":"long"}"#), "signature"),
        (headed(r#"{"alg":"HS384"}"#), "unknown_key"),
        (rsa(r#"{"alg":"RS256","kid":"other"}"#), "unknown_key"),
        (rsa(r#"{"alg":"RS256","kid":""}"#), "unknown_key"),
        (rsa(r#"{"alg":"RS256","kid":"RSA"}"#), "unknown_key"),
        (rsa(r#"{"alg":"RS256","kid":"../../../../dev/null"}"#), "unknown_key"),
        (rsa(r#"{"alg":"RS256","kid":"' or '1'='1"}"#), "unknown_key"),
        (mallory.token_of("alice"), "unknown_key"),
    ]);
    // Keys that the token brings along.
    let own = json!({ "alg": "EdDSA", "jwk": mallory.jwk(), "jku": "https://evil.example/keys", "x5u": "https://evil.example" });
    bad.push((format!("{}.{}", unsigned(&own.to_string(), &body), base64url([0; 64])), "unknown_key"));
    // Cut, changed and mixed.
    let other = with("sub", json!("bob"));
    let (bobs, _) = other.rsplit_once('.').unwrap();
    bad.extend([
        (format!("{bobs}.{signature}"), "signature"),
        (format!("{signed_part}."), "signature"),
        (format!("{signed_part}.{}", base64url([0; 32])), "signature"),
        (format!("{signed_part}.{}", base64url([0; 31])), "signature"),
        (format!("{signed_part}.{}", &signature[..40]), "signature"),
        (format!("{signed_part}.{signature}AAAA"), "signature"),
        (format!("{header}.{}.{signature}", base64url(claims().to_string().replace("alice", "admin"))), "signature"),
        (signed_part.to_owned(), "malformed"),
        (header.to_owned(), "malformed"),
        (format!("{good}."), "malformed"),
        (format!("{good}.{signature}"), "malformed"),
        (format!("{good}.a.b"), "malformed"),
        (format!(".{payload}.{signature}"), "malformed"),
        (format!("{header}..{signature}"), "signature"),
        ("..".to_owned(), "malformed"),
        (".".to_owned(), "malformed"),
        ("alice".to_owned(), "malformed"),
        ("undefined".to_owned(), "malformed"),
        ("null".to_owned(), "malformed"),
        (format!("Bearer {good}"), "malformed"),
        (format!("\"{good}\""), "malformed"),
        (json!({ "payload": payload, "protected": header, "signature": signature }).to_string(), "malformed"),
        // Another alphabet, padding.
        (format!("{signed_part}.{signature}="), "malformed"),
        (format!("{header}=.{payload}.{signature}"), "malformed"),
        (format!("{signed_part}.{}", STANDARD.encode([0xff; 32])), "malformed"),
        (format!("{}.{payload}.{signature}", STANDARD.encode([0xfb; 9])), "malformed"),
        // Longer than any token.
        (with("more", json!("x".repeat(8 * 1024))), "too_large"),
        ("x".repeat(8 * 1024 + 1), "too_large"),
    ]);
    bad
}

/// One count of the metrics page.
fn count(page: &str, metric: &str) -> u64 {
    let line = page.lines().find(|line| line.starts_with(metric)).unwrap_or_else(|| panic!("no {metric}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn no_bad_token_gets_in_by_any_way() {
    let before = panics();
    let gateway = gateway().await;
    let bad = [bad_claims(), bad_signatures()].concat();
    assert!(bad.len() >= 100, "{}", bad.len());
    let (mut tried, mut counted) = (0, metrics(gateway.internal()).await);
    for (token, reason) in &bad {
        let mut ways = vec![by_param(token), by_subprotocol(token)];
        // What a header can hold.
        if !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic()) {
            ways.push(by_header(&format!("Bearer {token}")));
        }
        let count_of = ways.len() as u64;
        for way in ways {
            let answer = way.send(gateway.public()).await;
            assert_eq!((answer.status, answer.body.as_str()), (403, ""), "{reason}: {token}");
            let told: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert!(told.iter().all(|name| ["content-length", "date", "content-type"].contains(name)), "{told:?}");
            tried += 1;
        }
        let page = metrics(gateway.internal()).await;
        let metric = format!("gateway_tokens_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(count(&page, &metric), count(&counted, &metric) + count_of, "not {reason}: {token}");
        counted = page;
    }
    assert_eq!(count(&counted, "gateway_connects_total{result=\"unauthorized\"}"), tried);
    // And the good ones do.
    let rsa = rs256(&unsigned(r#"{"alg":"RS256","kid":"rsa","typ":"at+jwt"}"#, &with_aud_list().to_string()));
    for good in [signed(&claims().to_string()), with("exp", json!(now() + 1_000_000_000)), rsa] {
        for way in [by_param(&good), by_subprotocol(&good), by_header(&format!("Bearer {good}"))] {
            assert_eq!(way.send(gateway.public()).await.status, 101, "{good}");
        }
    }
    assert_eq!(panics(), before);
}

fn with_aud_list() -> Value {
    let mut claims = claims();
    claims["aud"] = json!(["other", "app"]);
    claims["nbf"] = json!(now() + 5);
    claims
}

fn by_param(token: &str) -> Handshake {
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    Handshake::to(&format!("/socket/websocket?{query}&vsn=2.0.0"))
}

fn by_subprotocol(token: &str) -> Handshake {
    let encoded = STANDARD.encode(token);
    let offered = format!("phoenix, base64url.bearer.phx.{}", encoded.trim_end_matches('='));
    Handshake::to("/socket/websocket").header("sec-websocket-protocol", &offered)
}

fn by_header(authorization: &str) -> Handshake {
    Handshake::to("/socket/websocket").header("authorization", authorization)
}
