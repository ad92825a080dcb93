//! Which source wins, and which names are known.

use super::*;

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file = TemporaryFile::new(
        "precedence.toml",
        format!("{LEAST}[listen]\npublic = \"127.0.0.1:1\"\n[redis]\nprefix = \"f\""),
    );
    let load = |environment: &[&str], flags: &Flags| {
        let config = Config::load(Mode::Serve, Some(&file.0), variables(environment), flags).unwrap();
        (config.listen.public.port(), config.listen.internal.port(), config.redis.prefix)
    };
    let environment = ["GATEWAY_LISTEN__PUBLIC=127.0.0.1:2", "GATEWAY_REDIS__PREFIX=e"];
    let flags = Flags { listen: Some("127.0.0.1:3".parse().unwrap()), ..Flags::default() };
    assert_eq!(load(&[], &Flags::default()), (1, 4001, "f".to_owned()));
    assert_eq!(load(&environment, &Flags::default()), (2, 4001, "e".to_owned()));
    assert_eq!(load(&environment, &flags), (3, 4001, "e".to_owned()));
}

#[test]
fn all_flags_arrive() {
    let flags = Flags {
        listen: Some("127.0.0.1:1".parse().unwrap()),
        internal_listen: Some("127.0.0.1:2".parse().unwrap()),
        redis_url: Some(Secret::new("redis://h")),
        database_url: Some(Secret::new("postgres://h/db")),
    };
    let config = Config::load(Mode::Dev, None, variables(&["GATEWAY_REDIS__URL=redis://other"]), &flags).unwrap();
    assert_eq!((config.listen.public.port(), config.listen.internal.port()), (1, 2));
    assert_eq!(config.redis.url.unwrap().expose(), "redis://h");
    let bad = Flags { redis_url: Some(Secret::new("h")), ..Flags::default() };
    let error = Config::load(Mode::Dev, None, variables(&[]), &bad).unwrap_err().to_string();
    assert!(error.starts_with("--redis-url: `redis.url` is not a URL"), "{error}");
}

#[test]
fn variables_are_toml_or_else_text() {
    let config = from_environment(&[
        "GATEWAY_REDIS__PREFIX=123",
        "GATEWAY_SOCKET__CHECK_ORIGIN=[\"//a.com\"]",
        "GATEWAY_SOCKET__IDLE_TIMEOUT=\"5s\"",
        "GATEWAY_SOCKET__MAX_CHANNELS=7",
        "GATEWAY_SOCKET__ID={user_id}",
        "GATEWAY_LIMITS__OUTBOX_BYTES=4096",
        "GATEWAY_LIMITS__HANDSHAKE_TIMEOUT=3s",
        "GATEWAY_API__KEYS=['a', 'b']",
    ])
    .unwrap();
    assert_eq!(config.redis.prefix, "123", "a number is text where text is wanted");
    assert_eq!(config.socket.check_origin, CheckOrigin::List(vec!["//a.com".parse().unwrap()]));
    assert_eq!(config.socket.idle_timeout.as_secs(), 5);
    assert_eq!(config.socket.max_channels, 7);
    assert_eq!(config.socket.id.unwrap().as_str(), "{user_id}");
    assert_eq!(config.limits.outbox_bytes, 4096);
    assert_eq!(config.limits.handshake_timeout.as_secs(), 3);
    assert_eq!(config.api.keys.len(), 2);
    for (value, expected) in [("false", CheckOrigin::Off), ("true", CheckOrigin::Host), ("conn", CheckOrigin::Conn)] {
        let config = from_environment(&[&format!("GATEWAY_SOCKET__CHECK_ORIGIN={value}")]).unwrap();
        assert_eq!(config.socket.check_origin, expected);
    }
}

#[test]
fn variables_of_others_are_ignored() {
    let config = from_environment(&[
        "GATEWAY_PORT=tcp://10.0.0.1:4000",
        "GATEWAY_PORT_4000_TCP=x",
        "GATEWAY_SERVICE_HOST=10.0.0.1",
        "GATEWAY__SERVICE_HOST=10.0.0.1",
        "GATEWAYS_SOCKET__PATH=/other",
        "SOCKET__PATH=/other",
    ]);
    assert_eq!(config.unwrap(), from_environment(&[]).unwrap());
}

#[test]
fn an_unknown_variable_names_the_nearest_known_one() {
    for (variable, expected) in [
        ("GATEWAY_SOCKET__IDLE_TIMOUT=1s", "did you mean `GATEWAY_SOCKET__IDLE_TIMEOUT`?"),
        ("GATEWAY_SOCKT__PATH=/a", "unknown key `GATEWAY_SOCKT__PATH`; did you mean `GATEWAY_SOCKET__PATH`?"),
        ("GATEWAY_socket__path=/a", "did you mean `GATEWAY_SOCKET__PATH`?"),
        ("GATEWAY_REDIS__URL__X=a", "did you mean `GATEWAY_REDIS__URL`?"),
        ("GATEWAY_SOCKET__=a", "unknown key `GATEWAY_SOCKET__`"),
        ("GATEWAY_CHANNEL__TOPIC=a", "`channel` can't be set by a variable: write [[channel]] in the file"),
        ("GATEWAY_MOUNT__PATH=a", "`mount` can't be set by a variable"),
        ("GATEWAY_SOCKET__PATH=a", "GATEWAY_SOCKET__PATH: `socket.path` must be absolute"),
    ] {
        let found = from_environment(&[variable]).expect_err(variable).to_string();
        assert!(found.contains(expected), "{variable}\n  says     {found}\n  expected {expected}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest_known_one_and_its_line() {
    for (text, expected) in [
        (
            "\n[socket]\nidle_timout = \"1s\"",
            "gateway.toml:3: unknown key `socket.idle_timout`; did you mean `socket.idle_timeout`?",
        ),
        ("[limits]\nidle_timeout = \"1s\"", "unknown key `limits.idle_timeout`; did you mean `socket.idle_timeout`?"),
        ("[sockets]\npath = \"/a\"", "gateway.toml:1: unknown key `sockets`; did you mean `socket`?"),
        ("[[chanel]]\ntopic = \"a\"", "unknown key `chanel`; did you mean `channel`?"),
        ("socket.pth = \"/a\"", "gateway.toml:1: unknown key `socket.pth`; did you mean `socket.path`?"),
        ("[[channel]]\ntpoic = \"a\"", "unknown key `channel.tpoic`; did you mean `channel.topic`?"),
        ("[[mount]]\nhosts = \"a\"", "unknown key `mount.hosts`; did you mean `mount.host`?"),
        ("[socket]\ncompression = true", "unknown key `socket.compression`; did you mean `socket.compress`?"),
        ("[databases]\nurl = \"sqlite://a\"", "unknown key `databases`; did you mean `database`?"),
        ("\"a\\u001b[31m\" = 1", "unknown key `a\\u{1b}[31m`"),
    ] {
        let found = message(Mode::Dev, text);
        assert!(found.contains(expected), "{text:?}\n  says     {found}\n  expected {expected}");
    }
}

#[test]
fn tables_of_the_wrong_shape_are_refused() {
    for (text, expected) in [
        ("socket = 3", "gateway.toml:1: `socket` must be one table: write [socket]"),
        ("[[socket]]\npath = \"/a\"", "`socket` must be one table: write [socket]"),
        ("[channel]\ntopic = \"a\"", "`channel` must be a list of tables: write [[channel]]"),
        ("channel = [1]", "`channel` must hold only tables"),
        ("[socket]\n[socket]", "gateway.toml:2: not valid TOML"),
        ("[socket]\npath = ", "gateway.toml:2: not valid TOML"),
    ] {
        let found = message(Mode::Dev, text);
        assert!(found.contains(expected), "{text:?}\n  says     {found}\n  expected {expected}");
    }
}

#[test]
fn a_file_that_is_missing_or_no_text_is_refused() {
    let none = Config::load(Mode::Serve, None, variables(&[]), &Flags::default()).unwrap_err();
    assert!(matches!(none, ConfigError::NoFile));
    let missing = Config::load(Mode::Serve, Some("/nowhere/gateway.toml".as_ref()), variables(&[]), &Flags::default());
    assert!(missing.unwrap_err().to_string().starts_with("cannot read /nowhere/gateway.toml: "));
    let binary = TemporaryFile::new("binary.toml", b"\xff\xfe\0");
    let refused = Config::load(Mode::Serve, Some(&binary.0), variables(&[]), &Flags::default());
    assert!(matches!(refused, Err(ConfigError::Unreadable { .. })));
}
