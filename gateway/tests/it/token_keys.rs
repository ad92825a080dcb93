//! The keys of an identity provider: replaced, late, away, slow and broken. Its server is a real one.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::tokens::{ProviderKey, SECRET, token_of};
use crate::support::{Handshake, Manner, Pod, Provider, Scratch, TestGateway, metrics, run, until};

async fn gateway(url: &str) -> TestGateway {
    let auth = format!("[auth]\nhs256_secret = \"{SECRET}\"\njwks_url = \"{url}\"\n");
    TestGateway::configured(&format!("{auth}[[channel]]\ntopic = \"*\"\njoin = \"authenticated\"\n")).await
}

/// The status of a connect.
async fn connect(gateway: &TestGateway, token: &str) -> u16 {
    let handshake = Handshake::to(&format!("/socket/websocket?vsn=2.0.0&token={token}"));
    let answer = handshake.send(gateway.public()).await;
    assert_eq!(answer.body, "");
    answer.status
}

#[tokio::test]
async fn a_new_key_is_found_and_one_that_was_taken_away_ends() {
    let (old, new) = (ProviderKey::new("old"), ProviderKey::new("new"));
    let provider = Provider::start(&[&old]).await;
    let gateway = gateway(&provider.url()).await;
    // At start already: the connect waits for the first fetch, should it be under way still.
    assert_eq!(connect(&gateway, &old.token_of("alice")).await, 101);
    assert_eq!(provider.requests(), 1);
    // Both at once, for a time; many clients with the new one.
    provider.behave(Provider::keys(&[&old, &new]));
    until(async || connect(&gateway, &new.token_of("alice")).await == 101).await;
    let statuses = join_all((0..20).map(|_| connect_owned(&gateway, new.token_of("bob")))).await;
    assert!(statuses.iter().all(|status| *status == 101), "{statuses:?}");
    assert_eq!(connect(&gateway, &old.token_of("alice")).await, 101);
    assert_eq!(provider.requests(), 2, "tokens with unknown keys share a fetch");
    // The old one goes; a fetch is due when somebody comes with another unknown key.
    provider.behave(Provider::keys(&[&new]));
    let unknown = ProviderKey::new("unknown");
    until(async || {
        assert_eq!(connect(&gateway, &unknown.token_of("mallory")).await, 403);
        connect(&gateway, &old.token_of("alice")).await == 403
    })
    .await;
    assert_eq!(connect(&gateway, &new.token_of("alice")).await, 101);
    assert_eq!(provider.requests(), 3, "whoever makes up keys causes few fetches");
    let page = metrics(gateway.internal()).await;
    assert!(page.contains("gateway_jwks_fetches_total{result=\"ok\"} 3\n"), "{page}");
}

async fn connect_owned(gateway: &TestGateway, token: String) -> u16 {
    connect(gateway, &token).await
}

#[tokio::test]
async fn a_provider_that_is_away_at_start_holds_nobody_else() {
    let key = ProviderKey::new("late");
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap()
    };
    let gateway = gateway(&format!("http://{address}/keys")).await;
    assert_eq!(connect(&gateway, &key.token_of("alice")).await, 403);
    assert_eq!(connect(&gateway, &token_of("bob", json!([]))).await, 101, "a key of the configuration");
    let _provider = Provider::start_at(address, Provider::keys(&[&key])).await;
    until(async || connect(&gateway, &key.token_of("alice")).await == 101).await;
}

#[tokio::test]
async fn known_keys_go_on_while_the_provider_fails() {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
    let moved = "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
    let manners = [
        Manner::Silent,
        Manner::Raw("HTTP/1.1 500 Oh\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned()),
        Manner::Raw(moved.to_owned()),
        Manner::Raw(format!("{head}content-length: 6\r\n\r\n<html>")),
        Manner::Raw(format!("{head}content-length: 11\r\n\r\n{{\"keys\":{{}}}}")),
        Manner::Raw(format!("{head}content-length: 500\r\n\r\n{{\"keys\":[]}}")),
        Manner::Raw(format!("{head}\r\n{}", " ".repeat(300 * 1024))),
        Manner::Raw("garbage\r\n\r\n".to_owned()),
        Manner::Raw(String::new()),
    ];
    join_all(manners.into_iter().map(goes_on)).await;
}

/// Has the keys fetched anew by a provider that fails in this manner.
async fn goes_on(manner: Manner) {
    let (key, unknown) = (ProviderKey::new("known"), ProviderKey::new("unknown"));
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway(&provider.url()).await;
    let token = key.token_of("alice");
    assert_eq!(connect(&gateway, &token).await, 101);
    provider.behave(manner);
    until(async || {
        let made_up = unknown.token_of("mallory");
        let (strange, known) = tokio::join!(connect(&gateway, &made_up), async {
            let began = Instant::now();
            let status = connect(&gateway, &token).await;
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
            status
        });
        assert_eq!((strange, known), (403, 101));
        provider.requests() > 1
    })
    .await;
    let failed = async || {
        let page = metrics(gateway.internal()).await;
        !page.contains("gateway_jwks_fetches_total{result=\"failed\"} 0\n")
    };
    until(failed).await;
    assert_eq!(connect(&gateway, &token).await, 101);
}

#[tokio::test]
async fn a_slow_provider_holds_only_those_whose_key_it_has_and_not_for_long() {
    let key = ProviderKey::new("slow");
    let provider = Provider::start_at("127.0.0.1:0".parse().unwrap(), Manner::Silent).await;
    let gateway = gateway(&provider.url()).await;
    let began = Instant::now();
    assert_eq!(connect(&gateway, &token_of("bob", json!([]))).await, 101);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // It waits for the fetch that is under way, and no longer.
    assert_eq!(connect(&gateway, &key.token_of("alice")).await, 403);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // Who waits when it answers gets in.
    let waiting = connect_owned(&gateway, key.token_of("alice"));
    let answering = async { provider.behave(Provider::keys(&[&key])) };
    let (status, ()) = tokio::join!(waiting, answering);
    assert_eq!(status, 101);
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_told_before_anything_starts() {
    let scratch = Scratch::new();
    let path = |name: &str| format!("{}/tests/it/keys/{name}", env!("CARGO_MANIFEST_DIR"));
    for (file, algorithm, problem) in [
        (path("rsa.test-only.pem"), "RS256", "it holds a private key"),
        (path("rsa.test-only.pub.pem"), "ES256", "it is a key for another algorithm"),
        (path("README.md"), "RS256", "it holds no -----BEGIN PUBLIC KEY-----"),
    ] {
        let key = format!("[[auth.key]]\nalg = \"{algorithm}\"\npublic_key_file = \"{file}\"\n");
        let config = scratch.file("gateway.toml", &Pod::config(&key));
        let serve = ["serve", "--config", &config, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
        for arguments in [&["check", "--config", &config][..], &serve] {
            let ended = run(arguments).await;
            assert_eq!(ended.code, Some(78), "{ended:?}");
            assert!(ended.stderr.contains(problem) && ended.stderr.contains(&file), "{ended:?}");
        }
    }
}
