//! A secret is used, and never shown.

use super::*;

const SECRET: &str = "hunter2";

#[test]
fn a_secret_never_appears_in_what_is_printed() {
    let urls = [
        "redis://user:hunter2@h",
        "redis://:hunter2@h",
        "redis-cluster://user:hunter2@h?node=i",
        "redis-sentinel://h?sentinelServiceName=m&sentinelPassword=hunter2",
    ];
    for url in urls {
        let text = format!("{LEAST}[redis]\nurl = \"{url}\"\n[api]\nkeys = [\"hunter2\"]");
        let config = Config::from_toml(Mode::Serve, &text).unwrap();
        let redis = config.redis.url.as_ref().unwrap();
        let key = &config.api.keys[0];
        assert!(redis.expose().contains(SECRET) && key.expose() == SECRET);
        let json = serde_json::to_string(key).unwrap();
        let flags = Flags { redis_url: Some(Secret::new(url)), ..Flags::default() };
        let printed = [config.redacted_toml(), format!("{config:?} {config:#?} {redis} {key} {flags:?}"), json];
        assert!(printed.iter().all(|text| !text.contains(SECRET) && text.contains("***")), "{printed:?}");
    }
}

#[test]
fn the_password_of_a_database_never_appears_in_what_is_printed() {
    for url in ["postgres://user:hunter2@h/db?sslmode=require", "postgresql:///db?host=/run&user=u&password=hunter2"] {
        let config = Config::from_toml(Mode::Serve, &format!("{LEAST}[database]\nurl = \"{url}\"")).unwrap();
        let database = config.database.url.as_ref().unwrap();
        assert!(database.expose().contains(SECRET));
        let flags = Flags { database_url: Some(Secret::new(url)), ..Flags::default() };
        let printed = [config.redacted_toml(), format!("{config:?} {config:#?} {database} {flags:?}")];
        assert!(printed.iter().all(|text| !text.contains(SECRET) && text.contains("***")), "{printed:?}");
        // What was printed is not taken for a password.
        let again = Config::from_toml(Mode::Serve, &config.redacted_toml()).unwrap_err().to_string();
        assert!(again.contains("put the real one back"), "{again}");
    }
}

#[test]
fn a_secret_never_appears_in_an_error() {
    for text in [
        "[database]\nurl = \"postgres://h/db?sslpassword=hunter2\"",
        "[database]\nurl = \"postgres://h/db?Password=hunter2\"",
        "[database]\nurl = \"mysql://user:hunter2@h/db\"",
        "[database]\nurl = \"postgres://user:hunter2@h:99999/db\"",
        "[database]\nurl = \"hunter2\"",
        "[redis]\nurl = \"http://user:hunter2@h\"",
        "[redis]\nurl = \"redis://user:hunter2@h:99999\"",
        "[redis]\nurl = \"redis://user:hunter2@h/db\"",
        "[redis]\nurl = \"redis://user:hunter2@\"",
        "[redis]\nurl = \"redis-sentinel://:hunter2@h\"",
        "[redis]\nurl = \"hunter2\"",
        "[redis]\nurl = \"redis://:hunter2@h",
        "[redis]\nurl = redis://:hunter2@h",
        "[redis]\nurl = [\"hunter2\"]",
        "[redis]\nurl = \"redis://:hunter2@h\"\nurl = \"redis://:hunter2@h\"",
        "[api]\nkeys = [\"hunter2\", 1]",
        "[api]\nkeys = \"hunter2\"",
        "[api]\nkeys = [\"hunter2\"",
        "[api]\nkeys = [\"hunter2\\q\"]",
        "[api]\nkeys = [hunter2]",
        "[api]\nkeys = [\"hunter2\"] x",
        "[api]\nkeys = [\"hunter2\"]\nkey = 1",
    ] {
        let error = Config::from_toml(Mode::Dev, text).expect_err(text);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{text:?} says {shown}");
    }
}

#[test]
fn secrets_may_stand_in_variables_and_files() {
    let file = TemporaryFile::new("key", "from-file\r\n");
    let path = file.0.display();
    let text = format!("{LEAST}[redis]\nurl = \"env:REDIS\"\n[api]\nkeys = [\"env:KEY\", \"file:{path}\", \"plain\"]");
    let config_file = TemporaryFile::new("references.toml", text);
    let environment = ["REDIS=redis://:hunter2@h", "KEY=from-env"];
    let config = Config::load(Mode::Serve, Some(&config_file.0), variables(&environment), &Flags::default()).unwrap();
    assert_eq!(config.redis.url.as_ref().unwrap().expose(), "redis://:hunter2@h");
    assert_eq!(config.api.keys.iter().map(Secret::expose).collect::<Vec<_>>(), ["from-env", "from-file", "plain"]);
    let printed = config.redacted_toml();
    assert!(printed.contains("url = \"env:REDIS\""), "a reference is no secret: {printed}");
    assert!(printed.contains(&format!("keys = [\"env:KEY\", \"file:{path}\", \"***\"]")), "{printed}");
}

#[test]
fn a_reference_to_nothing_is_refused() {
    let empty = TemporaryFile::new("empty", "\n");
    for (key, expected) in [
        ("env:NOT_SET".to_owned(), "`api.keys` refers to the environment variable NOT_SET, which is not set"),
        ("file:/nowhere/key".to_owned(), "`api.keys` refers to the file /nowhere/key, which can't be read"),
        (format!("file:{}", empty.0.display()), "`api.keys` is empty"),
        ("file:/dev/zero".to_owned(), "which is larger than 64 KiB"),
        ("***".to_owned(), "put the real one back"),
    ] {
        let found = message(Mode::Dev, &format!("[api]\nkeys = [\"{key}\"]"));
        assert!(found.contains(expected), "{key}: {found}");
    }
    let printed = message(Mode::Dev, "[redis]\nurl = \"redis://:***@h\"");
    assert!(printed.contains("put the real one back"), "{printed}");
}

#[test]
fn a_key_matches_only_itself() {
    let key = Secret::new("hunter2");
    assert!(key.matches(b"hunter2"));
    for other in ["", "hunter", "hunter22", "Hunter2"] {
        assert!(!key.matches(other.as_bytes()), "{other}");
    }
}

#[test]
fn what_check_prints_loads_again() {
    let text = "[listen]\npublic = \"127.0.0.1:0\"\n[redis]\nurl = \"redis://h:1/2\"\nprefix = \"p\"\n\
                [socket]\npath = \"/a/:b\"\ncheck_origin = [\"//a.com\", \"https://*.b.com\"]\nhost = \"a.com\"\n\
                idle_timeout = \"90s\"\nmax_frame_size = \"10MB\"\nid = \"u:{user_id}\"\nsubprotocols = [\"x\"]\n\
                [[mount]]\npath = \"/m\"\ncheck_origin = \"conn\"\n[[mount]]\npath = \"/n\"\ncheck_origin = false\n\
                [limits]\noutbox_bytes = 1025\n[drain]\ntimeout = \"1500ms\"\n[log]\nformat = \"json\"\n\
                [[channel]]\ntopic = \"quote\\\" \\n\\\\ \\u0000\"\njoin = \"open\"\nclient_events = []\n\
                [[channel]]\ntopic = \"*\"\njoin = \"open\"\nbroadcast_to = \"others\"";
    for text in [text, LEAST] {
        let config = Config::from_toml(Mode::Serve, text).unwrap();
        let printed = config.redacted_toml();
        assert_eq!(Config::from_toml(Mode::Serve, &printed).unwrap(), config, "{printed}");
    }
}
