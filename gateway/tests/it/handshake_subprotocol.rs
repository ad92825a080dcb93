//! Subprotocols, and the token that may stand among them (rows 34-43).

use gateway::{Mount, Router};

use crate::support::{Handshake, OpenSocket, Recorder, TestGateway};

/// Offers subprotocols; what is answered.
async fn offer(gateway: &TestGateway, offered: Option<&str>) -> (u16, Option<String>) {
    let handshake = Handshake::to("/socket/websocket").instead("sec-websocket-protocol", offered);
    let answer = handshake.send(gateway.public()).await;
    (answer.status, answer.header("sec-websocket-protocol").map(str::to_owned))
}

fn selected(name: &str) -> (u16, Option<String>) {
    (101, Some(name.to_owned()))
}

/// Rows 34, 35, 36, 37.
#[tokio::test]
async fn row_034_the_first_of_the_servers_subprotocols_that_is_offered_is_selected() {
    let mount = Mount::new("/socket", OpenSocket, Router::new()).subprotocols(["sip", "mqtt"]);
    let gateway = TestGateway::with_mounts([mount]).await;
    assert_eq!(offer(&gateway, Some("sip")).await, selected("sip")); // row 34
    assert_eq!(offer(&gateway, None).await, (101, None)); // row 35
    assert_eq!(offer(&gateway, Some("amqp")).await, (403, None)); // row 36
    assert_eq!(offer(&gateway, Some("amqp,x")).await, (403, None)); // row 36
    assert_eq!(offer(&gateway, Some("sip, mqtt")).await, selected("sip")); // row 37
    assert_eq!(offer(&gateway, Some("mqtt,sip")).await, selected("sip")); // row 37
    assert_eq!(offer(&gateway, Some("x,mqtt")).await, selected("mqtt"));
    assert_eq!(offer(&gateway, Some("phoenix")).await, selected("phoenix"), "always one of them");
}

#[tokio::test]
async fn row_038_without_a_list_offers_are_ignored() {
    let gateway = TestGateway::with_mounts([Mount::new("/socket", OpenSocket, Router::new())]).await;
    assert_eq!(offer(&gateway, Some("sip")).await, (101, None));
    assert_eq!(offer(&gateway, Some("sip, phoenix")).await, selected("phoenix"), "a browser would fail otherwise");
}

/// Rows 39, 40, 42, 43.
#[tokio::test]
async fn row_039_the_token_among_the_subprotocols_reaches_connect() {
    const PREFIX: &str = "base64url.bearer.phx.";
    let (socket, mut shown) = Recorder::new();
    let mount = Mount::new("/socket", socket, Router::new()).subprotocols(["sip"]);
    let gateway = TestGateway::with_mounts([mount]).await;
    for (tokens, expected) in [
        (&["bXkgdG9rZW49"][..], Some("my token=")), // row 39
        (&["dG9r"], Some("tok")),                   // row 40
        (&["dG9rZQ"], Some("toke")),                // row 40
        (&["dG9rZQ=="], Some("toke")),              // row 40
        (&["Pz8/Pz4+"], Some("????>>")),            // the standard alphabet
        (&["Pz8_Pz4-"], Some("????>>")),            // the alphabet for URLs
        (&[""], Some("")),
        (&["dG9r", "dG9rZQ"], None), // row 42
        (&["***", "***"], None),     // row 42
        (&[], None),                 // row 43
    ] {
        let offered: String = tokens.iter().map(|token| format!(", {PREFIX}{token}")).collect();
        assert_eq!(offer(&gateway, Some(&format!("phoenix{offered}"))).await, selected("phoenix"), "{tokens:?}");
        assert_eq!(shown.recv().await.unwrap().auth_token.as_deref(), expected, "{tokens:?}");
    }
    assert_eq!(offer(&gateway, None).await, (101, None)); // row 43
    assert_eq!(shown.recv().await.unwrap().auth_token, None); // row 43
    // The token alone: nothing is selected, and a browser fails the connection.
    assert_eq!(offer(&gateway, Some(&format!("{PREFIX}dG9r"))).await, (101, None));
    assert_eq!(shown.recv().await.unwrap().auth_token.as_deref(), Some("tok"));
}

#[tokio::test]
async fn row_041_a_token_that_cannot_be_decoded_is_refused() {
    let (socket, mut shown) = Recorder::new();
    let gateway = TestGateway::with_mounts([Mount::new("/socket", socket, Router::new())]).await;
    // The last is base64 of bytes that are not UTF-8.
    for token in ["***", "a", "dG9r!", "d=G9", "_w"] {
        let offered = format!("phoenix, base64url.bearer.phx.{token}");
        let handshake = Handshake::to("/socket/websocket").header("sec-websocket-protocol", &offered);
        let answer = handshake.send(gateway.public()).await;
        // Phoenix answers 500: a client's mistake is not the server's.
        assert_eq!((answer.status, answer.body.as_str()), (403, ""), "{token}");
    }
    assert!(shown.try_recv().is_err(), "connect is not asked");
}
