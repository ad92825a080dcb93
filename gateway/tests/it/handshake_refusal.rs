//! How requests are answered that are not upgraded (rows 12-14, 16-18).

use gateway::{Accepted, Builder, ConnectError, ConnectInfo, Mount, Params, Refusal, Router, Socket};
use http::StatusCode;

use crate::support::{Handshake, OpenSocket, TestGateway, panics};

/// Refuses whom the params tell it to refuse.
struct Choosy;

impl Socket for Choosy {
    async fn connect(&self, params: &Params, _info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        match (params.get("reject"), params.get("ratelimit"), params.get("panic")) {
            (Some(_), _, _) => Err(ConnectError::refused()),
            (_, Some(_), _) => Err(ConnectError::reason("rate_limit")),
            (_, _, Some(_)) => panic!("asked to"),
            _ => Ok(Accepted::new()),
        }
    }
}

fn handler(reason: &str) -> Refusal {
    assert_eq!(reason, "rate_limit");
    Refusal { status: StatusCode::TOO_MANY_REQUESTS, body: "Too many requests".to_owned() }
}

/// Rows 12, 13, 14: without a reason or a handler the body is empty.
#[tokio::test]
async fn row_012_a_refused_connection_is_403_unless_a_handler_answers_its_reason() {
    let gateway = TestGateway::with_mounts([
        Mount::new("/handled", Choosy, Router::new()).on_refused(handler),
        Mount::new("/plain", Choosy, Router::new()),
    ])
    .await;
    for (target, status, body) in [
        ("/handled/websocket?reject=true", 403, ""),                     // row 12
        ("/plain/websocket?reject=true", 403, ""),                       // row 12
        ("/handled/websocket?ratelimit=true", 429, "Too many requests"), // row 13
        ("/plain/websocket?ratelimit=true", 403, ""),                    // row 14
        ("/handled/websocket", 101, ""),
    ] {
        let answer = Handshake::to(target).send(gateway.public()).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{target}");
    }
}

#[tokio::test]
async fn a_connect_callback_that_panics_is_500_and_hurts_nobody() {
    let before = panics();
    let gateway = TestGateway::with_mounts([Mount::new("/socket", Choosy, Router::new())]).await;
    for (target, status) in [("/socket/websocket?panic=1", 500), ("/socket/websocket", 101)] {
        let answer = Handshake::to(target).send(gateway.public()).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{target}");
    }
    assert_eq!(panics(), before + 1);
}

#[tokio::test]
async fn row_016_what_is_no_upgrade_is_400_and_names_the_header() {
    let gateway = TestGateway::with_mounts([Mount::new("/socket", OpenSocket, Router::new())]).await;
    let plain = Handshake::plain("GET", "/socket/websocket").send(gateway.public()).await;
    assert_eq!((plain.status, plain.body.as_str()), (400, "the `connection` header must contain `upgrade`"));
    for (name, value) in [
        ("connection", None),
        ("connection", Some("keep-alive")),
        ("upgrade", None),
        ("upgrade", Some("h2c")),
        ("sec-websocket-version", None),
        ("sec-websocket-version", Some("8")),
        ("sec-websocket-key", None),
        ("sec-websocket-key", Some("short")),
    ] {
        let handshake = Handshake::to("/socket/websocket").instead(name, value);
        let answer = handshake.send(gateway.public()).await;
        assert_eq!(answer.status, 400, "{name}: {value:?}");
        assert!(answer.body.contains(&format!("`{name}`")), "{name}: {value:?}: {}", answer.body);
    }
    let accepted = Handshake::to("/socket/websocket").instead("connection", Some("keep-alive, upgrade"));
    assert_eq!(accepted.send(gateway.public()).await.status, 101);
}

#[tokio::test]
async fn row_017_another_method_is_400_with_an_empty_body() {
    let gateway = TestGateway::with_mounts([Mount::new("/socket", Choosy, Router::new())]).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"] {
        // Before all other checks: what connect would say does not matter.
        for target in ["/socket/websocket?vsn=2.0.0", "/socket/websocket?reject=true"] {
            let answer = Handshake::plain(method, target).header("content-length", "0").send(gateway.public()).await;
            assert_eq!((answer.status, answer.body.as_str()), (400, ""), "{method} {target}");
        }
    }
}

#[tokio::test]
async fn row_018_refusals_come_before_the_check_of_the_upgrade() {
    let gateway = TestGateway::with_mounts([Mount::new("/socket", Choosy, Router::new())]).await;
    for (target, status) in
        [("/socket/websocket?reject=true", 403), ("/socket/websocket?vsn=9.0.0", 403), ("/socket/websocket", 400)]
    {
        let answer = Handshake::plain("GET", target).send(gateway.public()).await;
        assert_eq!(answer.status, status, "{target}");
    }
}

/// They would stay in memory as long as the connection.
#[tokio::test]
async fn a_user_or_socket_id_of_more_than_1024_bytes_is_refused() {
    let toml = "[socket]\nid = \"user:{name}\"\n[[channel]]\ntopic = \"*\"\njoin = \"open\"\n";
    let gateway = TestGateway::with_builder(toml, Builder::mount_configured).await;
    for (param, length, status) in
        [("user_id", 1024, 101), ("user_id", 1025, 403), ("name", 1019, 101), ("name", 1020, 403)]
    {
        let target = format!("/socket/websocket?vsn=2.0.0&{param}={}", "x".repeat(length));
        let answer = Handshake::to(&target).send(gateway.public()).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{param} of {length} bytes");
    }
}
