//! Which serializer a connection gets (rows 6-11).

use crate::support::{Handshake, TestGateway};

#[tokio::test]
async fn row_006_without_a_version_it_is_1() {
    let gateway = TestGateway::relay().await;
    let mut client = gateway.connect_to("/socket/websocket").await;
    client.send_text(r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#).await;
    let reply = r#"{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#;
    assert_eq!(client.next_text().await, reply);
}

#[tokio::test]
async fn row_007_any_patch_level_of_2_0_is_version_2() {
    let gateway = TestGateway::relay().await;
    let mut client = gateway.connect_to("/socket/websocket?vsn=2.0.9").await;
    client.send_text(r#"[null,"1","phoenix","heartbeat",{}]"#).await;
    assert_eq!(client.next_text().await, r#"[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]"#);
}

/// Rows 8, 9, 10, 11.
#[tokio::test]
async fn row_008_other_versions_are_refused_with_403() {
    let gateway = TestGateway::relay().await;
    for query in [
        "vsn=123.1.1",     // row 8
        "vsn=2.0",         // row 9
        "vsn=",            // row 9
        "vsn",             // row 9
        "vsn[]=2.0.0",     // row 10
        "vsn%5B%5D=2.0.0", // row 10
        "vsn[a]=2.0.0",    // row 10
        "vsn=2.1.0",       // row 11
        "vsn=1.1.0",       // row 11
        "vsn=2",
        "vsn=abc",
        "vsn=3.0.0",
        "vsn=1.0.0&vsn=9.0.0",
    ] {
        let answer = Handshake::to(&format!("/socket/websocket?{query}")).send(gateway.public()).await;
        assert_eq!((answer.status, answer.body.as_str()), (403, ""), "{query}");
    }
}
