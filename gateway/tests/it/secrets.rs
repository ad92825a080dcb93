//! What must stay secret is shown nowhere: the built binary, with secrets in every place that takes one.

use std::net::Ipv4Addr;

use serde_json::json;

use crate::support::{Client, Handshake, Pod, RedisServer, Scratch, request, run, run_with, until};

const SECRET: &str = "hunter2-s3cr3t";

/// Names under which clients send secrets.
const NAMES: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "key",
    "authToken",
    "access_token",
    "api_key",
    "apikey",
    "nested[token]",
    "list[]",
    "user_id",
];

#[tokio::test]
async fn nothing_that_a_client_or_a_back_end_sends_is_logged_or_counted_by_name() {
    for format in ["text", "json"] {
        let scratch = Scratch::new();
        let log = format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"\n[limits]\nmessages_per_second = 5\n");
        let pod = Pod::serve(&scratch, &log, &[]).await;
        let query: String = NAMES.iter().map(|name| format!("&{name}={SECRET}")).collect();
        let target = format!("/socket/websocket?vsn=2.0.0{query}");
        let mut client = Client::connect(&format!("ws://{}{target}", pod.public)).await;
        client.send(json!(["1", "1", "room:1", "phx_join", { "token": SECRET, "password": SECRET }])).await;
        client.next().await;
        for _ in 0..8 {
            client.send(json!(["1", null, "room:1", "log_in", { "password": SECRET }])).await;
        }
        client.send_text(&format!("[\"1\",\"4\",\"room:1\",{{\"password\":\"{SECRET}\"")).await;
        while !matches!(client.next_message().await, tokio_tungstenite::tungstenite::Message::Close(_)) {}
        for handshake in [
            Handshake::to(&target.replace("2.0.0", "9.0.0")),
            Handshake::plain("GET", &target),
            Handshake::plain("GET", &format!("/nowhere?token={SECRET}")),
            Handshake::to(&target).header("sec-websocket-protocol", &format!("base64url.bearer.phx.{SECRET}!")),
        ] {
            let secret = handshake.header("cookie", SECRET).header("authorization", &format!("Bearer {SECRET}"));
            let answer = secret.header("x-phoenix-authtoken", SECRET).send(pod.public).await;
            assert!(answer.status >= 400 && !format!("{answer:?}").contains(SECRET), "{answer:?}");
        }
        let bearer = format!("Bearer {SECRET}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        let denied = request(pod.internal, "POST", "/api/v1/broadcast", &headers, SECRET).await;
        assert!(denied.status == 401 && !format!("{denied:?}").contains(SECRET), "{denied:?}");
        assert!(!pod.get("/metrics").await.body.contains(SECRET));
        pod.process.signal("-TERM");
        let ended = pod.process.ended().await;
        assert!(ended.stderr.contains("refused to connect"), "{}", ended.stderr);
        assert!(!ended.stderr.contains(SECRET) && !ended.stdout.contains(SECRET), "{ended:?}");
    }
}

/// The settings themselves: printed, wrong, and in use.
#[tokio::test]
async fn no_secret_of_the_configuration_is_shown() {
    let scratch = Scratch::new();
    let redis = format!("[redis]\nurl = \"redis://user:{SECRET}@127.0.0.1:1/0\"\n");
    let good = Pod::config(&redis).replace("k3y-of-the-tests", SECRET);
    let file = |name: &str, text: &str| scratch.file(name, text);
    let good_file = file("good.toml", &good);
    let shown = run(&["check", "--config", &good_file]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("***") && !format!("{shown:?}").contains(SECRET), "{shown:?}");
    // From the environment, too.
    let url = format!("redis://:{SECRET}@127.0.0.1:1");
    let environment = [("GATEWAY_REDIS__URL", url.as_str()), ("GATEWAY_API__KEYS", SECRET)];
    let shown = run_with(&["check", "--config", &good_file], &environment).await;
    assert!(shown.code == Some(78) && !format!("{shown:?}").contains(SECRET), "{shown:?}");
    for (name, wrong) in [
        ("scheme.toml", good.replace("redis://", "mysql://")),
        ("port.toml", good.replace(":1/0", ":999999/0")),
        ("database.toml", good.replace(":1/0", ":1/zero")),
        ("syntax.toml", good.replace("keys = [", "keys = [[")),
        ("kind.toml", good.replace("keys = [", "keys = [7, ")),
        ("unknown.toml", good.replace("keys = ", "key = ")),
    ] {
        let wrong = file(name, &wrong);
        let ended = run(&["check", "--config", &wrong]).await;
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(!format!("{ended:?}").contains(SECRET), "{ended:?}");
    }
    // A Redis that does not answer, and one that refuses the password.
    let server = RedisServer::start();
    let refused = good.replace("127.0.0.1:1/0", &format!("127.0.0.1:{}/0", server.port()));
    for text in [&good, &refused] {
        let config = file("served.toml", &format!("{text}[log]\nlevel = \"trace\"\n"));
        let pod = Pod::start(&["serve", "--config", &config], &[]).await;
        until(async || pod.process.stderr().contains("Redis")).await;
        assert!(!pod.get("/metrics").await.body.contains(SECRET));
        pod.process.signal("-TERM");
        let ended = pod.process.ended().await;
        assert!(!format!("{ended:?}").contains(SECRET), "{ended:?}");
    }
}

#[tokio::test]
async fn a_refusal_tells_nothing_of_the_gateway() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "[limits]\nconnections_per_ip = 1\n", &[]).await;
    let target = format!("/socket/websocket?vsn=2.0.0&token={SECRET}");
    let (_, _held) = Handshake::to(&target).open(Ipv4Addr::LOCALHOST, pod.public).await;
    let answer = Handshake::to(&target).send(pod.public).await;
    assert_eq!(answer.status, 429);
    let shown = format!("{answer:?}");
    for hidden in [SECRET, "127.0.0.1", "gateway/"] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
}
