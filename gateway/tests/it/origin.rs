//! Which web pages may connect (rows 19-33), through handshakes.

use gateway::config::{Config, Mode};
use gateway::{CheckOrigin, Gateway, Mount, Origin, Router};

use crate::support::{Handshake, OpenSocket, TestGateway};

async fn gateway_with(rule: CheckOrigin) -> TestGateway {
    TestGateway::with_mounts([Mount::new("/socket", OpenSocket, Router::new()).check_origin(rule)]).await
}

fn list(entries: &[&str]) -> CheckOrigin {
    CheckOrigin::list(entries.iter().copied()).unwrap()
}

/// Connects from a page of each origin; 101 is expected for `allowed`, 403 with an empty body for the others.
async fn check(gateway: &TestGateway, host: &str, allowed: &[&str], refused: &[&str]) {
    let origins = allowed.iter().map(|origin| (origin, 101)).chain(refused.iter().map(|origin| (origin, 403)));
    for (origin, status) in origins {
        let handshake = Handshake::to("/socket/websocket").instead("host", Some(host)).header("origin", origin);
        let answer = handshake.send(gateway.public()).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{origin:?} at {host}");
    }
}

/// Rows 19, 20.
#[tokio::test]
async fn row_019_origins_of_the_list_are_allowed_and_others_refused() {
    let gateway = gateway_with(list(&["//example.com", "//other.test"])).await;
    let allowed = ["https://example.com", "http://example.com:8080", "https://EXAMPLE.com", "http://other.test"]; // row 19
    let refused = ["http://notallowed.com", "https://example.com.evil.test", "https://example.org"]; // row 20
    check(&gateway, "example.com", &allowed, &refused).await;
}

#[tokio::test]
async fn row_021_without_an_origin_every_rule_is_passed() {
    let none = CheckOrigin::predicate(|_| false);
    let host = CheckOrigin::Host(Some("host.com".to_owned()));
    for rule in [CheckOrigin::Off, host, CheckOrigin::Conn, list(&["//example.com"]), none] {
        let gateway = gateway_with(rule.clone()).await;
        let answer = Handshake::to("/socket/websocket").send(gateway.public()).await;
        assert_eq!(answer.status, 101, "{rule:?}");
    }
}

#[tokio::test]
async fn row_022_the_host_must_be_the_configured_one() {
    let gateway = gateway_with(CheckOrigin::Host(Some("host.com".to_owned()))).await;
    let allowed = ["https://host.com/", "http://host.com", "https://host.com:8443", "http://HOST.com"];
    let refused = ["https://another.com/", "https://sub.host.com", "https://host.com.evil.test"];
    check(&gateway, "gateway.test", &allowed, &refused).await;
}

#[tokio::test]
async fn row_023_a_mount_takes_the_rule_of_the_whole_configuration() {
    let toml = r#"
        [listen]
        public = "127.0.0.1:0"
        internal = "127.0.0.1:0"
        [socket]
        check_origin = ["//example.com"]
        [[mount]]
        path = "/inherits"
        [[mount]]
        path = "/own"
        check_origin = ["//own.test"]
    "#;
    let config = Config::from_toml(Mode::Dev, toml).unwrap();
    let gateway = Gateway::builder(config).mount_configured().start().await.unwrap();
    for (path, origin, status) in [
        ("/socket", "https://example.com", 101),
        ("/socket", "https://own.test", 403),
        ("/inherits", "https://example.com", 101),
        ("/inherits", "https://own.test", 403),
        ("/own", "https://example.com", 403),
        ("/own", "https://own.test", 101),
    ] {
        let handshake = Handshake::to(&format!("{path}/websocket")).header("origin", origin);
        assert_eq!(handshake.send(gateway.public_addr()).await.status, status, "{path} {origin}");
    }
}

#[tokio::test]
async fn in_development_only_pages_of_this_machine_connect_unless_origins_are_named() {
    let toml = "[listen]\npublic = \"127.0.0.1:0\"\ninternal = \"127.0.0.1:0\"\n";
    let config = Config::from_toml(Mode::Dev, toml).unwrap();
    let gateway = Gateway::builder(config).mount_configured().development().start().await.unwrap();
    for (origin, status) in [
        ("http://localhost:5173", 101),
        ("http://127.0.0.1:4000", 101),
        ("https://[::1]", 101),
        ("file://", 101),
        // Of a sandboxed frame, which every page on the web can have.
        ("null", 403),
        ("", 403),
        ("data:text/html,evil", 403),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
    ] {
        let handshake = Handshake::to("/socket/websocket").header("origin", origin);
        assert_eq!(handshake.send(gateway.public_addr()).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn row_024_without_a_check_everything_passes() {
    let gateway = gateway_with(CheckOrigin::Off).await;
    check(&gateway, "gateway.test", &["https://any.test", "file://", "null", "", "%%%", "\u{fc}"], &[]).await;
}

/// Rows 25, 26.
#[tokio::test]
async fn row_025_a_wildcard_covers_the_domain_and_all_below_it() {
    let gateway = gateway_with(list(&["https://*.ex.com", "http://*.foo.example.com"])).await;
    let allowed = [
        "https://org1.ex.com",         // row 25
        "https://ex.com",              // row 25
        "https://a.b.ex.com",          // row 25
        "http://org1.foo.example.com", // row 26
        "http://foo.example.com",      // row 26
    ];
    let refused = [
        "https://org1.prefix-ex.com",         // row 25
        "https://prefix-ex.com",              // row 25
        "http://ex.com",                      // row 25
        "http://bad.example.com",             // row 26
        "http://org1.prefix-foo.example.com", // row 26
        "http://org1.bar.example.com",        // row 26
        "http://example.com",                 // row 26
    ];
    check(&gateway, "gateway.test", &allowed, &refused).await;
}

/// Rows 27, 28, 29.
#[tokio::test]
async fn row_027_an_entry_means_its_host_alone_its_schemes_port_and_its_own_port() {
    let gateway = gateway_with(list(&["//ex.com", "http://scheme.com", "//port.com:81"])).await;
    let allowed = [
        "http://ex.com",        // row 27
        "http://scheme.com/",   // row 28
        "http://port.com:81/",  // row 29
        "https://port.com:81/", // row 29
    ];
    let refused = [
        "http://org1.ex.com",      // row 27
        "https://scheme.com/",     // row 28
        "http://scheme.com:8080/", // row 28
        "http://port.com:82/",     // row 29
        "http://port.com/",        // row 29
    ];
    check(&gateway, "gateway.test", &allowed, &refused).await;
}

/// Requests over TLS, which a proxy ends, are told apart in the unit tests of `auth/origin.rs`.
#[tokio::test]
async fn row_030_the_origin_must_be_where_the_request_went() {
    let gateway = gateway_with(CheckOrigin::Conn).await;
    let refused = [
        "https://example.com",
        "ws://example.com",
        "wss://example.com",
        "http://www.example.com",
        "http://another.com",
        "http://example.com:81",
        "null",
    ];
    for host in ["example.com", "example.com:80"] {
        check(&gateway, host, &["http://example.com", "http://example.com:80"], &refused).await;
    }
    check(&gateway, "example.com:4000", &["http://example.com:4000"], &["http://example.com"]).await;
}

#[tokio::test]
async fn row_031_what_has_no_host_is_refused() {
    let invalid = ["file://", "null", "", "garbage", "http://", "about:blank", "\u{fc}"];
    for rule in [list(&["//example.com"]), CheckOrigin::Host(Some("host.com".to_owned())), CheckOrigin::Conn] {
        check(&gateway_with(rule).await, "gateway.test", &[], &invalid).await;
    }
}

#[tokio::test]
async fn row_032_the_application_may_decide() {
    let trusted = ["app.test".to_owned()];
    let rule = CheckOrigin::predicate(move |origin: &Origin| match &origin.host {
        Some(host) => origin.scheme.as_deref() == Some("https") && origin.port == Some(443) && trusted.contains(host),
        None => true,
    });
    let gateway = gateway_with(rule).await;
    let refused = ["http://app.test", "https://app.test:444", "https://other.test"];
    check(&gateway, "gateway.test", &["https://app.test", "null", "file://"], &refused).await;
}

#[tokio::test]
async fn row_033_each_mount_has_a_rule_of_its_own() {
    let mount = |path, entry| Mount::new(path, OpenSocket, Router::new()).check_origin(list(&[entry]));
    let gateway = TestGateway::with_mounts([mount("/a", "//a.test"), mount("/b", "//b.test")]).await;
    // Twice: what one mount has found out does not go for the other.
    for (path, origin, status) in [("/a", "a", 101), ("/b", "a", 403), ("/a", "b", 403), ("/b", "b", 101)].repeat(2) {
        let handshake = Handshake::to(&format!("{path}/websocket")).header("origin", &format!("https://{origin}.test"));
        assert_eq!(handshake.send(gateway.public()).await.status, status, "{path} {origin}");
    }
}

/// What looks like an allowed page, and is none.
#[tokio::test]
async fn tricks_with_origins_do_not_get_in() {
    let gateway = gateway_with(list(&["https://app.example.com", "https://*.ok.example"])).await;
    let allowed =
        ["https://app.example.com", "https://APP.example.com", "https://ok.example", "https://a.b.ok.example:443"];
    let refused = [
        "null",
        "",
        "*",
        "https://",
        "file://",
        "file:///app.example.com",
        "data:text/html,app.example.com",
        "javascript://app.example.com",
        "chrome-extension://app.example.com",
        "http://app.example.com",
        "wss://app.example.com",
        "https://app.example.com:444",
        "https://app.example.com:80",
        "https://app.example.com.",
        "https://app.example.com.evil.test",
        "https://app.example.com@evil.test",
        "https://app.example.com%2eevil.test",
        "https://app.example.com%00.evil.test",
        "https://app.example.comevil.test",
        "https://evil.test/app.example.com",
        "https://evil.test?app.example.com",
        "https://evil.test#app.example.com",
        "https://evil.test\\@app.example.com",
        "https://evilapp.example.com",
        "https://www.app.example.com",
        "https://example.com",
        "https://app-example.com",
        "https://notok.example",
        "https://-ok.example",
        "https://ok.example.evil.test",
        "https://ok.examples",
        "http://a.ok.example",
        "https://a.ok.example:8443",
        "https://аpp.example.com",
        "https://xn--pp-7bc.example.com",
        "app.example.com",
        "//app.example.com",
        "https://evil.test, https://app.example.com",
        "https://evil.test https://app.example.com",
        "https://app.example.com, https://evil.test",
        "https://127.0.0.1",
        "https://localhost",
        "https://[::1]",
    ];
    check(&gateway, "gateway.test", &allowed, &refused).await;
    for (first, second) in [("https://evil.test", "https://app.example.com"), ("null", "https://ok.example")] {
        // Headers have no case, and the first one counts.
        let handshake = Handshake::to("/socket/websocket").header("ORIGIN", first).header("Origin", second);
        assert_eq!(handshake.send(gateway.public()).await.status, 403, "{first}");
    }
}
