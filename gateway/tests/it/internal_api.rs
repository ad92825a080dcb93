use serde_json::{Value, json};

use crate::support::{KEY, Pod, Response, Scratch, request};

const BROADCAST: &str = "/api/v1/broadcast";
const DISCONNECT: &str = "/api/v1/disconnect";
const JSON: (&str, &str) = ("content-type", "application/json");

fn message() -> String {
    json!({ "topic": "room:1", "event": "new_msg", "payload": { "body": "hi" } }).to_string()
}

#[tokio::test]
async fn a_broadcast_reaches_the_clients_of_its_topic() {
    let pod = Pod::dev().await;
    let (mut inside, mut outside) = (pod.connect().await, pod.connect().await);
    inside.join("1", "room:1").await;
    outside.join("1", "room:2").await;
    let response = pod.post(BROADCAST, &message()).await;
    assert_eq!((response.status, response.body.as_str()), (202, ""));
    assert_eq!(inside.next().await, json!([null, null, "room:1", "new_msg", { "body": "hi" }]));
    outside.assert_nothing_came().await;
}

#[tokio::test]
async fn the_payload_arrives_to_the_letter() {
    let pod = Pod::dev().await;
    let mut client = pod.connect().await;
    client.join("1", "room:1").await;
    let payload = r#"{"b":1.0, "a":[10000000000000000000000,"\u00e9"],  "b":2}"#;
    let body = format!(r#"{{"payload": {payload} ,"topic":"room:1","event":"e"}}"#);
    assert_eq!(pod.post(BROADCAST, &body).await.status, 202);
    assert_eq!(client.next_text().await, format!(r#"[null,null,"room:1","e",{payload}]"#));
}

#[tokio::test]
async fn what_nobody_may_broadcast_is_400_and_is_not_sent() {
    let pod = Pod::dev().await;
    let mut client = pod.connect().await;
    client.join("1", "room:1").await;
    let with = |key: &str, value: Value| {
        let mut body = json!({ "topic": "room:1", "event": "e", "payload": {} });
        body[key] = value;
        body.to_string()
    };
    let mut bodies = vec![
        with("topic", json!("")),
        with("event", json!("")),
        with("topic", json!("t".repeat(256))),
        with("event", json!("e".repeat(256))),
    ];
    for event in
        ["phx_close", "phx_error", "phx_reply", "phx_anything", "presence_diff", "presence_state", "disconnect"]
    {
        bodies.push(with("event", json!(event)));
    }
    for payload in [json!([]), json!("text"), json!(1), json!(null)] {
        bodies.push(with("payload", payload));
    }
    bodies.extend(["{".to_owned(), String::new()]);
    // Of the wrong shape.
    for shape in ["[]", "{}", "null", r#"{"topic":"room:1","event":"e"}"#] {
        bodies.push(shape.to_owned());
    }
    bodies.extend([with("more", json!(1)), with("topic", json!(7)), with("event", json!(null))]);
    for body in bodies {
        pod.post(BROADCAST, &body).await.problem(400);
    }
    client.assert_nothing_came().await;
    let longest = json!({ "topic": "t".repeat(255), "event": "e".repeat(255), "payload": {} });
    assert_eq!(pod.post(BROADCAST, &longest.to_string()).await.status, 202);
}

#[tokio::test]
async fn a_body_over_a_megabyte_is_413() {
    let pod = Pod::dev().await;
    let body = |size: usize| {
        let frame = json!({ "topic": "t", "event": "e", "payload": { "a": "" } }).to_string();
        let filler = "x".repeat(size - frame.len());
        json!({ "topic": "t", "event": "e", "payload": { "a": filler } }).to_string()
    };
    assert_eq!(pod.post(BROADCAST, &body(1024 * 1024)).await.status, 202);
    pod.post(BROADCAST, &body(1024 * 1024 + 1)).await.problem(413);
}

#[tokio::test]
async fn all_sockets_with_an_id_are_disconnected_and_no_others() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &[]).await;
    let mut first = pod.connect_with("vsn=2.0.0&id=7").await;
    let mut second = pod.connect_with("vsn=2.0.0&id=7").await;
    let mut other = pod.connect_with("vsn=2.0.0&id=77").await;
    // The handshake is answered before the connection is known by its id: one that has answered is known.
    for client in [&mut first, &mut second] {
        client.assert_nothing_came().await;
    }
    let response = pod.post(DISCONNECT, r#"{"socket_id":"user_socket:7"}"#).await;
    assert_eq!((response.status, response.body.as_str()), (202, ""));
    assert_eq!(first.closed().await, Some(1001));
    assert_eq!(second.closed().await, Some(1001));
    other.assert_nothing_came().await;
    let nobody = pod.post(DISCONNECT, r#"{"socket_id":"user_socket:nobody"}"#).await;
    assert_eq!(nobody.status, 202, "whether somebody has the id, no pod knows of the others");
    let long = format!(r#"{{"socket_id":"{}"}}"#, "x".repeat(1025));
    for body in
        [&*long, r#"{"socket_id":""}"#, "{", "", "{}", r#"{"socket_id":7}"#, r#"{"socket_id":"a","reason":"b"}"#]
    {
        pod.post(DISCONNECT, body).await.problem(400);
    }
}

#[tokio::test]
async fn serve_wants_one_of_its_keys() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &[]).await;
    let with = async |value: Option<&str>| -> Response {
        let mut headers = vec![JSON];
        headers.extend(value.map(|value| ("authorization", value)));
        request(pod.internal, "POST", BROADCAST, &headers, &message()).await
    };
    assert_eq!(with(Some(&format!("Bearer {KEY}"))).await.status, 202);
    let shorter = &KEY[..KEY.len() - 1];
    for value in ["Bearer wrong", "Bearer ", "Bearer", &format!("Bearer {KEY}x"), &format!("Bearer {shorter}"), KEY] {
        let response = with(Some(value)).await;
        assert!(response.problem(401).contains("Bearer"), "{value}");
        assert_eq!(response.header("www-authenticate"), Some("Bearer"), "{value}");
        assert!(!response.body.contains(KEY));
    }
    with(None).await.problem(401);
    for path in [DISCONNECT, "/api/v1/topics/room:1/events"] {
        let method = if path == DISCONNECT { "POST" } else { "GET" };
        request(pod.internal, method, path, &[JSON], "{}").await.problem(401);
    }
    // Health and metrics are for probes, which have no key.
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(request(pod.internal, "GET", path, &[], "").await.status, 200);
    }
    let no_type = request(pod.internal, "POST", BROADCAST, &[("authorization", &format!("Bearer {KEY}"))], "{}").await;
    no_type.problem(415);
}

#[tokio::test]
async fn serve_without_keys_answers_401_to_all() {
    let scratch = Scratch::new();
    let file =
        scratch.file("gateway.toml", "[socket]\ncheck_origin = false\n[[channel]]\ntopic = \"*\"\njoin = \"open\"\n");
    let pod = Pod::start(&["serve", "--config", &file], &[]).await;
    for value in ["Bearer ", "Bearer x", "Bearer ***"] {
        let headers = [JSON, ("authorization", value)];
        request(pod.internal, "POST", BROADCAST, &headers, &message()).await.problem(401);
    }
    request(pod.internal, "POST", BROADCAST, &[JSON], &message()).await.problem(401);
}

#[tokio::test]
async fn no_web_page_can_drive_a_gateway_in_development() {
    let pod = Pod::dev().await;
    let port = pod.internal.port();
    for host in [format!("evil.example:{port}"), "evil.example".to_owned(), String::new()] {
        let headers = [JSON, ("host", host.as_str())];
        request(pod.internal, "POST", BROADCAST, &headers, &message()).await.problem(403);
        request(pod.internal, "GET", "/api/v1/topics/t/events", &headers, "").await.problem(403);
    }
    // What a form or a script can send without asking first.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
        request(pod.internal, "POST", BROADCAST, &[("content-type", kind)], &message()).await.problem(415);
    }
    request(pod.internal, "POST", BROADCAST, &[], &message()).await.problem(415);
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}")] {
        let headers = [("content-type", "application/json; charset=utf-8"), ("host", host.as_str())];
        assert_eq!(request(pod.internal, "POST", BROADCAST, &headers, &message()).await.status, 202);
    }
}

#[tokio::test]
async fn a_wrong_method_is_405() {
    let pod = Pod::dev().await;
    for (method, path) in
        [("GET", BROADCAST), ("PUT", BROADCAST), ("DELETE", DISCONNECT), ("POST", "/api/v1/topics/t/events")]
    {
        let response = request(pod.internal, method, path, &[JSON], "{}").await;
        response.problem(405);
        let allowed = if path.ends_with("events") { "GET" } else { "POST" };
        assert!(response.header("allow").is_some_and(|allow| allow.contains(allowed)), "{method}: {response:?}");
    }
}
