//! Idempotency keys and batches of the internal API, on one embedded pod; on several: `api_pods.rs`.

use serde_json::{Value, json};

use crate::support::{KEY, Pod, RedisServer, Scratch, request, run};

const BROADCAST: &str = "/api/v1/broadcast";
const BATCH: &str = "/api/v1/broadcast/batch";

fn message(topic: &str, number: u32) -> Value {
    json!({ "topic": topic, "event": "e", "payload": { "n": number } })
}

fn keyed(topic: &str, number: u32, key: &str) -> Value {
    let mut message = message(topic, number);
    message["idempotency_key"] = json!(key);
    message
}

#[tokio::test]
async fn a_key_is_for_one_message_of_its_topic() {
    let pod = Pod::dev().await;
    let (mut one, mut two) = (pod.connect().await, pod.connect().await);
    one.join("1", "room:1").await;
    two.join("1", "room:2").await;
    for (topic, number, duplicate) in [("room:1", 1, false), ("room:1", 2, true), ("room:2", 3, false)] {
        let response = pod.post(BROADCAST, &keyed(topic, number, "key").to_string()).await;
        assert_eq!((response.status, response.json()), (202, json!({ "duplicate": duplicate })));
    }
    let without = pod.post(BROADCAST, &message("room:1", 4).to_string()).await;
    assert_eq!((without.status, without.body.as_str()), (202, ""), "as it was before there were keys");
    for (client, numbers) in [(&mut one, &[1, 4][..]), (&mut two, &[3])] {
        for number in numbers {
            assert_eq!(client.next().await[4], json!({ "n": number }));
        }
        client.assert_nothing_came().await;
    }
    assert_eq!(pod.metric("gateway_idempotent_duplicates_total", "").await, 1.0);
}

#[tokio::test]
async fn keys_have_1_to_255_bytes() {
    let pod = Pod::dev().await;
    for key in [json!(""), json!("k".repeat(256)), json!("é".repeat(128)), json!(7), json!({})] {
        let mut body = message("t", 1);
        body["idempotency_key"] = key;
        pod.post(BROADCAST, &body.to_string()).await.problem(400);
    }
    for key in ["k".repeat(255), "\u{0} {}\n%".to_owned()] {
        let response = pod.post(BROADCAST, &keyed("t", 1, &key).to_string()).await;
        assert_eq!(response.json(), json!({ "duplicate": false }));
    }
}

#[tokio::test]
async fn a_batch_is_checked_whole_before_any_of_it_is_sent() {
    let pod = Pod::dev().await;
    let mut client = pod.connect().await;
    client.join("1", "room:1").await;
    let wrong = [
        ("event", json!("phx_close")),
        ("event", json!("presence_diff")),
        ("event", json!("disconnect")),
        ("event", json!("")),
        ("topic", json!("t".repeat(256))),
        ("payload", json!([])),
        ("idempotency_key", json!("")),
    ];
    for (field, value) in wrong {
        let mut bad = message("room:1", 3);
        bad[field] = value;
        let batch = json!({ "messages": [keyed("room:1", 1, "k"), message("room:1", 2), bad] });
        let detail = pod.post(BATCH, &batch.to_string()).await.problem(400);
        assert!(detail.starts_with("messages[2]: ") && detail.contains("none was sent"), "{detail}");
    }
    for messages in [json!([]), json!({}), json!([{}]), json!(vec![message("t", 1); 1001])] {
        pod.post(BATCH, &json!({ "messages": messages }).to_string()).await.problem(400);
    }
    client.assert_nothing_came().await;
    let batch = json!({ "messages": [keyed("room:1", 1, "k"), message("room:1", 2), keyed("room:1", 3, "k")] });
    let response = pod.post(BATCH, &batch.to_string()).await;
    let results = ["accepted", "accepted", "duplicate"].map(|status| json!({ "status": status }));
    assert_eq!((response.status, response.json()), (202, json!({ "results": results })));
    for number in [1, 2] {
        assert_eq!(client.next().await[4], json!({ "n": number }));
    }
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn without_redis_a_batch_says_what_became_of_each_message() {
    let mut redis = RedisServer::start();
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &["--redis-url", &redis.url()]).await;
    pod.until_readyz(200).await;
    redis.crash();
    let batch = json!({ "messages": [message("t", 1), keyed("t", 2, "k")] });
    let response = pod.post(BATCH, &batch.to_string()).await;
    response.problem(503);
    assert_eq!(response.json()["results"], json!(vec![json!({ "status": "unavailable" }); 2]));
    redis.resume();
    pod.until_metric("gateway_redis_up", "", |up| up == 1.0).await;
    // Nobody knows whether the first attempt has come through after all. Who has a key need not know.
    let attempts = [pod.post(BATCH, &batch.to_string()).await, pod.post(BATCH, &batch.to_string()).await];
    let [first, second] = attempts.map(|response| response.json()["results"].clone());
    assert_eq!((&first[0], &second[0]), (&json!({ "status": "accepted" }), &json!({ "status": "accepted" })));
    assert!(["accepted", "duplicate"].contains(&first[1]["status"].as_str().unwrap()), "{first}");
    assert_eq!(second[1], json!({ "status": "duplicate" }));
}

#[tokio::test]
async fn publish_takes_a_key() {
    let redis = RedisServer::start();
    let scratch = Scratch::new();
    let url = redis.url();
    let pod = Pod::serve(&scratch, "", &["--redis-url", &url]).await;
    pod.until_readyz(200).await;
    let api = format!("http://{}", pod.internal);
    let (through_api, through_redis) = (["--api-url", &api, "--api-key", KEY], ["--redis-url", &url]);
    for (way, duplicate) in [(&through_api[..], false), (&through_redis[..], true), (&through_api[..], true)] {
        let arguments = [&["publish", "room:1", "e", "{}", "--idempotency-key", "k"], way].concat();
        let ended = run(&arguments).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let line: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(line, json!({ "topic": "room:1", "event": "e", "accepted": true, "duplicate": duplicate }));
    }
    let refused = run(&["publish", "room:1", "e", "{}", "--idempotency-key", "", "--api-url", &api]).await;
    assert_eq!(refused.code, Some(64), "{refused:?}");
}

#[tokio::test]
async fn whatever_goes_wrong_is_a_problem_document() {
    let pod = Pod::dev().await;
    let json = [("content-type", "application/json")];
    for path in ["/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/topics", "/api/v2/broadcast", "/nothing", "/"] {
        request(pod.internal, "GET", path, &json, "").await.problem(404);
        request(pod.internal, "POST", path, &json, "{}").await.problem(404);
    }
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/openapi.json", "/api/v1/nodes", "/api/v1/topics/t"] {
        let response = request(pod.internal, "DELETE", path, &json, "").await;
        response.problem(405);
        assert!(response.header("allow").is_some_and(|allow| allow.contains("GET")), "{response:?}");
    }
    for topic in ["%FF", "a%C3", &"t".repeat(256)] {
        for rest in ["", "/presence", "/events"] {
            request(pod.internal, "GET", &format!("/api/v1/topics/{topic}{rest}"), &[], "").await.problem(400);
        }
    }
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &[]).await;
    request(pod.internal, "GET", "/api/v1/nothing", &[], "").await.problem(401);
    request(pod.internal, "GET", "/nothing", &[], "").await.problem(404);
}
