//! The OpenAPI document of the internal API against real answers. That it names every route, and no other, is a test of
//! the library (`http/document.rs`).

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{KEY, Member, Pod, PostgresServer, RedisServer, Response, Scratch, request, run};

const BASE: &str = "/api/v1";
const JSON: (&str, &str) = ("content-type", "application/json");
const BROADCAST: &str = "/api/v1/broadcast";
const BATCH: &str = "/api/v1/broadcast/batch";
const DISCONNECT: &str = "/api/v1/disconnect";
const WRITES: [&str; 3] = [BROADCAST, BATCH, DISCONNECT];
const HISTORY: &str = "/api/v1/topics/{topic}/history";
const READS: [&str; 5] = [
    "/api/v1/nodes",
    "/api/v1/topics/{topic}",
    "/api/v1/topics/{topic}/events",
    HISTORY,
    "/api/v1/topics/{topic}/presence",
];

/// The document, and which of its answers were seen.
struct Document {
    value: Value,
    seen: BTreeSet<(String, String, String)>,
}

impl Document {
    /// As it is served, without a key.
    async fn of(pod: SocketAddr) -> Self {
        let response = request(pod, "GET", &format!("{BASE}/openapi.json"), &[], "").await;
        assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
        let mut document = Self { value: response.json(), seen: BTreeSet::new() };
        document.check("GET", "/api/v1/openapi.json", &response);
        document
    }

    /// All answers that it promises: method, path, status.
    fn promised(&self) -> BTreeSet<(String, String, String)> {
        let mut promised = BTreeSet::new();
        for (path, item) in self.value["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
                for status in operation["responses"].as_object().unwrap().keys() {
                    promised.insert((method.to_uppercase(), path.clone(), status.clone()));
                }
            }
        }
        promised
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let reference = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        reference.map_or(value, |pointer| self.value.pointer(pointer).unwrap())
    }

    fn is_valid(&self, schema: &Value, instance: &Value) -> Result<(), String> {
        let root = json!({ "components": self.value["components"], "allOf": [schema] });
        let validator = jsonschema::draft202012::new(&root).unwrap();
        validator.validate(instance).map_err(|error| error.to_string())
    }

    /// Checks an answer to a request of a path as the document writes it.
    fn check(&mut self, method: &str, path: &str, response: &Response) {
        let content = response.header("content-type").map(|kind| kind.split(';').next().unwrap_or_default());
        self.check_parts(method, path, response.status, content, &response.body);
    }

    fn check_parts(&mut self, method: &str, path: &str, status: u16, kind: Option<&str>, body: &str) {
        let what = format!("{method} {path} {status} {body}");
        let answers = &self.value["paths"][path][method.to_lowercase()]["responses"];
        let answer = self.resolve(&answers[status.to_string()]);
        assert!(answer.is_object(), "not in the document: {what}");
        match &answer["content"] {
            Value::Null => assert_eq!(body, "", "{what}"),
            // Without an idempotency key.
            _ if path == BROADCAST && body.is_empty() => assert_eq!(status, 202, "{what}"),
            content => {
                let schema = &content[kind.unwrap_or_default()]["schema"];
                assert!(schema.is_object(), "{kind:?}: {what}");
                let instance = match kind {
                    Some("text/plain") => json!(body),
                    _ => serde_json::from_str(body).unwrap(),
                };
                self.is_valid(schema, &instance).unwrap_or_else(|error| panic!("{error}: {what}"));
            }
        }
        self.seen.insert((method.to_owned(), path.to_owned(), status.to_string()));
    }

    async fn ask(&mut self, pod: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let target = path.replace("{topic}", "room%3A1").replace("{user}", "alice");
        let response = request(pod, method, &target, headers, body).await;
        self.check(method, path, &response);
        response.status
    }
}

fn message() -> Value {
    json!({ "topic": "room:1", "event": "e", "payload": { "a": 1 } })
}

fn body_of(path: &str) -> String {
    match path {
        BROADCAST => message().to_string(),
        BATCH => json!({ "messages": [message()] }).to_string(),
        _ => json!({ "socket_id": "user_socket:7" }).to_string(),
    }
}

#[tokio::test]
async fn every_answer_that_the_document_promises_is_given_and_is_as_it_says() {
    let scratch = [Scratch::new(), Scratch::new()];
    let bearer = format!("Bearer {KEY}");
    let key = ("authorization", bearer.as_str());
    let plain = "[[channel]]\ntopic = \"plain\"\njoin = \"open\"\n";
    let all = "[[channel]]\ntopic = \"*\"\njoin = \"open\"\npresence = true\nhistory = { size = 10, ttl = \"1m\" }\n";
    let channels = format!("{plain}{all}");
    let pod = Pod::serve(&scratch[0], &channels, &[]).await;
    let at = pod.internal;
    let mut document = Document::of(at).await;
    let _member = Member::join(pod.connect().await, "room:1", json!({ "user_id": "u1" })).await;

    for path in READS.iter().filter(|path| !path.ends_with("events")) {
        assert_eq!(document.ask(at, "GET", path, &[key], "").await, 200);
    }
    events(&mut document, &pod).await;
    assert_eq!(document.ask(at, "GET", HISTORY, &[key], "").await, 200);
    let none = request(at, "GET", &HISTORY.replace("{topic}", "plain"), &[key], "").await;
    none.problem(404);
    document.check("GET", HISTORY, &none);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(document.ask(at, "GET", path, &[], "").await, 200);
    }
    for path in WRITES {
        let (body, huge) = (body_of(path), format!("\"{}\"", "x".repeat(1024 * 1024)));
        assert_eq!(document.ask(at, "POST", path, &[key, JSON], &body).await, 202);
        assert_eq!(document.ask(at, "POST", path, &[key, JSON], "{}").await, 400);
        assert_eq!(document.ask(at, "POST", path, &[key, JSON], &huge).await, 413);
        assert_eq!(document.ask(at, "POST", path, &[key], &body).await, 415);
        assert_eq!(document.ask(at, "POST", path, &[JSON], &body).await, 401);
    }
    let mut keyed = message();
    keyed["idempotency_key"] = json!("k");
    for _ in 0..2 {
        assert_eq!(document.ask(at, "POST", BROADCAST, &[key, JSON], &keyed.to_string()).await, 202);
    }
    for path in READS {
        assert_eq!(document.ask(at, "GET", path, &[], "").await, 401);
        if path.contains("{topic}") {
            let long = request(at, "GET", &path.replace("{topic}", &"t".repeat(256)), &[key], "").await;
            document.check("GET", path, &long);
        }
    }
    let dev = Pod::dev().await;
    let mut redis = RedisServer::start();
    let alone = Pod::serve(&scratch[1], &channels, &["--redis-url", &redis.url()]).await;
    alone.until_readyz(200).await;
    redis.crash();
    for (method, path) in WRITES.map(|path| ("POST", path)).into_iter().chain(READS.map(|path| ("GET", path))) {
        let foreign = [JSON, ("host", "evil.example")];
        assert_eq!(document.ask(dev.internal, method, path, &foreign, &body_of(path)).await, 403);
        let body = if method == "POST" { body_of(path) } else { String::new() };
        assert_eq!(document.ask(alone.internal, method, path, &[key, JSON], &body).await, 503);
    }
    database(&mut document, pod.internal, dev.internal).await;
    alone.until_readyz(503).await;
    assert_eq!(document.ask(alone.internal, "GET", "/readyz", &[], "").await, 503);
    let unseen: Vec<_> = document.promised().difference(&document.seen).cloned().collect();
    assert_eq!(unseen, [], "promised, and never given here");
}

/// What needs a database: with one, without, and with one that is away.
async fn database(document: &mut Document, without: SocketAddr, dev: SocketAddr) {
    const ARCHIVE: &str = "/api/v1/topics/{topic}/archive";
    const MEMBERS: &str = "/api/v1/topics/{topic}/members";
    const MEMBER: &str = "/api/v1/topics/{topic}/members/{user}";
    const ROUTES: [(&str, &str); 4] = [("GET", ARCHIVE), ("GET", MEMBERS), ("PUT", MEMBER), ("DELETE", MEMBER)];
    let bearer = format!("Bearer {KEY}");
    let key = ("authorization", bearer.as_str());
    let (mut server, scratch) = (PostgresServer::start(), Scratch::new());
    assert_eq!(run(&["migrate", "--database-url", &server.url()]).await.code, Some(0));
    let archive = "[[channel]]\ntopic = \"*\"\njoin = \"open\"\narchive = [\"e\"]\n";
    let pod = Pod::serve(&scratch, archive, &["--database-url", &server.url()]).await;
    let at = pod.internal;
    let batch = json!({ "messages": [message(), message()] }).to_string();
    assert_eq!(document.ask(at, "POST", BROADCAST, &[key, JSON], &message().to_string()).await, 202);
    assert_eq!(document.ask(at, "POST", BATCH, &[key, JSON], &batch).await, 202);
    for (status, (method, path)) in [200, 200, 200, 204].into_iter().zip(ROUTES) {
        assert_eq!(document.ask(at, method, path, &[key, JSON], "{}").await, status, "{method} {path}");
        assert_eq!(document.ask(without, method, path, &[key, JSON], "{}").await, 404);
        assert_eq!(document.ask(at, method, path, &[JSON], "{}").await, 401);
        assert_eq!(document.ask(dev, method, path, &[JSON, ("host", "evil.example")], "{}").await, 403);
        let long = path.replace("{topic}", &"t".repeat(256)).replace("{user}", "u");
        let long = request(at, method, &long, &[key, JSON], "{}").await;
        document.check(method, path, &long);
        assert_eq!(long.status, 400);
    }
    let huge = format!("\"{}\"", "x".repeat(1024 * 1024));
    assert_eq!(document.ask(at, "PUT", MEMBER, &[key, JSON], &huge).await, 413);
    assert_eq!(document.ask(at, "PUT", MEMBER, &[key], "{}").await, 415);
    assert_eq!(document.ask(at, "PUT", MEMBER, &[key, JSON], "{}").await, 200);
    assert_eq!(document.ask(at, "GET", MEMBERS, &[key], "").await, 200);
    server.stop();
    for (method, path) in ROUTES {
        assert_eq!(document.ask(at, method, path, &[key, JSON], "{}").await, 503);
    }
    assert_eq!(document.ask(at, "POST", BATCH, &[key, JSON], &batch).await, 503);
}

/// The stream of events never ends, so it is read only as far as the first line.
async fn events(document: &mut Document, pod: &Pod) {
    let path = "/api/v1/topics/{topic}/events";
    let mut stream = TcpStream::connect(pod.internal).await.unwrap();
    let head = format!("host: {}\r\nauthorization: Bearer {KEY}\r\n\r\n", pod.internal);
    stream.write_all(format!("GET {} HTTP/1.1\r\n{head}", path.replace("{topic}", "room:1")).as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("\r\n\r\n") {
        read_more(&mut stream, &mut answer).await;
    }
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("application/x-ndjson"), "{answer}");
    pod.broadcast("room:1", "e", &json!({ "a": [1] })).await;
    while !answer.contains("}\n") {
        read_more(&mut stream, &mut answer).await;
    }
    let line = answer.lines().find(|line| line.starts_with('{')).unwrap();
    document.check_parts("GET", path, 200, Some("application/x-ndjson"), line);
}

async fn read_more(stream: &mut TcpStream, into: &mut String) {
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).await.unwrap();
    assert!(length > 0, "it ended: {into}");
    into.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
}

#[tokio::test]
async fn a_body_is_accepted_if_the_document_allows_it() {
    let pod = Pod::dev().await;
    let document = Document::of(pod.internal).await;
    let with = |field: &str, value: Value| {
        let mut body = message();
        body[field] = value;
        body
    };
    let mut bodies = vec![message(), json!({}), json!([]), json!(null), with("more", json!(1))];
    for event in ["e", "", "phx_close", "presence_state", "disconnect", "disconnected", "presence", "phx", "PHX_x"] {
        bodies.push(with("event", json!(event)));
    }
    for value in [json!(""), json!("k"), json!("k".repeat(255)), json!("k".repeat(256)), json!(null), json!(1)] {
        bodies.push(with("idempotency_key", value.clone()));
        bodies.push(with("topic", value.clone()));
        bodies.push(with("payload", value));
    }
    let checked = async |path: &str, body: &Value| {
        let schema = &document.value["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let expected = if document.is_valid(schema, body).is_ok() { 202 } else { 400 };
        assert_eq!(pod.post(path, &body.to_string()).await.status, expected, "{path} {body}");
        expected
    };
    let mut accepted = 0;
    for body in &bodies {
        accepted += usize::from(checked(BROADCAST, body).await == 202);
        checked(BATCH, &json!({ "messages": [message(), body] })).await;
    }
    assert_eq!(accepted, 11);
    for body in [json!({ "messages": [] }), json!({ "messages": vec![message(); 1001] }), json!({ "messages": 1 })] {
        assert_eq!(checked(BATCH, &body).await, 400);
    }
    for socket_id in [json!("a"), json!(""), json!(1)] {
        checked(DISCONNECT, &json!({ "socket_id": socket_id })).await;
    }
}

#[tokio::test]
async fn every_other_method_of_a_documented_path_is_405() {
    let pod = Pod::dev().await;
    let document = Document::of(pod.internal).await;
    for (path, item) in document.value["paths"].as_object().unwrap() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let target = path.replace("{topic}", "t").replace("{user}", "u");
            if item[method.to_lowercase()].is_object() {
                continue;
            }
            let response = request(pod.internal, method, &target, &[JSON], "{}").await;
            response.problem(405);
            let allowed = response.header("allow").unwrap();
            let documented = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
            for other in documented {
                assert!(allowed.contains(&other.to_uppercase()), "{method} {path}: {allowed}");
            }
        }
    }
}
