//! Where clients connect to, and which params they bring (rows 1-5).

use std::time::Duration;

use gateway::{Mount, Router};
use serde_json::json;

use crate::support::{Handshake, OpenSocket, Poller, Recorder, TestGateway, relay_router};

#[tokio::test]
async fn row_001_a_websocket_is_accepted() {
    let gateway = TestGateway::relay().await;
    let answer = Handshake::to("/socket/websocket?vsn=2.0.0").send(gateway.public()).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("connection"), Some("Upgrade"));
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455, 1.3");
    assert_eq!(answer.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn row_002_a_mount_may_have_several_segments_and_there_may_be_several_mounts() {
    let mounts = ["/ws", "/ws/admin"].map(|path| Mount::new(path, OpenSocket, relay_router()));
    let gateway = TestGateway::with_mounts(mounts).await;
    let mut client = gateway.connect_to("/ws/admin/websocket?vsn=2.0.0").await;
    client.send(json!(["11", "1", "room:admin-lobby1", "phx_join", {}])).await;
    let reply = r#"["11","1","room:admin-lobby1","phx_reply",{"status":"ok","response":{}}]"#;
    assert_eq!(client.next_text().await, reply);
    gateway.connect_to("/ws/websocket?vsn=2.0.0").await.join("1", "room:1").await;
    for unknown in ["/socket/websocket", "/ws", "/ws/websocket/x", "/", "/ws/longpoll"] {
        assert_eq!(Handshake::to(unknown).send(gateway.public()).await.status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn row_003_the_path_of_the_websocket_can_be_chosen() {
    let mount = Mount::new("/custom/some_path", OpenSocket, Router::new()).websocket_path("nested/path");
    let gateway = TestGateway::with_mounts([mount]).await;
    let answer = Handshake::to("/custom/some_path/nested/path?key=value").send(gateway.public()).await;
    assert_eq!(answer.status, 101);
    let default = Handshake::to("/custom/some_path/websocket").send(gateway.public()).await;
    assert_eq!(default.status, 404);
}

#[tokio::test]
async fn row_004_variables_of_the_path_become_params() {
    let (socket, mut shown) = Recorder::new();
    let mount = Mount::new("/custom/:socket_var", socket, Router::new()).websocket_path(":path_var/path");
    let gateway = TestGateway::with_mounts([mount]).await;
    let connect = async |target: &str| {
        assert_eq!(Handshake::to(target).send(gateway.public()).await.status, 101, "{target}");
    };
    connect("/custom/123/456/path?key=value").await;
    let params = shown.recv().await.unwrap().params;
    assert_eq!(["key", "socket_var", "path_var"].map(|name| params.get(name).unwrap()), ["value", "123", "456"]);
    connect("/custom/a%20b%2Fc/%C3%A9/path?socket_var=query").await;
    let params = shown.recv().await.unwrap().params;
    assert_eq!(["socket_var", "path_var"].map(|name| params.get(name).unwrap()), ["a b/c", "é"]);
}

#[tokio::test]
async fn row_004_variables_of_the_path_become_params_of_a_poller() {
    let (socket, mut shown) = Recorder::new();
    let mount = Mount::new("/custom/:socket_var", socket, Router::new());
    let mount = mount.longpoll_path(":path_var/path").longpoll(Duration::from_secs(9));
    let gateway = TestGateway::with_mounts([mount]).await;
    Poller::open_at(gateway.public(), "/custom/123/456/path", "key=value").await;
    let params = shown.recv().await.unwrap().params;
    assert_eq!(["key", "socket_var", "path_var"].map(|name| params.get(name).unwrap()), ["value", "123", "456"]);
}

#[tokio::test]
async fn row_005_params_of_the_query_reach_connect() {
    let (socket, mut shown) = Recorder::new();
    let gateway = TestGateway::with_mounts([Mount::new("/socket", socket, Router::new())]).await;
    let query = "key=value&nested%5Ba%5D=1&list[]=x&list[]=y&text=a+b%26c&vsn=2.0.0&";
    let answer = Handshake::to(&format!("/socket/websocket?{query}")).send(gateway.public()).await;
    assert_eq!(answer.status, 101);
    let params = shown.recv().await.unwrap().params;
    assert_eq!(["key", "text", "vsn"].map(|name| params.get(name).unwrap()), ["value", "a b&c", "2.0.0"]);
    assert_eq!(params.value("nested"), Some(&json!({ "a": "1" })));
    assert_eq!(params.value("list"), Some(&json!(["x", "y"])));
}
