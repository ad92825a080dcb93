use serde_json::{Value, json};

use crate::support::{KEY, Pod, RedisServer, Running, Scratch, run, run_with};

const ACCEPTED: &str = "{\"accepted\":true,\"event\":\"new_msg\",\"topic\":\"room:1\"}\n";

/// Broadcasts numbered events until the first line of a tail has come, which says that it listens; returns its number.
async fn first_line(tail: &mut Running, pod: &Pod, topic: &str) -> u64 {
    let mut number = 0;
    let publish = async {
        loop {
            number += 1;
            pod.broadcast(topic, "warm_up", &json!({ "n": number })).await;
        }
    };
    let line = tokio::select! {
        line = tail.line() => line,
        () = publish => unreachable!(),
    };
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["topic"], &line["event"]), (&json!(topic), &json!("warm_up")));
    line["payload"]["n"].as_u64().unwrap()
}

/// The next line that is no `warm_up`.
async fn next_line(tail: &mut Running) -> Value {
    loop {
        let line: Value = serde_json::from_str(&tail.line().await).unwrap();
        if line["event"] != "warm_up" {
            return line;
        }
    }
}

#[tokio::test]
async fn publish_through_the_api_reaches_clients() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &[]).await;
    let mut client = pod.connect().await;
    client.join("1", "room:1").await;
    let url = format!("http://{}", pod.internal);
    let arguments = ["publish", "room:1", "new_msg", r#"{"body":"hi"}"#, "--api-url", &url, "--api-key", KEY];
    let ended = run(&arguments).await;
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), ACCEPTED, ""));
    assert_eq!(client.next().await, json!([null, null, "room:1", "new_msg", { "body": "hi" }]));
    // A key that is not in the process list.
    let arguments = ["publish", "room:1", "new_msg", r#"{"body":"ho"}"#, "--api-url", &url, "--api-key", "env:SECRET"];
    assert_eq!(run_with(&arguments, &[("SECRET", KEY)]).await.code, Some(0));
    assert_eq!(client.next().await[4], json!({ "body": "ho" }));
}

#[tokio::test]
async fn publish_through_redis_reaches_clients() {
    let redis = RedisServer::start();
    let pod = Pod::start(&["dev", "--redis-url", &redis.url()], &[]).await;
    pod.until_readyz(200).await;
    let mut client = pod.connect().await;
    client.join("1", "room:1").await;
    let ended = run(&["publish", "room:1", "new_msg", r#"{"body":"hi"}"#, "--redis-url", &redis.url()]).await;
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), ACCEPTED, ""));
    assert_eq!(client.next().await, json!([null, null, "room:1", "new_msg", { "body": "hi" }]));
}

#[tokio::test]
async fn publish_says_why_it_failed() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &[]).await;
    let url = format!("http://{}", pod.internal);
    let publish = async |event: &str, payload: &str, more: &[&str]| {
        let ended = run(&[&["publish", "room:1", event, payload], more].concat()).await;
        assert_eq!(ended.stdout, "", "{ended:?}");
        (ended.code, ended.stderr)
    };
    let (code, message) = publish("e", "{}", &["--api-url", &url, "--api-key", "wr0ng"]).await;
    assert_eq!(code, Some(64));
    assert!(message.contains("401") && message.contains("api") && !message.contains("wr0ng"), "{message}");
    let api = ["--api-url", url.as_str(), "--api-key", KEY];
    for (event, payload, hint) in [
        ("phx_close", "{}", "belongs to the protocol"),
        ("disconnect", "{}", "belongs to the protocol"),
        ("e", "[]", "object"),
        ("e", "{", "not JSON"),
        ("", "{}", "empty"),
        (&"e".repeat(256), "{}", "255"),
    ] {
        let (code, message) = publish(event, payload, &api).await;
        assert_eq!(code, Some(64), "{event} {payload}: {message}");
        assert!(message.contains(hint), "{message}");
    }
    // Nobody is there.
    let mut redis = RedisServer::start();
    let redis_url = redis.url();
    for (event, payload) in [("presence_diff", "{}"), ("e", "7"), ("", "{}")] {
        assert_eq!(publish(event, payload, &["--redis-url", &redis_url]).await.0, Some(64), "{event} {payload}");
    }
    redis.crash();
    let (code, message) = publish("e", "{}", &["--redis-url", &redis_url]).await;
    assert_eq!(code, Some(69), "{message}");
    let nobody = format!("http://127.0.0.1:{}", redis.port());
    let (code, message) = publish("e", "{}", &["--api-url", &nobody]).await;
    assert_eq!(code, Some(69), "{message}");
    assert!(message.contains(&nobody), "{message}");
}

#[tokio::test]
async fn tail_through_the_api_prints_a_json_line_for_each_broadcast() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &[]).await;
    let url = format!("http://{}", pod.internal);
    // A topic that has to be escaped in a path.
    let topic = "room:a/b c?d#é%41";
    let mut tail = Running::start(&["tail", topic, "--api-url", &url, "--api-key", KEY], &[]);
    prints_what_comes(&mut tail, &pod, topic).await;
    // The gateway's end is the stream's end.
    pod.process.signal("-TERM");
    assert_eq!(pod.process.ended().await.code, Some(0));
    let ended = tail.ended().await;
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(!ended.stderr.is_empty());
}

#[tokio::test]
async fn tail_through_redis_prints_a_json_line_for_each_broadcast() {
    let redis = RedisServer::start();
    let pod = Pod::start(&["dev", "--redis-url", &redis.url()], &[]).await;
    pod.until_readyz(200).await;
    let mut tail = Running::start(&["tail", "room:1", "--redis-url", &redis.url()], &[]);
    prints_what_comes(&mut tail, &pod, "room:1").await;
}

async fn prints_what_comes(tail: &mut Running, pod: &Pod, topic: &str) {
    first_line(tail, pod, topic).await;
    pod.broadcast("room:other", "elsewhere", &json!({})).await;
    for number in 0..100 {
        pod.broadcast(topic, "new_msg", &json!({ "n": number, "text": "a\nb" })).await;
    }
    for number in 0..100 {
        let expected = json!({ "topic": topic, "event": "new_msg", "payload": { "n": number, "text": "a\nb" } });
        assert_eq!(next_line(tail).await, expected);
    }
}

#[tokio::test]
async fn tail_says_why_it_failed() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &[]).await;
    let url = format!("http://{}", pod.internal);
    let ended = run(&["tail", "room:1", "--api-url", &url, "--api-key", "wr0ng"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""));
    assert!(ended.stderr.contains("401") && !ended.stderr.contains("wr0ng"), "{ended:?}");
    let mut redis = RedisServer::start();
    redis.crash();
    let ended = run(&["tail", "room:1", "--redis-url", &redis.url()]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(69), ""), "{ended:?}");
}

#[tokio::test]
async fn tail_ends_when_nobody_reads_it_any_more() {
    let redis = RedisServer::start();
    let pod = Pod::start(&["dev", "--redis-url", &redis.url()], &[]).await;
    pod.until_readyz(200).await;
    let url = format!("http://{}", pod.internal);
    for source in [["--api-url", url.as_str()], ["--redis-url", &redis.url()]] {
        let mut tail = Running::start(&[&["tail", "room:1"], &source[..]].concat(), &[]);
        first_line(&mut tail, &pod, "room:1").await;
        let ended = tail.close_stdout();
        let publish = async {
            loop {
                pod.broadcast("room:1", "e", &json!({})).await;
            }
        };
        let code = tokio::select! {
            code = ended => code,
            () = publish => unreachable!(),
        };
        assert_eq!(code, Some(0));
    }
}
