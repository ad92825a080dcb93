//! Redis over TLS (`rediss://`).

use serde_json::json;

use crate::support::{Certificate, Pod, RedisServer, Scratch, until};

/// A Redis that speaks TLS on a port of its own, and where that is.
fn start_redis(files: &Certificate) -> (RedisServer, u16) {
    for port in (12_800..22_000).step_by(7) {
        let port = port + u16::try_from(std::process::id() % 7).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_err() {
            continue;
        }
        let text = port.to_string();
        let arguments = ["--tls-port", &text, "--tls-cert-file", &files.certificate, "--tls-key-file", &files.key];
        return (RedisServer::with_arguments(&[&arguments[..], &["--tls-auth-clients", "no"]].concat()), port);
    }
    panic!("no port is free");
}

#[tokio::test]
async fn two_pods_talk_through_a_redis_with_tls() {
    let scratch = [Scratch::new(), Scratch::new()];
    let files = Certificate::make(&scratch[0], "redis");
    let (_redis, port) = start_redis(&files);
    let url = format!("rediss://localhost:{port}");
    let pod = async |scratch: &Scratch| {
        let config = scratch.file("gateway.toml", &Pod::config("[presence]\nheartbeat = \"500ms\"\nlease = \"5s\"\n"));
        let arguments = ["serve", "--config", &config, "--redis-url", &url];
        let environment = [("SSL_CERT_FILE", files.certificate.as_str())];
        let pod = Pod::start(&arguments, &environment).await;
        pod.until_readyz(200).await;
        pod
    };
    let (a, b) = (pod(&scratch[0]).await, pod(&scratch[1]).await);
    let (mut alice, mut bob) = (a.connect_with("vsn=2.0.0").await, b.connect_with("vsn=2.0.0").await);
    alice.join("1", "room:1").await;
    bob.join("1", "room:1").await;
    alice.send(json!(["1", "2", "room:1", "say", { "n": 1 }])).await;
    alice.expect_broadcast_then_ok("say", "2").await;
    assert_eq!(bob.next().await, json!([null, null, "room:1", "say", { "n": 1 }]));
}

/// Each mistake is told by its name, and the pod does not become ready.
#[tokio::test]
async fn what_is_wrong_with_tls_to_redis_is_told() {
    let scratch = Scratch::new();
    let (files, other) = (Certificate::make(&scratch, "redis"), Certificate::make(&scratch, "other"));
    let (redis, port) = start_redis(&files);
    let environment = |file: &str| [("SSL_CERT_FILE".to_owned(), file.to_owned())];
    let (secure, plain) = (format!("rediss://localhost:{port}"), redis.port());
    for (name, url, trusted, expected) in [
        // A certificate that nobody trusts, no TLS where it is wanted, and TLS where it is not.
        ("a", secure, &other.certificate, "TLS: invalid peer certificate: BadSignature (trusted are"),
        ("b", format!("rediss://localhost:{plain}"), &files.certificate, "no answer to the TLS handshake (rediss://"),
        ("c", format!("redis://localhost:{port}"), &files.certificate, "(a port that speaks TLS needs rediss://)"),
    ] {
        let config = scratch.file(&format!("{name}.toml"), &Pod::config(""));
        let environment = environment(trusted);
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let pod = Pod::start(&["serve", "--config", &config, "--redis-url", &url], &environment).await;
        until(async || {
            let stderr = pod.process.stderr();
            stderr.lines().any(|line| line.contains("Redis") && line.contains(expected))
        })
        .await;
        assert_eq!(pod.get("/readyz").await.status, 503);
    }
}
