//! What values are taken, and what the others are told.

use std::time::Duration;

use super::*;

#[test]
fn the_least_serve_configuration_has_the_documented_defaults() {
    let config = Config::from_toml(Mode::Serve, LEAST).unwrap();
    assert_eq!(config.listen.public.to_string(), "0.0.0.0:4000");
    assert_eq!(config.listen.internal.to_string(), "0.0.0.0:4001");
    assert_eq!((config.redis.url, config.redis.prefix.as_str()), (None, "gw"));
    assert_eq!(config.socket.path.as_str(), "/socket");
    assert_eq!(config.socket.check_origin, CheckOrigin::Host);
    assert_eq!(config.socket.host.as_deref(), Some("example.com"));
    assert_eq!(config.socket.idle_timeout, Duration::from_secs(60));
    assert_eq!(config.socket.max_frame_size, 262_144);
    assert_eq!(config.socket.max_channels, 100);
    assert_eq!(config.socket.id, None);
    assert!(config.socket.subprotocols.is_empty());
    assert!(config.mounts.is_empty());
    assert_eq!(config.limits.outbox_bytes, 1_048_576);
    assert_eq!(config.limits.handshake_timeout, Duration::from_secs(10));
    assert_eq!(config.presence.heartbeat, Duration::from_secs(10));
    assert_eq!((config.drain.delay, config.drain.timeout), (Duration::from_secs(5), Duration::from_secs(25)));
    assert!(!config.rebalance.enabled);
    assert!(config.api.keys.is_empty());
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Text, "info"));
    assert_eq!(config.channels, [Channel { presence: false, ..Channel::open_to_all() }]);
}

#[test]
fn dev_is_on_loopback_and_serves_all_topics() {
    let config = from_environment(&[]).unwrap();
    assert_eq!(config.listen.public.to_string(), "127.0.0.1:4000");
    assert_eq!(config.listen.internal.to_string(), "127.0.0.1:4001");
    assert_eq!(config.channels, [Channel::open_to_all()]);
    assert_eq!(config.drain.delay, Duration::ZERO, "no balancer has to learn of a stop");
    let config = Config::from_toml(Mode::Dev, "[[channel]]\ntopic = \"a\"\njoin = \"open\"").unwrap();
    assert_eq!(config.channels.len(), 1, "the file's channels stand alone");
    assert_eq!(config.channels[0].topic, TopicPattern::Exact("a".to_owned()));
}

#[test]
fn a_client_command_needs_nothing() {
    let config = Config::load(Mode::Client, None, variables(&[]), &Flags::default()).unwrap();
    assert!(config.channels.is_empty());
}

#[test]
fn values_that_are_taken() {
    let take = |text: &str| Config::from_toml(Mode::Dev, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    for (text, milliseconds) in [("250ms", 250), ("60s", 60_000), ("10m", 600_000), ("1h", 3_600_000), ("0s", 0)] {
        let config = take(&format!("[drain]\ntimeout = \"{text}\""));
        assert_eq!(config.drain.timeout, Duration::from_millis(milliseconds), "{text}");
    }
    for (value, bytes) in
        [("\"512\"", 512), ("512", 512), ("\"10MB\"", 10_000_000), ("\"256KiB\"", 262_144), ("0x10", 16)]
    {
        let config = take(&format!("[limits]\noutbox_bytes = {value}"));
        assert_eq!(config.limits.outbox_bytes, bytes, "{value}");
    }
    for level in ["debug", "OFF", "info,gateway::pubsub=debug", "warn,gateway[connection{id=1}]=trace"] {
        assert_eq!(take(&format!("[log]\nlevel = \"{level}\"")).log.level, level);
    }
    for url in [
        "redis://h",
        "rediss://u:p@h:6380/2",
        "redis://[::1]:6379",
        "redis://u:p%40%2F@h/",
        "redis-cluster://a:1?node=b:2",
        "rediss-cluster://a",
        "redis-sentinel://h:26379/0?sentinelServiceName=m",
    ] {
        let parsed = take(&format!("[redis]\nurl = \"{url}\"")).redis.url.unwrap();
        assert_eq!(parsed.expose(), url);
        assert_eq!(parsed.is_cluster(), url.contains("-cluster"));
        assert!(fred::types::config::Config::from_url(url).is_ok(), "the client must take {url} too");
    }
    for entry in ["//example.com", "https://*.example.com", "//h:888", "app://localhost", "//[::1]:80", "//10.0.0.1"] {
        let config = take(&format!("[socket]\ncheck_origin = [\"{entry}\"]"));
        assert_eq!(config.socket.check_origin, CheckOrigin::List(vec![entry.parse().unwrap()]));
    }
    assert_eq!(take("[socket]\ncheck_origin = false").socket.check_origin, CheckOrigin::Off);
    assert_eq!(take("[socket]\ncheck_origin = \"conn\"").socket.check_origin, CheckOrigin::Conn);
    assert_eq!(take("[socket]\nhost = \"Example.COM\"").socket.host.as_deref(), Some("example.com"));
    let config = take("[socket]\npath = \"/api/:tenant/v2\"");
    assert_eq!(config.socket.path.segments().collect::<Vec<_>>(), ["api", ":tenant", "v2"]);
    assert_eq!(take("[listen]\npublic = \"[::1]:0\"\ninternal = \"[::1]:0\"").listen.public.port(), 0);
}

#[test]
fn bad_values_name_the_key_the_line_and_what_is_expected() {
    for (text, expected) in [
        ("[listen]\npublic = \"localhost\"", "gateway.toml:2: `listen.public` must be an address and a port"),
        ("[listen]\npublic = 4000", "`listen.public` must be a string, not an integer"),
        ("[redis]\nurl = \"http://h\"", "`redis.url` must begin with redis://"),
        ("[redis]\nurl = \"localhost\"", "`redis.url` is not a URL"),
        ("[redis]\nurl = \"redis:///1\"", "`redis.url` names no host"),
        ("[redis]\nurl = \"redis://h/db\"", "`redis.url` must have a database number"),
        ("[redis]\nurl = \"redis-sentinel://h\"", "add ?sentinelServiceName=NAME"),
        ("[redis]\nprefix = \"{a}\"", "`redis.prefix` must be 1 to 64 letters"),
        ("[socket]\npath = \"socket\"", "`socket.path` must be absolute"),
        ("[socket]\npath = \"/\"", "no slash at the end"),
        ("[socket]\npath = \"/a/{b}\"", "`socket.path` must be segments of letters"),
        ("[socket]\npath = \"/a/../b\"", "`socket.path` must be segments of letters"),
        ("[socket]\npath = \"/:a/:a\"", "must not use one variable name twice"),
        ("[socket]\npath = \"/:\"", "must name its variable"),
        ("[socket]\ncheck_origin = \"con\"", "`socket.check_origin` must be true, false, \"conn\" or a list"),
        ("[socket]\ncheck_origin = []", "is an empty list"),
        ("[socket]\ncheck_origin = [\"example.com\"]", "\"example.com\", which must begin with a scheme or //"),
        ("[socket]\ncheck_origin = [\"//a.*.com\"]", "has no valid host or port"),
        ("[socket]\ncheck_origin = [\"//a:99999\"]", "has no valid host or port"),
        ("[socket]\ncheck_origin = [\"https://a/x\"]", "nothing but a host and a port"),
        ("[socket]\ncheck_origin = [\"https//a\"]", "has no valid scheme"),
        ("[socket]\ncheck_origin = [\"//\"]", "has no valid host or port"),
        ("[socket]\nhost = \"https://a\"", "`socket.host` must be a host name without scheme or port"),
        ("[socket]\nhost = \"*.a\"", "must be one host name, without a wildcard"),
        ("[socket]\nidle_timeout = \"60\"", "`socket.idle_timeout` must be a whole number with a unit"),
        ("[socket]\nidle_timeout = 60", "`socket.idle_timeout` must be a string, not an integer"),
        ("[socket]\nidle_timeout = \"0s\"", "must be longer than zero"),
        ("[socket]\nidle_timeout = \"99999999h\"", "must be at most 8760h"),
        ("[socket]\nidle_timeout = \"99999999999999999999h\"", "must be a whole number with a unit"),
        ("[socket]\nmax_frame_size = \"1 kilo\"", "`socket.max_frame_size` must be a size such as"),
        ("[socket]\nmax_frame_size = 0", "must be more than zero"),
        ("[socket]\nmax_frame_size = -1", "must be more than zero"),
        ("[socket]\nmax_channels = 0", "`socket.max_channels` must be a whole number over zero"),
        ("[socket]\nmax_channels = 99999999999999999999", "gateway.toml:2: `socket.max_channels` is too large"),
        ("[socket]\nid = \"user\"", "`socket.id` needs a placeholder such as {user_id}"),
        ("[socket]\nid = \"user:{a\"", "must close each { with }"),
        ("[socket]\nid = \"user:}{a}\"", "must close each { with }"),
        ("[socket]\nsubprotocols = \"a\"", "`socket.subprotocols` must be a list of strings, not a string"),
        ("[socket]\nsubprotocols = [1]", "must be a list of strings, and holds an integer"),
        ("[socket]\nsubprotocols = [\"a b\"]", "without spaces or commas"),
        ("[socket]\nsubprotocols = [\"base64url.bearer.phx.x\"]", "clients send tokens so"),
        ("[[mount]]\nhost = \"a\"", "gateway.toml:1: `mount[0].path` is missing: each [[mount]] needs its own"),
        ("[presence]\nheartbeat = \"0ms\"", "`presence.heartbeat` must be longer than zero"),
        ("[drain]\ntimeout = \"-1s\"", "`drain.timeout` must be a whole number with a unit"),
        ("[api]\nkeys = \"k\"", "`api.keys` must be a list of strings, not a string"),
        ("[api]\nkeys = [\"\"]", "`api.keys` is empty"),
        ("[log]\nformat = \"xml\"", "`log.format` must be \"text\" or \"json\""),
        ("[log]\nlevel = \"inof\"", "`log.level` must be off, error, warn, info, debug or trace"),
        ("[log]\nlevel = \"a=b=c\"", "`log.level` must be off, error, warn, info, debug or trace"),
        ("[[channel]]\njoin = \"open\"", "`channel[0].topic` is missing"),
        ("[[channel]]\ntopic = \"a\"", "gateway.toml:1: `channel[0].join` is missing: say who may join"),
        ("[[channel]]\ntopic = \"a:*:b\"", "`channel[0].topic` may have * only at its end"),
        ("[[channel]]\ntopic = \"a**\"", "may have * only at its end"),
        ("[[channel]]\ntopic = \"\"", "must be 1 to 255 bytes long"),
        ("[[channel]]\ntopic = \"a\"\narchive = [\"phx_join\"]", "which clients can never broadcast"),
        ("[database]\nurl = \"mysql://h/db\"", "`database.url` must begin with sqlite:// or postgres://"),
        (
            "[database]\nurl = \"postgres://h/db?sslmode=require&sslpassword=x\"",
            "`database.url` has the parameter \"sslpassword\"",
        ),
        (
            "[database]\nurl = \"postgres://h/db?target_session_attrs=x\"",
            "\"target_session_attrs\", which means nothing",
        ),
        ("[database]\nurl = \"sqlite::memory:\"", "`database.url` must name a file"),
        ("[database]\nurl = \"sqlite://\"", "`database.url` must name a file"),
        ("[database]\nurl = \"gateway.db\"", "`database.url` is not a URL"),
        ("[[channel]]\ntopic = \"a\"\njoin = \"all\"", "`channel[0].join` must be \"open\""),
        ("[[channel]]\ntopic = \"a\"\njoin = \"webhook\"", "gateway.toml:1: `channel[0].webhook` is missing"),
        ("[[channel]]\npresence = \"yes\"", "`channel[0].presence` must be true or false, not a string"),
        ("[[channel]]\nbroadcast_to = \"some\"", "`channel[0].broadcast_to` must be \"all\" or \"others\""),
        ("[[channel]]\nclient_events = [\"a*\"]", "* stands only alone"),
        ("[[channel]]\nclient_events = [\"presence_diff\"]", "which clients can never broadcast"),
        ("[[channel]]\nclient_events = [\"token_expiring\"]", "which clients can never broadcast"),
    ] {
        let found = message(Mode::Dev, text);
        assert!(found.contains(expected), "{text:?}\n  says     {found}\n  expected {expected}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let channel = "[[channel]]\ntopic = \"*\"\njoin = \"open\"\n";
    for (text, expected) in [
        (channel.to_owned(), "the socket at /socket has `check_origin = true` but no `host`"),
        ("[socket]\nhost = \"a\"".to_owned(), "no topics are served: add a [[channel]]"),
        (format!("{LEAST}[[mount]]\npath = \"/socket\""), "two sockets are mounted at /socket"),
        (
            format!("{LEAST}[[mount]]\npath = \"/a/:b\"\n[[mount]]\npath = \"/a/:c\""),
            "two sockets are mounted at /a/:c",
        ),
        (
            format!("{LEAST}[presence]\nheartbeat = \"10s\"\nlease = \"19s\""),
            "`presence.lease` must be at least twice `presence.heartbeat`",
        ),
        (format!("{LEAST}[listen]\npublic = \"0.0.0.0:5\"\ninternal = \"127.0.0.1:5\""), "both use port 5"),
        (
            "[[channel]]\ntopic = \"a\"\njoin = \"open\"\narchive = [\"e\"]".to_owned(),
            "the topics \"a\" have an `archive` or `join = \"member\"`, but there is no database",
        ),
        (
            "[auth]\nhs256_secret = \"0123456789abcdef0123456789abcdef\"\n[[channel]]\ntopic = \"a\"\njoin = \"member\"".to_owned(),
            "but there is no database: set `database.url`",
        ),
        (
            "[database]\nurl = \"postgres://h/db\"\n[[channel]]\ntopic = \"a\"\njoin = \"member\"".to_owned(),
            "there is no [auth] to check tokens with",
        ),
    ] {
        let found = message(Mode::Serve, &text);
        assert!(found.contains(expected), "{text:?}\n  says     {found}\n  expected {expected}");
    }
    assert!(Config::from_toml(Mode::Serve, &format!("{channel}[socket]\ncheck_origin = \"conn\"")).is_ok());
    assert!(Config::from_toml(Mode::Dev, channel).is_ok(), "dev accepts true without a host");
}

#[test]
fn a_mount_takes_the_origin_policy_of_the_socket_unless_it_has_its_own() {
    let text =
        format!("{LEAST}[[mount]]\npath = \"/a\"\n[[mount]]\npath = \"/b\"\ncheck_origin = false\nmax_channels = 7");
    let config = Config::from_toml(Mode::Serve, &text).unwrap();
    let [inherits, own] = config.mounts.as_slice() else { panic!("two mounts") };
    assert_eq!((&inherits.check_origin, inherits.host.as_deref()), (&CheckOrigin::Host, Some("example.com")));
    assert_eq!((&own.check_origin, own.max_channels), (&CheckOrigin::Off, 7));
    assert_eq!(config.sockets().map(|socket| socket.path.as_str()).collect::<Vec<_>>(), ["/socket", "/a", "/b"]);
}

#[test]
fn an_id_is_rendered_only_when_all_its_values_are_there() {
    let config = Config::from_toml(Mode::Dev, "[socket]\nid = \"user:{tenant}:{user_id}!\"").unwrap();
    let id = config.socket.id.unwrap();
    let with = |user: Option<&'static str>| id.render(|name| if name == "tenant" { Some("t") } else { user });
    assert_eq!(with(Some("7")).as_deref(), Some("user:t:7!"));
    assert_eq!(with(Some("")), None);
    assert_eq!(with(None), None);
}

#[test]
fn patterns_and_events_match_as_written() {
    let text = "[[channel]]\ntopic = \"room:*\"\njoin = \"open\"\nclient_events = [\"a\"]\nbroadcast_to = \"others\"\npresence = true\n\
                [[channel]]\ntopic = \"lobby\"\njoin = \"open\"\nclient_events = []";
    let config = Config::from_toml(Mode::Dev, text).unwrap();
    let [rooms, lobby] = config.channels.as_slice() else { panic!("two channels") };
    assert!(rooms.topic.matches("room:") && rooms.topic.matches("room:1:2") && !rooms.topic.matches("room"));
    assert!(lobby.topic.matches("lobby") && !lobby.topic.matches("lobby:1"));
    assert!(rooms.client_events.allows("a") && !rooms.client_events.allows("b"));
    assert!(!lobby.client_events.allows("a"));
    assert_eq!((rooms.broadcast_to, lobby.broadcast_to), (Recipients::Others, Recipients::All));
    assert!(rooms.presence && !lobby.presence);
}

#[test]
fn a_stop_has_time_for_its_delay() {
    let drain =
        |settings: &str| Config::from_toml(Mode::Client, &format!("[drain]\n{settings}")).map(|config| config.drain);
    assert_eq!(drain("timeout = \"8s\"").unwrap().delay, Duration::from_secs(2), "a quarter");
    assert_eq!(drain("timeout = \"0s\"").unwrap().delay, Duration::ZERO);
    assert_eq!(drain("delay = \"7s\"\ntimeout = \"8s\"").unwrap().delay, Duration::from_secs(7));
    for settings in ["delay = \"8s\"\ntimeout = \"8s\"", "delay = \"30s\""] {
        let refused = drain(settings).unwrap_err().to_string();
        assert!(refused.contains("`drain.delay` must be shorter than `drain.timeout`"), "{refused}");
    }
    for settings in ["interval = \"0s\"", "batch = 0"] {
        assert!(drain(settings).is_err(), "{settings}");
    }
}

#[test]
fn an_envelope_is_of_a_version_that_exists() {
    let envelope = |value: &str| Config::from_toml(Mode::Client, &format!("[redis]\nenvelope = {value}"));
    assert_eq!((envelope("1").unwrap().redis.envelope, envelope("2").unwrap().redis.envelope), (1, 2));
    for value in ["0", "3", "\"1\"", "-1", "257"] {
        let refused = envelope(value).unwrap_err().to_string();
        assert!(refused.contains("must be a version from 1 to 2"), "{refused}");
    }
}
