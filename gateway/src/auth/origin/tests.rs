use super::{CheckOrigin, Origin, OriginPattern};

fn list(entry: &str) -> CheckOrigin {
    CheckOrigin::list([entry]).unwrap()
}

/// What a rule says about an origin, for a request over plain HTTP to `gateway.test`.
fn allows(rule: &CheckOrigin, origin: &str) -> bool {
    rule.allows(Some(origin), &Origin::parse("http://gateway.test"))
}

#[test]
fn an_origin_has_its_schemes_port() {
    let origin = |text| {
        let Origin { scheme, host, port } = Origin::parse(text);
        (scheme, host, port)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(origin("https://Example.COM"), (some("https"), some("example.com"), Some(443)));
    assert_eq!(origin("http://example.com:4000/path"), (some("http"), some("example.com"), Some(4000)));
    assert_eq!(origin("http://[::1]:80"), (some("http"), some("[::1]"), Some(80)));
    assert_eq!(origin("app://id"), (some("app"), some("id"), None));
    assert_eq!(origin("file:///index.html"), (some("file"), None, None));
    for nothing in ["null", "", "//example.com", "http://"] {
        assert_eq!(origin(nothing), (None, None, None), "{nothing:?}");
    }
}

#[test]
fn only_loopback_addresses_and_files_are_of_this_machine() {
    let is = |text| Origin::parse(text).is_of_this_machine();
    for origin in ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:4000", "file://", "file:///a/chat.html"]
    {
        assert!(is(origin), "{origin}");
    }
    for origin in ["null", "", "garbage", "data:text/html,x", "about:blank", "file://evil.test/a", "http://evil.test"] {
        assert!(!is(origin), "{origin}");
    }
}

/// Row 30, with the part that plain HTTP cannot show.
#[test]
fn row_030_the_request_decides_scheme_host_and_port() {
    let conn = CheckOrigin::Conn;
    let http = Origin::parse("http://example.com:80");
    let https = Origin::parse("https://example.com");
    assert!(conn.allows(Some("http://example.com"), &http));
    assert!(conn.allows(Some("https://example.com"), &https));
    assert!(conn.allows(Some("https://example.com:443"), &https));
    for origin in ["https://example.com", "ws://example.com", "wss://example.com", "http://www.example.com"] {
        assert!(!conn.allows(Some(origin), &http), "{origin}");
    }
    for origin in ["https://example.com:4000", "http://example.com", "wss://example.com", "null", ""] {
        assert!(!conn.allows(Some(origin), &https), "{origin}");
    }
}

#[test]
fn row_025_wildcards_stand_for_any_depth_and_for_none() {
    for (entry, origin, expected) in [
        ("https://*.ex.com", "https://org1.ex.com", true),
        ("https://*.ex.com", "https://ex.com", true),
        ("https://*.ex.com", "https://a.b.c.ex.com", true),
        ("https://*.ex.com", "https://org1.prefix-ex.com", false),
        ("https://*.ex.com", "https://ex.com.evil.test", false),
        ("https://*.ex.com", "https://ex.com:444", false),
        ("//*.ex.com:81", "http://a.ex.com:81", true),
        ("//*.ex.com:81", "http://a.ex.com", false),
        ("//ex.com", "https://org1.ex.com", false),
        ("//EX.com", "https://ex.COM", true),
        ("http://scheme.com", "http://scheme.com:8080", false),
        ("https://scheme.com:8443", "https://scheme.com:8443", true),
        ("//[::1]:4000", "http://[::1]:4000", true),
        ("//[::1]", "http://[::1]:4000", true),
        ("//127.0.0.1", "http://127.0.0.1:4000", true),
        ("//müller.test", "https://xn--mller-kva.test", true),
    ] {
        assert_eq!(allows(&list(entry), origin), expected, "{entry} {origin}");
    }
}

#[test]
fn entries_of_another_form_are_refused() {
    for entry in ["ex.com", "", "//", "http:ex.com", "://ex.com", "//a.*.com", "//*", "//ex.com/path", "//ex.com:http"]
    {
        assert!(entry.parse::<OriginPattern>().is_err(), "{entry:?}");
    }
}

#[test]
fn without_a_host_of_our_own_everything_passes() {
    for origin in ["https://any.test", "null", ""] {
        assert!(allows(&CheckOrigin::Host(None), origin), "{origin:?}");
        assert!(!allows(&CheckOrigin::Host(Some("host.com".to_owned())), origin), "{origin:?}");
    }
}
