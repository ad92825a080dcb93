//! Who is present, for back ends and operators: `GET /api/v1/topics/…` and `gateway presence`.

use serde_json::{Value, json};

use crate::support::{KEY, Member, Pod, RedisServer, Scratch, run};

const ON: &str = "[[channel]]\ntopic = \"*\"\njoin = \"open\"\npresence = true\n";

/// A topic that has to be escaped in a path.
const TOPIC: &str = "room:a/b c?d#é%41";
const ESCAPED: &str = "room%3Aa%2Fb%20c%3Fd%23%C3%A9%2541";

async fn member(pod: &Pod, user: &str) -> Member {
    let mut member = Member::join(pod.connect().await, TOPIC, json!({ "user_id": user })).await;
    while member.metas(user).is_empty() {
        member.next().await;
    }
    member
}

#[tokio::test]
async fn a_topic_tells_who_is_there_and_how_many() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, ON, &[]).await;
    let path = format!("/api/v1/topics/{ESCAPED}");
    let empty = json!({ "topic": TOPIC, "subscribers": 0, "presence": { "keys": 0, "metas": 0 } });
    assert_eq!(pod.get(&path).await.json(), empty);
    assert_eq!(pod.get(&format!("{path}/presence")).await.json(), json!({}));
    let one = member(&pod, "u1").await;
    let mut two = member(&pod, "u1").await;
    two.push("presence", json!({ "event": "update", "payload": { "a": 1 } })).await;
    two.diff().await;
    let counted = json!({ "topic": TOPIC, "subscribers": 2, "presence": { "keys": 1, "metas": 2 } });
    assert_eq!(pod.get(&path).await.json(), counted);
    let response = pod.get(&format!("{path}/presence")).await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    let state = response.json();
    let mut listed = state["u1"]["metas"].as_array().unwrap().clone();
    listed.sort_by_key(|meta| meta["phx_ref"].to_string());
    assert_eq!(listed, two.metas("u1"));
    drop(one);
    // The methods are refused that do not exist, and who has no key.
    assert_eq!(pod.post(&path, "{}").await.status, 405);
    assert_eq!(pod.post(&format!("{path}/presence"), "{}").await.status, 405);
    for path in [path.clone(), format!("{path}/presence")] {
        let response = crate::support::request(pod.internal, "GET", &path, &[], "").await;
        response.problem(401);
    }
}

async fn printed(arguments: &[&str]) -> Value {
    let ended = run(&[&["presence", TOPIC], arguments].concat()).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

#[tokio::test]
async fn the_command_prints_who_is_there_by_the_api() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, ON, &[]).await;
    let url = format!("http://{}", pod.internal);
    let api = ["--api-url", url.as_str(), "--api-key", KEY];
    assert_eq!(printed(&api).await, json!({}));
    let member = member(&pod, "u1").await;
    assert_eq!(printed(&api).await, json!({ "u1": { "metas": [member.meta("u1")] } }));
    let ended = run(&["presence", TOPIC, "--api-url", &url, "--api-key", "wr0ng"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""));
    assert!(ended.stderr.contains("401") && !ended.stderr.contains("wr0ng"), "{ended:?}");
    assert_eq!(run(&["presence", ""]).await.code, Some(64));
}

#[tokio::test]
async fn the_command_prints_who_is_there_from_redis() {
    let mut redis = RedisServer::start();
    let url = redis.url();
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, ON, &["--redis-url", &url]).await;
    pod.until_readyz(200).await;
    assert_eq!(printed(&["--redis-url", &url]).await, json!({}));
    let member = member(&pod, "u1").await;
    assert_eq!(printed(&["--redis-url", &url]).await, json!({ "u1": { "metas": [member.meta("u1")] } }));
    redis.crash();
    let ended = run(&["presence", TOPIC, "--redis-url", &url]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(69), ""), "{ended:?}");
}

#[tokio::test]
async fn the_command_reads_redis_and_leaves_no_trace() {
    let redis = RedisServer::start();
    let put = |node: &str, value: &str| {
        redis.command(&["HSET", "gw:{room:1}:p", &format!("{node}:ref-{node}"), value]);
    };
    redis.command(&["HSET", "gw:{room:1}:p", "v", "1", "e", "x", "s", "here gone ", "r", ""]);
    put("here", r#"["alice",{"name":"A"}]"#);
    put("gone", r#"["ghost",{}]"#);
    put("marked", r#"["ghost",{}]"#);
    redis.command(&["SET", "gw:node:here", "alive"]);
    redis.command(&["SET", "gw:node:marked", "dead"]);
    // Who has left and may come back is there until the time is over.
    put("~", r#"["late",{},99999999999999]"#);
    redis.command(&["HSET", "gw:{room:1}:p", "~:ref-over", r#"["over",{},1]"#]);
    let changes = || {
        let info = redis.command(&["INFO", "persistence"]);
        info.lines().find(|line| line.starts_with("rdb_changes_since_last_save:")).unwrap().to_owned()
    };
    let before = (redis.command(&["KEYS", "*"]), changes());
    let ended = run(&["presence", "room:1", "--redis-url", &redis.url()]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let expected = json!({
        "alice": { "metas": [{ "name": "A", "phx_ref": "ref-here" }] },
        "late": { "metas": [{ "phx_ref": "ref-~" }] },
    });
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap(), expected);
    assert_eq!((redis.command(&["KEYS", "*"]), changes()), before);
}
