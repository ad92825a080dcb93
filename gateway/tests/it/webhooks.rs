//! What can be said of webhooks without a back end; with one: `gateway/tests/clients/webhook*.test.mjs`.

use gateway::config::{Config, Mode};
use serde_json::json;

use crate::support::{Scratch, TestGateway, run_with};

const CHANNEL: &str = "[[channel]]\ntopic = \"*\"\njoin = \"webhook\"\n\
                       webhook = { url = \"https://example.com/hooks\", secret = \"env:HOOK\" }\n";

/// A program that mounts the routes by itself has nothing to ask the back end with: nobody may pass for admitted.
#[tokio::test]
async fn routes_of_a_webhook_without_its_back_end_let_nobody_in() {
    let text = CHANNEL.replace("env:HOOK", "0123456789abcdef");
    let parsed = |text: &str| Config::from_toml(Mode::Dev, text).unwrap().channels;
    // A program can also make channels that no file could hold.
    let mut without_address = parsed(&text);
    without_address[0].webhook = None;
    let opened = parsed(&text.replace("\"webhook\"", "\"open\""));
    for channels in [parsed(&text), opened, without_address] {
        let gateway = TestGateway::with_channels(gateway::relay_routes(&channels)).await;
        let mut client = gateway.connect().await;
        client.send(json!(["1", "1", "room:1", "phx_join", {}])).await;
        assert_eq!(client.next().await[4], json!({ "status": "error", "response": { "reason": "forbidden" } }));
    }
}

#[tokio::test]
async fn check_prints_a_webhook_without_its_secret() {
    let scratch = Scratch::new();
    let config = scratch.file("gateway.toml", &format!("[socket]\ncheck_origin = false\n{CHANNEL}"));
    let secret = "hunter2hunter2hunter2";
    let ended = run_with(&["check", "--config", &config], &[("HOOK", secret)]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("secret = \"env:HOOK\"") && ended.stdout.contains("timeout = \"5s\""),
        "{}",
        ended.stdout
    );
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(secret));
}
