//! Clients of Supabase's dialect, in raw frames.

use gateway::config::{Config, Mode};
use serde_json::{Value, json};

use super::client::Client;
use super::gateway::TestGateway;
use super::handshake::{Answer, Handshake};
use super::tokens::{SECRET, good, now};

/// Settings of a gateway for Supabase's clients: public topics are open, those under `realtime:known` need a user, those
/// under `realtime:only` are private only; `realtime:mute` has no presence and one event, `realtime:kept` a history.
pub(crate) fn settings() -> String {
    format!(
        r#"
        [auth]
        hs256_secret = "{SECRET}"
        [[mount]]
        path = "/realtime/v1"
        dialect = "supabase"
        check_origin = false
        id = "user:{{sub}}"
        [[channel]]
        topic = "realtime:known*"
        join = "authenticated"
        presence = true
        [[channel]]
        topic = "realtime:only*"
        join = "granted"
        presence = true
        [[channel]]
        topic = "realtime:mute*"
        join = "open"
        client_events = ["said"]
        [[channel]]
        topic = "realtime:kept*"
        join = "open"
        history = {{ size = 10, ttl = "1m" }}
        [[channel]]
        topic = "realtime:*"
        join = "open"
        presence = true
        [[channel]]
        topic = "plain:*"
        join = "open"
        "#
    )
}

/// A gateway in this process.
pub(crate) async fn supabase_gateway() -> TestGateway {
    supabase_gateway_with("").await
}

/// With further settings, which come first.
pub(crate) async fn supabase_gateway_with(toml: &str) -> TestGateway {
    TestGateway::configured(&format!("{toml}{}", settings())).await
}

/// An API key of the role `anon`, for an hour.
pub(crate) fn anon_key() -> String {
    good(&json!({ "role": "anon", "exp": now() + 3600, "iss": "supabase" }))
}

/// An access token of a user with grants, for so many seconds.
pub(crate) fn access_token(user: &str, channels: Value, seconds: i64) -> String {
    let mut claims = json!({ "role": "authenticated", "sub": user, "exp": now() + seconds });
    claims["channels"] = channels;
    good(&claims)
}

/// Path and query with which realtime-js connects.
pub(crate) fn target(key: &str) -> String {
    format!("/realtime/v1/websocket?apikey={key}&vsn=2.0.0")
}

/// What a request to connect is answered.
pub(crate) async fn answer_to(gateway: &TestGateway, target: &str) -> Answer {
    Handshake::to(target).send(gateway.public()).await
}

/// A client with version 2.
pub(crate) async fn connect(gateway: &TestGateway) -> Client {
    gateway.connect_to(&target(&anon_key())).await
}

/// A client with version 1.
pub(crate) async fn connect_v1(gateway: &TestGateway) -> Client {
    gateway.connect_to(&format!("/realtime/v1/websocket?apikey={}&vsn=1.0.0", anon_key())).await
}

/// Asks to join; the answer's payload.
pub(crate) async fn ask_to_join(client: &mut Client, topic: &str, params: Value) -> Value {
    client.send(json!(["1", "1", topic, "phx_join", params])).await;
    let reply = client.next().await;
    assert_eq!(json!([reply[0], reply[1], reply[2], reply[3]]), json!(["1", "1", topic, "phx_reply"]), "{reply}");
    reply[4].clone()
}

/// Joins with a `config`; the answer must be ok.
pub(crate) async fn join(client: &mut Client, topic: &str, config: Value) {
    join_with(client, topic, json!({ "config": quiet(config) })).await;
}

/// Joins with params; the answer must be ok.
pub(crate) async fn join_with(client: &mut Client, topic: &str, params: Value) {
    let reply = ask_to_join(client, topic, params).await;
    assert_eq!(reply, json!({ "status": "ok", "response": { "postgres_changes": [] } }));
}

/// The config without presence, unless it says something about it: as stock clients have it.
pub(crate) fn quiet(mut config: Value) -> Value {
    if config.get("presence").is_none() {
        config["presence"] = json!({ "enabled": false });
    }
    config
}

/// The reason of an error.
pub(crate) fn error(reason: &str) -> Value {
    json!({ "status": "error", "response": { "reason": reason } })
}

/// A system message about an error on a topic, by its name without the prefix.
pub(crate) fn system_error(name: &str, message: &str) -> Value {
    let payload = json!({ "extension": "system", "status": "error", "message": message, "channel": name });
    json!(["1", null, format!("realtime:{name}"), "system", payload])
}

/// That a configuration is refused, and why.
pub(crate) fn refused(toml: &str) -> String {
    Config::from_toml(Mode::Serve, toml).unwrap_err().to_string()
}
