//! What the connect callback is shown of the request (rows 45-50, 54).

use std::net::Ipv4Addr;
use std::time::Duration;

use gateway::{Accepted, ConnectError, ConnectInfo, Mount, Params, Router, Socket};
use tokio::sync::mpsc;

use crate::support::{Handshake, Recorder, TestGateway, request};

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Rows 45, 46, 47, 48, 49, 50.
#[tokio::test]
async fn row_045_the_callback_is_shown_headers_by_their_kind_the_peer_and_the_uri() {
    let (socket, mut shown) = Recorder::new();
    let gateway = TestGateway::with_mounts([Mount::new("/ws/connect_info", socket, Router::new())]).await;
    let answer = Handshake::to("/ws/connect_info/websocket?vsn=2.0.0")
        .header("x-application", "Phoenix")
        .header("X-Two", "2")
        .header("sec-websocket-protocol", "phoenix, 123")
        .header("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("tracestate", "a=b")
        .header("user-agent", "foo/1.0")
        .header("cookie", "session=secret")
        .header("authorization", "Basic secret")
        .send(gateway.public())
        .await;
    assert_eq!(answer.status, 101);
    let shown = shown.recv().await.unwrap();
    // Row 45.
    assert_eq!(shown.x_headers, owned(&[("x-application", "Phoenix"), ("x-two", "2")]));
    // Row 46.
    for (name, value) in [
        ("sec-websocket-protocol", "phoenix, 123"),
        ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
        ("sec-websocket-version", "13"),
    ] {
        assert!(shown.sec_websocket_headers.contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
    // Row 47.
    let traceparent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_eq!(shown.trace_context_headers, owned(&[traceparent, ("tracestate", "a=b")]));
    // Row 48: TLS is ended by a proxy, so there is no certificate to show.
    assert_eq!(shown.peer.ip(), Ipv4Addr::LOCALHOST);
    assert_ne!(shown.peer.port(), 0);
    // Row 49.
    assert_eq!(shown.uri, "/ws/connect_info/websocket?vsn=2.0.0");
    assert_eq!(shown.host.as_deref(), Some("gateway.test"));
    // Row 50.
    assert_eq!(shown.user_agent.as_deref(), Some("foo/1.0"));
    assert!(!format!("{shown:?}").contains("secret"), "other headers are hidden");
}

/// Rows 45, 47, 48, 49 by long polling.
#[tokio::test]
async fn row_045_the_callback_of_a_poller_is_shown_the_same() {
    let (socket, mut shown) = Recorder::new();
    let mount = Mount::new("/ws/connect_info", socket, Router::new()).longpoll(Duration::from_secs(9));
    let gateway = TestGateway::with_mounts([mount]).await;
    let traceparent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let headers = [("x-application", "Phoenix"), traceparent, ("tracestate", "a=b")];
    let target = "/ws/connect_info/longpoll?vsn=2.0.0";
    let answer = request(gateway.public(), "GET", target, &headers, "").await;
    assert_eq!(answer.json()["status"], 410);
    let shown = shown.recv().await.unwrap();
    assert_eq!(shown.x_headers, owned(&[("x-application", "Phoenix")]));
    assert_eq!(shown.trace_context_headers, owned(&[traceparent, ("tracestate", "a=b")]));
    assert_eq!(shown.peer.ip(), Ipv4Addr::LOCALHOST);
    assert_ne!(shown.peer.port(), 0);
    assert_eq!(shown.uri, target);
    assert!(shown.host.is_some());
}

#[tokio::test]
async fn what_a_request_does_not_bring_is_not_made_up() {
    let (socket, mut shown) = Recorder::new();
    let gateway = TestGateway::with_mounts([Mount::new("/socket", socket, Router::new())]).await;
    assert_eq!(Handshake::to("/socket/websocket").send(gateway.public()).await.status, 101);
    let shown = shown.recv().await.unwrap();
    assert!(shown.x_headers.is_empty() && shown.trace_context_headers.is_empty());
    assert_eq!((shown.user_agent, shown.auth_token), (None, None));
}

/// A socket with a value of the application's own.
struct Keyed {
    region: &'static str,
    seen: mpsc::UnboundedSender<&'static str>,
}

impl Socket for Keyed {
    async fn connect(&self, _params: &Params, _info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        self.seen.send(self.region).map_err(|_| ConnectError::refused())?;
        Ok(Accepted::new())
    }
}

#[tokio::test]
async fn row_054_values_of_the_application_are_fields_of_its_socket() {
    let (seen, mut regions) = mpsc::unbounded_channel();
    let mount = |path, region| Mount::new(path, Keyed { region, seen: seen.clone() }, Router::new());
    let gateway = TestGateway::with_mounts([mount("/a", "eu"), mount("/b", "us")]).await;
    for (target, region) in [("/a/websocket", "eu"), ("/b/websocket", "us")] {
        assert_eq!(Handshake::to(target).send(gateway.public()).await.status, 101);
        assert_eq!(regions.recv().await, Some(region));
    }
}
