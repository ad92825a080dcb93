//! What an application adds beside channels: HTTP routes, and jobs that broadcast once for all pods.

use std::time::Duration;

use axum::routing::{get, post};
use gateway::config::Config;
use gateway::pubsub::Acceptance;
use gateway::{Gateway, Mount, StartError, Turn};
use serde_json::{Value, json};

use crate::support::{OpenSocket, RedisServer, TestGateway, relay_router, request};

fn socket() -> Mount {
    Mount::new("/socket", OpenSocket, relay_router())
}

#[tokio::test]
async fn own_routes_are_served_beside_the_sockets_and_reach_the_endpoint() {
    let gateway = TestGateway::with_builder("", |builder| {
        builder.mount(socket()).routes(|endpoint| {
            let endpoint = endpoint.clone();
            let announce = async move || endpoint.broadcast("room:1", "announced", json!({})).await.is_ok().to_string();
            axum::Router::new().route("/", get("hello")).route("/announce", post(announce))
        })
    })
    .await;
    let mut client = gateway.connect().await;
    client.join("1", "room:1").await;
    let get = async |path| request(gateway.public(), "GET", path, &[], "").await;
    assert_eq!((get("/").await.status, get("/").await.body), (200, "hello".to_owned()));
    assert_eq!((get("/announce").await.status, get("/nothing").await.status), (405, 404));
    assert_eq!(get("/socket/websocket").await.status, 400, "the socket's own answer");
    let announced = request(gateway.public(), "POST", "/announce", &[], "").await;
    assert_eq!((announced.status, announced.body.as_str()), (200, "true"));
    assert_eq!(client.next().await, json!([null, null, "room:1", "announced", {}]));
    assert!(gateway.shutdown().await);
}

/// A pod with a job that fails every other time, and panics now and then.
async fn pod(redis: &RedisServer, name: &'static str) -> TestGateway {
    TestGateway::with_builder(&format!("[redis]\nurl = \"{}\"\n", redis.url()), |builder| {
        builder.mount(socket()).every(Duration::from_millis(100), "refresh", move |turn: Turn| async move {
            let from_pod = json!({ "turn": turn.number(), "by": name });
            turn.broadcast("room:1", "refreshed", from_pod).await?;
            assert!(!turn.number().is_multiple_of(3), "a panic of a job ends its turn only");
            if turn.number().is_multiple_of(2) { Err("an error, too".into()) } else { Ok(()) }
        })
    })
    .await
}

#[tokio::test]
async fn a_job_broadcasts_once_in_each_turn_whatever_the_number_of_pods() {
    let redis = RedisServer::start();
    let (a, b) = (pod(&redis, "a").await, pod(&redis, "b").await);
    let (mut on_a, mut on_b) = (a.connect().await, b.connect().await);
    on_a.join("1", "room:1").await;
    on_b.join("1", "room:1").await;
    let turn = |frame: &Value| frame[4]["turn"].as_u64().unwrap();
    let mut last = 0;
    for _ in 0..12 {
        let frame = on_a.next().await;
        assert!(turn(&frame) > last, "{frame} comes after turn {last}");
        last = turn(&frame);
    }
    // The job lives on with the pod that is left.
    assert!(a.shutdown().await);
    loop {
        let frame = on_b.next().await;
        if turn(&frame) > last + 20 {
            assert_eq!(frame[4]["by"], "b");
            break;
        }
    }
}

#[tokio::test]
async fn a_turn_sends_each_event_once_also_without_redis() {
    let period = Duration::from_millis(100);
    let gateway = TestGateway::with_builder("", |builder| {
        builder.mount(socket()).every(period, "refresh", |turn: Turn| async move {
            for event in ["opened", "closed"] {
                let number = json!({ "turn": turn.number() });
                assert_eq!(turn.broadcast("room:1", event, number.clone()).await?, Acceptance::New);
                assert_eq!(turn.broadcast("room:1", event, number).await?, Acceptance::Duplicate);
            }
            turn.broadcast("room:1", "told", json!({ "turn": turn.number() })).await?;
            Ok(())
        })
    })
    .await;
    let mut client = gateway.connect().await;
    client.join("1", "room:1").await;
    // The first may be of a turn that was under way.
    while client.next().await[3] != "told" {}
    for event in ["opened", "closed", "told", "opened", "closed", "told"] {
        assert_eq!(client.next().await[3], event);
    }
    assert!(gateway.shutdown().await);
}

#[tokio::test]
async fn jobs_of_one_name_are_refused() {
    let job = |_: Turn| async { Ok(()) };
    let minute = Duration::from_secs(60);
    let builder = Gateway::builder(Config::embedded()).every(minute, "refresh", job).every(minute, "tell", job);
    let error = builder.every(minute, "refresh", job).start().await.unwrap_err();
    assert!(matches!(&error, StartError::RepeatedJob(name) if &**name == "refresh"), "{error}");
    assert_eq!(error.to_string(), "two jobs are named `refresh`: give each a name of its own");
}
