//! Long-poll requests that are refused, and what pages of other sites may do (rows 15, 44, 223-225).

use std::net::SocketAddr;
use std::time::Duration;

use gateway::{
    Accepted, CheckOrigin, ConnectError, ConnectInfo, Mount, OriginPattern, Params, Refusal, Router, Socket,
};
use http::StatusCode;
use serde_json::json;

use crate::support::{
    Answer, Handshake, OpenSocket, Poller, TestGateway, metrics, panics, relay_router, request, tokens, until,
};

const WINDOW: Duration = Duration::from_secs(9);
const TARGET: &str = "/socket/longpoll?vsn=2.0.0";

/// Refuses whom the params tell it to refuse, and shows what it is told.
struct Choosy;

impl Socket for Choosy {
    async fn connect(&self, params: &Params, info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        match params.get("do") {
            Some("refuse") => Err(ConnectError::refused()),
            Some("limit") => Err(ConnectError::reason("rate_limit")),
            Some("panic") => panic!("asked to"),
            _ => {
                let token = info.auth_token().or_else(|| info.bearer_token()).or_else(|| params.get("token"));
                Ok(token.map_or_else(Accepted::new, |token| Accepted::new().id(token)))
            }
        }
    }
}

async fn gateway(tune: impl FnOnce(Mount) -> Mount) -> TestGateway {
    TestGateway::with_mounts([tune(Mount::new("/socket", OpenSocket, relay_router()).longpoll(WINDOW))]).await
}

async fn choosy() -> TestGateway {
    let too_many = |_: &str| Refusal { status: StatusCode::TOO_MANY_REQUESTS, body: "Too many".to_owned() };
    let mount = Mount::new("/socket", Choosy, Router::new()).longpoll(WINDOW).on_refused(too_many);
    TestGateway::with_mounts([mount]).await
}

/// Rows 15, 223.
#[tokio::test]
async fn row_015_a_refusal_is_always_403_in_a_200() {
    let gateway = choosy().await;
    for query in ["do=refuse", "do=limit", "vsn=3.0.0", "vsn=2", "vsn[]=2.0.0"] {
        let answer = request(gateway.public(), "GET", &format!("/socket/longpoll?{query}"), &[], "").await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "status": 403 })), "{query}");
    }
    let before = panics();
    let answer = request(gateway.public(), "GET", "/socket/longpoll?do=panic", &[], "").await;
    assert_eq!((answer.status, answer.json()), (500, json!({ "status": 500 })));
    assert_eq!(panics(), before + 1);
    let page = metrics(gateway.internal()).await;
    for (result, count) in [("refused", 2), ("vsn", 3), ("crashed", 1)] {
        assert!(page.contains(&format!("gateway_connects_total{{result=\"{result}\"}} {count}\n")), "{page}");
    }
}

/// Rows 223, 224: whoever may not connect may not ask either.
#[tokio::test]
async fn row_223_a_page_of_another_site_is_refused_whatever_it_asks() {
    let allowed: OriginPattern = "//example.com".parse().unwrap();
    let gateway = gateway(|mount| mount.check_origin(CheckOrigin::List(vec![allowed]))).await;
    let origin = |origin| [("origin", origin)];
    for method in ["GET", "POST", "OPTIONS"] {
        let answer = request(gateway.public(), method, TARGET, &origin("https://evil.test"), "").await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "status": 403 })), "{method}");
    }
    let answer = request(gateway.public(), "GET", TARGET, &origin("https://example.com"), "").await;
    assert_eq!(answer.json()["status"], 410);
}

#[tokio::test]
async fn row_224_pages_of_other_sites_may_read_the_answers() {
    let gateway = gateway(|mount| mount).await;
    let client = Poller::open(gateway.public()).await;
    let opened = request(gateway.public(), "GET", TARGET, &[], "").await;
    let posted = client.post("application/x-ndjson", "").await;
    let bad = client.post("application/x-ndjson", "no base64!").await;
    for answer in [&opened, &posted, &bad] {
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
    }
    let asked = Handshake::plain("OPTIONS", TARGET)
        .header("origin", "https://example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type, x-phoenix-authtoken");
    let answer = asked.send(gateway.public()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "content-type, x-phoenix-authtoken"),
        ("access-control-allow-methods", "get, post, options"),
        ("access-control-max-age", "3600"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
}

#[tokio::test]
async fn row_225_another_method_is_400() {
    let gateway = gateway(|mount| mount).await;
    let client = Poller::open(gateway.public()).await;
    for method in ["PUT", "DELETE", "PATCH", "TRACE"] {
        let answer = request(gateway.public(), method, &client.target(), &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (400, ""), "{method}");
    }
}

/// The connect callback of a session has the token from each of its places.
#[tokio::test]
async fn row_044_the_auth_token_is_a_header() {
    for (headers, query) in [
        (&[("x-phoenix-authtoken", "tok")][..], ""),
        (&[("authorization", "Bearer tok")][..], ""),
        (&[][..], "&token=tok"),
        (&[("x-phoenix-authtoken", "tok"), ("authorization", "Bearer other")][..], "&token=another"),
    ] {
        let gateway = choosy().await;
        let answer = request(gateway.public(), "GET", &format!("{TARGET}{query}"), headers, "").await;
        assert_eq!(answer.json()["status"], 410);
        // The socket has the token for its id: only then does this end it.
        gateway.endpoint().disconnect("tok").await.unwrap();
        until_connections(gateway.internal(), 0).await;
    }
}

async fn until_connections(internal: SocketAddr, count: usize) {
    let line = format!("\ngateway_connections {count}\n");
    until(async || metrics(internal).await.contains(&line)).await;
}

#[tokio::test]
async fn tokens_are_checked_as_they_are_on_websockets() {
    let settings = format!(
        "[socket]\nlongpoll = true\ncheck_origin = false\n[auth]\nhs256_secret = \"{}\"\n\
         [[channel]]\ntopic = \"*\"\njoin = \"authenticated\"\n",
        tokens::SECRET
    );
    let gateway = TestGateway::configured(&settings).await;
    let good = tokens::token_of("alice", json!(["*"]));
    let none = request(gateway.public(), "GET", TARGET, &[], "").await;
    let bad = request(gateway.public(), "GET", TARGET, &[("x-phoenix-authtoken", "bad")], "").await;
    for answer in [none, bad] {
        assert_eq!(answer.json(), json!({ "status": 403 }));
    }
    let by_header = request(gateway.public(), "GET", TARGET, &[("x-phoenix-authtoken", &good)], "").await;
    assert_eq!(by_header.json()["status"], 410);
    let by_param = Poller::open_at(gateway.public(), "/socket/longpoll", &format!("vsn=2.0.0&token={good}")).await;
    by_param.join("1", "room:1").await;
}

/// A session is a connection: it counts as one as long as it lasts, and TCP connections beside it as long as they last.
#[tokio::test]
async fn sessions_count_against_the_limits_of_connections() {
    let mount = Mount::new("/socket", OpenSocket, relay_router()).longpoll(WINDOW);
    let gateway = TestGateway::with_config("[limits]\nconnections_per_ip = 3\n", [mount]).await;
    let first = Poller::open_at(gateway.public(), "/socket/longpoll", "vsn=2.0.0&id=one").await;
    let _second = Poller::open(gateway.public()).await;
    // The third TCP connection is let in, a third session is not.
    let answer: Answer = Handshake::plain("GET", TARGET).send(gateway.public()).await;
    assert_eq!((answer.status, answer.body.as_str()), (429, "{\"status\":500}"), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    first.join("1", "room:1").await;
    gateway.endpoint().disconnect("one").await.unwrap();
    until_connections(gateway.internal(), 1).await;
    Poller::open(gateway.public()).await.join("1", "room:1").await;
}
