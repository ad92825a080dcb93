//! Who may connect to a mount of Supabase's dialect, and what the others are told (protocol 8.1, 8.2).

use std::time::Duration;

use gateway::config::{Config, Mode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::supabase::{
    anon_key, answer_to, connect, error, join, refused, settings, supabase_gateway, target,
};
use crate::support::tokens::{SECRET, good, hs256, now, unsigned};
use crate::support::{Handshake, TestGateway};

#[tokio::test]
async fn row_269_an_api_key_in_the_query_or_the_header_connects() {
    let gateway = supabase_gateway().await;
    assert_eq!(answer_to(&gateway, &target(&anon_key())).await.status, 101);
    let header = Handshake::to("/realtime/v1/websocket?vsn=2.0.0&apikey=bad").header("x-api-key", &anon_key());
    assert_eq!(header.send(gateway.public()).await.status, 101, "the header comes first");
    let header = Handshake::to(&target(&anon_key())).header("x-api-key", "bad");
    assert_eq!(header.send(gateway.public()).await.status, 401, "the header comes first");
}

/// The body of a refusal with 401, which comes late.
async fn refusal(gateway: &TestGateway, target: &str) -> Value {
    let begun = Instant::now();
    let answer = answer_to(gateway, target).await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "an answer that is late costs who tries again and again");
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn row_270_a_refused_key_is_answered_401_with_json_after_two_seconds() {
    let gateway = supabase_gateway().await;
    let claims = json!({ "role": "anon", "exp": now() + 60 });
    let foreign =
        hs256(&unsigned(r#"{"alg":"HS256"}"#, &claims.to_string()), b"another secret of the tests, also long");
    let cases = [
        ("/realtime/v1/websocket?vsn=2.0.0".to_owned(), "API key is missing"),
        (target(""), "API key is missing"),
        (target("abc"), "The token provided is not a valid JWT"),
        (target(&foreign), "Failed to validate JWT signature"),
        (target(&good(&json!({ "role": "anon", "exp": now() - 60 }))), "Token has expired"),
        (target(&good(&json!({ "role": "anon" }))), "Fields `role` and `exp` are required in JWT"),
        (target(&good(&json!({ "sub": "u", "exp": now() + 60 }))), "Fields `role` and `exp` are required in JWT"),
        (
            target(&good(&json!({ "role": "anon", "exp": now() as f64 + 60.5 }))),
            "Fields `role` and `exp` are required in JWT",
        ),
    ];
    let asked =
        cases.iter().map(async |(target, text)| assert_eq!(refusal(&gateway, target).await, json!({ "error": text })));
    futures_util::future::join_all(asked).await;
}

/// Other refusals come in the same form; those of stock mounts stay as they were.
#[tokio::test]
async fn row_270_other_refusals_are_json_too() {
    let listed = settings().replace("check_origin = false", "check_origin = [\"//good.test\"]");
    let gateway = TestGateway::configured(&listed).await;
    let target = target(&anon_key());
    let bad_origin = Handshake::to(&target).header("origin", "https://evil.test");
    let bad_vsn = Handshake::to(&format!("/realtime/v1/websocket?vsn=9.0.0&apikey={}", anon_key()));
    let stock = Handshake::to("/socket/websocket?vsn=2.0.0");
    let (bad_origin, bad_vsn, stock) =
        tokio::join!(bad_origin.send(gateway.public()), bad_vsn.send(gateway.public()), stock.send(gateway.public()));
    assert_eq!((bad_origin.status, &*bad_origin.body), (403, r#"{"error":"the origin is not allowed"}"#));
    assert_eq!((bad_vsn.status, &*bad_vsn.body), (403, r#"{"error":"the vsn is not supported"}"#));
    assert_eq!((stock.status, &*stock.body), (403, ""));
    assert_eq!(answer_to(&gateway, "/realtime/v2/websocket").await.status, 404);
}

#[tokio::test]
async fn row_290_a_malformed_frame_is_overlooked() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    join(&mut client, "realtime:a", json!({})).await;
    for text in ["", "{", "[]", r#"["1","2"]"#, r#"{"topic":"realtime:a"}"#, "7"] {
        client.send_text(text).await;
    }
    for bytes in [
        &b""[..],
        b"\x09",
        b"\x03\x01",
        b"\x04\0\0\0\0",
        b"\x03\0\0\x0a\x01\0\x01realtime:ae{",
        b"\x00\0\0\x0a\x01realtime:ae",
    ] {
        client.send_binary(bytes).await;
    }
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn only_topics_of_the_dialect_are_joined() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    for topic in ["plain:1", "phoenix", "realtime", "@private:realtime:a", "@private:plain:1"] {
        client.send(json!(["1", "1", topic, "phx_join", {}])).await;
        assert_eq!(client.next().await[4], error("unmatched topic"), "{topic}");
    }
}

#[tokio::test]
async fn a_stock_client_reaches_no_private_topic() {
    let toml = settings().replace("topic = \"plain:*\"", "topic = \"*\"").replace("[auth]", "[auth]\nrequired = false");
    let gateway = TestGateway::configured(&toml).await;
    let mut client = gateway.connect().await;
    client.send(json!(["1", "1", "@private:realtime:a", "phx_join", {}])).await;
    assert_eq!(client.next().await[4], error("unmatched topic"));
    client.join("2", "@privates:room").await;
}

#[test]
fn the_example_of_the_page_is_a_configuration() {
    let page = include_str!("../../../docs/SUPABASE.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = Config::from_toml(Mode::Serve, &example.replace("env:JWT_SECRET", SECRET)).unwrap();
    assert_eq!(config.socket.path.as_str(), "/realtime/v1");
}

#[test]
fn the_dialect_needs_keys_and_has_no_long_poll() {
    let channel = "[[channel]]\ntopic = \"realtime:*\"\njoin = \"open\"\n";
    let socket = "[socket]\ncheck_origin = false\ndialect = \"supabase\"\n";
    let auth = format!("[auth]\nhs256_secret = \"{SECRET}\"\n");
    let without_auth = refused(&format!("{socket}{channel}"));
    assert!(without_auth.contains("no [auth]"), "{without_auth}");
    let polled = refused(&format!("{socket}longpoll = true\n{auth}{channel}"));
    assert!(polled.contains("long polling"), "{polled}");
    let unknown = refused(&format!("{auth}{channel}{}", socket.replace("supabase", "firebase")));
    assert!(unknown.contains("must be \"phoenix\" or \"supabase\""), "{unknown}");
}
