//! Where the token of a request is looked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::tokens::{SECRET, good, token_of};
use crate::support::{Handshake, Pod, Scratch, TestGateway};

fn with_header(authorization: &str) -> Handshake {
    Handshake::to("/socket/websocket").header("authorization", authorization)
}

/// A token is looked for in three places and no other; the first of them that holds something counts.
#[tokio::test]
async fn of_two_tokens_the_first_source_counts() {
    let auth = format!("[auth]\nhs256_secret = \"{SECRET}\"\n[[channel]]\ntopic = \"*\"\njoin = \"authenticated\"\n");
    let gateway = TestGateway::configured(&auth).await;
    let (good, bad) = (token_of("alice", json!([])), good(&json!({ "sub": "alice", "exp": 1 })));
    let (offered, bad_offered) = (STANDARD.encode(&good), STANDARD.encode(&bad));
    let (offered, bad_offered) = (offered.trim_end_matches('='), bad_offered.trim_end_matches('='));
    let prefix = "base64url.bearer.phx.";
    let to = |query: &str| Handshake::to(&format!("/socket/websocket?{query}"));
    let protocols = "sec-websocket-protocol";
    let bearer = |token: &str| format!("Bearer {token}");
    for (name, handshake, status) in [
        (
            "bad authToken, good param",
            to(&format!("token={good}")).header(protocols, &format!("phoenix, {prefix}{bad_offered}")),
            403,
        ),
        (
            "good authToken, bad param",
            to(&format!("token={bad}")).header(protocols, &format!("phoenix, {prefix}{offered}")),
            101,
        ),
        ("bad param, good header", to(&format!("token={bad}")).header("authorization", &bearer(&good)), 403),
        ("good param, bad header", to(&format!("token={good}")).header("authorization", &bearer(&bad)), 101),
        ("empty param, good header", to("token=").header("authorization", &bearer(&good)), 403),
        (
            "two authTokens",
            Handshake::to("/socket/websocket")
                .header(protocols, &format!("phoenix, {prefix}{offered}, {prefix}{offered}")),
            403,
        ),
        ("the last of two params counts", to(&format!("token={good}&token={bad}")), 403),
        ("a list", to(&format!("token[]={good}")), 403),
        ("a map", to(&format!("token[x]={good}")), 403),
        ("another name", to(&format!("Token={good}&access_token={good}&authToken={good}")), 403),
        ("nothing", to("vsn=2.0.0"), 403),
        ("only the user's name", to("user_id=alice&sub=alice"), 403),
        ("lower case scheme", with_header(&format!("bearer {good}")), 101),
        ("more space", with_header(&format!("Bearer   {good}")), 101),
        ("no token", with_header("Bearer"), 403),
        ("no token, with a space", with_header("Bearer "), 403),
        ("another scheme", with_header(&format!("Basic {good}")), 403),
        ("a longer scheme", with_header(&format!("Bearers {good}")), 403),
        ("no scheme", with_header(&good), 403),
        ("a list of schemes", with_header(&format!("Bearer {good}, Bearer {good}")), 403),
        ("not text", with_header("Bearer \u{fc}"), 403),
        ("the first of two headers", with_header(&bearer(&bad)).header("authorization", &bearer(&good)), 403),
        ("the header in another case", Handshake::to("/socket/websocket").header("AUTHORIZATION", &bearer(&good)), 101),
        ("a proxy's header", Handshake::to("/socket/websocket").header("proxy-authorization", &bearer(&good)), 403),
        ("a cookie", Handshake::to("/socket/websocket").header("cookie", &format!("token={good}")), 403),
        ("long polling's header", Handshake::to("/socket/websocket").header("x-phoenix-authtoken", &good), 403),
        ("no upgrade", Handshake::plain("GET", &format!("/socket/websocket?token={bad}")), 403),
        ("no upgrade, with a good token", Handshake::plain("GET", &format!("/socket/websocket?token={good}")), 400),
    ] {
        assert_eq!(handshake.send(gateway.public()).await.status, status, "{name}");
    }
}

#[tokio::test]
async fn the_log_says_why_and_shows_nothing_of_the_token() {
    let scratch = Scratch::new();
    let settings = format!("[log]\nlevel = \"debug\"\n[auth]\nhs256_secret = \"{SECRET}\"\n");
    let pod = Pod::serve(&scratch, &settings, &[]).await;
    let expired = good(&json!({ "sub": "mallory@example.com", "exp": 1 }));
    let target = format!("/socket/websocket?token={expired}");
    assert_eq!(Handshake::to(&target).send(pod.public).await.status, 403);
    let log = pod.process.stderr();
    assert_eq!(log.matches("the token has expired").count(), 1, "{log}");
    for part in expired.split('.').chain(["mallory", SECRET]) {
        assert!(!log.contains(part), "{part}: {log}");
    }
}
