//! `gateway doctor`, against servers that are not as they should be.

use serde_json::Value;

use crate::support::{Pod, RedisCluster, RedisSentinel, RedisServer, Scratch, run};

/// What it printed, finding by finding, and the exit code.
struct Report {
    code: Option<i32>,
    findings: Vec<Value>,
}

impl Report {
    async fn of(arguments: &[&str]) -> Self {
        let ended = run(&[&["doctor", "--json"], arguments].concat()).await;
        let parse = |line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{ended:?}"));
        let findings: Vec<Value> = ended.stdout.lines().map(parse).collect();
        let failed = findings.iter().any(|finding| finding["level"] == "fail");
        assert_eq!(ended.code, Some(if failed { 69 } else { 0 }), "{ended:?}");
        assert_eq!(ended.stderr.contains("failed"), failed, "{ended:?}");
        for finding in &findings {
            assert_eq!(finding["change"].is_null(), finding["level"] == "ok", "{finding}");
        }
        Self { code: ended.code, findings }
    }

    async fn of_url(url: &str) -> Self {
        Self::of(&["--redis-url", url]).await
    }

    /// The levels of a check, in order.
    fn levels(&self, check: &str) -> Vec<&str> {
        let of = self.findings.iter().filter(|finding| finding["check"] == check);
        of.map(|finding| finding["level"].as_str().unwrap()).collect()
    }

    /// What a check that stands there once found, and says to change.
    fn text(&self, check: &str) -> String {
        let of: Vec<_> = self.findings.iter().filter(|finding| finding["check"] == check).collect();
        let [finding] = of[..] else { panic!("{check}: {:?}", self.findings) };
        format!("{} -> {}", finding["found"].as_str().unwrap(), finding["change"].as_str().unwrap_or_default())
    }
}

/// Adds a user who may do so much; the URL to log in with.
fn user(redis: &RedisServer, rules: &str) -> String {
    let words: Vec<&str> = "ACL SETUSER app on >s3cret".split(' ').chain(rules.split(' ')).collect();
    assert_eq!(redis.command(&words), "+OK\r\n", "{rules}");
    format!("redis://app:s3cret@127.0.0.1:{}", redis.port())
}

/// What a server with nothing amiss takes.
const RIGHT: [&str; 2] = ["--notify-keyspace-events", "Khgx"];

#[tokio::test]
async fn a_server_as_it_should_be_is_ok_and_stays_as_it_was() {
    let redis = RedisServer::with_arguments(&RIGHT);
    let ended = run(&["doctor", "--redis-url", &redis.url()]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    // The machine's own limit is not of our making.
    let of_redis = ended.stdout.lines().filter(|line| line.contains(&redis.port().to_string()));
    let checks: Vec<_> = of_redis.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = ["ok redis", "ok version", "ok role", "ok eviction", "ok permissions", "ok events", "ok buffers"];
    assert_eq!(checks, expected);
    assert!(ended.stdout.contains(": Redis 7."), "{ended:?}");
    assert_eq!(redis.command(&["DBSIZE"]), ":0\r\n");
}

#[tokio::test]
async fn flags_are_wanted_and_never_taken_away() {
    let redis = RedisServer::with_arguments(&["--notify-keyspace-events", "E$"]);
    let report = Report::of_url(&redis.url()).await;
    assert_eq!(report.levels("events"), ["warn"]);
    assert!(report.text("events").contains("CONFIG SET notify-keyspace-events $EKhgx, "), "{}", report.text("events"));
    assert!(redis.command(&["CONFIG", "GET", "notify-keyspace-events"]).contains("$E\r\n"), "it changes nothing");
    // As it says.
    redis.command(&["CONFIG", "SET", "notify-keyspace-events", "$EKhgx"]);
    assert_eq!(Report::of_url(&redis.url()).await.levels("events"), ["ok"]);
}

#[tokio::test]
async fn where_config_is_forbidden_only_what_is_reported_counts() {
    let renamed = RedisServer::with_arguments(&["--rename-command", "CONFIG", ""]);
    let restricted = RedisServer::with_arguments(&RIGHT);
    let url = user(&restricted, "~* &* +@all -config");
    for (url, events) in [(renamed.url(), "fail"), (url, "ok")] {
        let report = Report::of_url(&url).await;
        assert_eq!(report.levels("events"), [events]);
        assert!(report.text("events").contains("cannot be read"), "{}", report.text("events"));
        assert_eq!(report.levels("buffers"), ["warn"]);
        assert_eq!(report.levels("permissions"), ["ok"], "pods can do without CONFIG");
    }
}

#[tokio::test]
async fn an_acl_that_is_too_narrow_is_found_and_the_one_that_it_names_is_enough() {
    let redis = RedisServer::with_arguments(&RIGHT);
    let url = user(&redis, "~other:* &other:* +@connection +@transaction +info +get +config|get");
    let report = Report::of_url(&url).await;
    assert_eq!(report.levels("permissions"), ["fail"]);
    assert_eq!(report.levels("events"), ["fail"]);
    // What it says to change leads to a clean bill, without a word on what is not needed.
    for _ in 0..3 {
        let report = Report::of_url(&url).await;
        if report.levels("permissions") == ["ok"] {
            break;
        }
        let text = report.text("permissions");
        let rules = text.split_once("ACL SETUSER ").unwrap().1;
        let words: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(rules.split(' ')).collect();
        assert_eq!(redis.command(&words), "+OK\r\n", "{rules}");
    }
    let report = Report::of_url(&url).await;
    assert_eq!((report.code, report.levels("permissions"), report.levels("events")), (Some(0), vec!["ok"], vec!["ok"]));
    // A pod can live with it, too.
    let pod = Pod::start(&["dev", "--redis-url", &url], &[]).await;
    pod.until_readyz(200).await;
    let mut member = pod.connect().await;
    member.join("1", "room:1").await;
    pod.until_metric("gateway_presence_convergence_seconds_count", "", |count| count == 1.0).await;
}

#[tokio::test]
async fn what_cannot_be_rehearsed_is_said_to_be_unknown() {
    let redis = RedisServer::with_arguments(&RIGHT);
    let report = Report::of_url(&user(&redis, "~* &* +@all -multi")).await;
    assert_eq!(report.levels("permissions"), ["warn"]);
    assert!(report.text("permissions").contains("ACL SETUSER app +multi"));
}

#[tokio::test]
async fn small_buffers_and_eviction_are_told() {
    for (limit, level) in [("pubsub 64kb 64kb 60", "fail"), ("pubsub 32mb 1mb 60", "warn"), ("pubsub 0 0 0", "ok")] {
        let arguments = ["--client-output-buffer-limit", limit, "--maxmemory", "100mb"];
        let redis = RedisServer::with_arguments(&[&arguments[..], &["--maxmemory-policy", "allkeys-lru"]].concat());
        let report = Report::of_url(&redis.url()).await;
        assert_eq!(report.levels("buffers"), [level], "{limit}");
        assert_eq!(report.levels("eviction"), ["warn"]);
        assert!(report.text("eviction").contains("CONFIG SET maxmemory-policy noeviction"));
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_refuses_the_login_is_69() {
    let mut redis = RedisServer::with_arguments(&["--requirepass", "s3cret"]);
    for url in [redis.url(), format!("redis://:wr0ng@127.0.0.1:{}", redis.port())] {
        let report = Report::of_url(&url).await;
        assert_eq!((report.code, report.levels("redis")), (Some(69), vec!["fail"]));
        assert!(!report.text("redis").contains("wr0ng"));
    }
    redis.crash();
    let report = Report::of_url(&redis.url()).await;
    assert_eq!((report.code, report.levels("redis")), (Some(69), vec!["fail"]));
    assert!(report.text("redis").contains("redis.url"));
}

#[tokio::test]
async fn a_replica_is_no_place_to_write() {
    let sentinel = RedisSentinel::start();
    let report = Report::of_url(&sentinel.replica.url()).await;
    assert_eq!((report.code, report.levels("role")), (Some(69), vec!["fail"]));
    assert!(report.text("role").contains(&sentinel.primary.port().to_string()));
}

#[tokio::test]
async fn the_primary_of_sentinel_is_looked_at() {
    let sentinel = RedisSentinel::start();
    let report = Report::of_url(&sentinel.url()).await;
    assert_eq!((report.code, report.levels("topology")), (Some(0), vec!["warn"]), "one Sentinel is not enough");
    assert_eq!((report.levels("role"), report.levels("failover")), (vec!["ok"], vec!["ok"]));
    let other = sentinel.url().replace("=main", "=other");
    assert_eq!(Report::of_url(&other).await.levels("redis"), ["fail", "fail"]);
}

#[tokio::test]
async fn each_primary_of_a_cluster_is_looked_at() {
    let mut cluster = RedisCluster::start();
    cluster.servers[1].command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 1mb 60"]);
    let report = Report::of_url(&cluster.url()).await;
    assert_eq!(report.code, Some(0));
    assert_eq!(report.levels("topology"), ["warn"; 3], "nobody could take over");
    let mut buffers = report.levels("buffers");
    buffers.sort_unstable();
    assert_eq!(buffers, ["ok", "ok", "warn"]);
    for check in ["version", "role", "permissions", "failover"] {
        assert_eq!(report.levels(check), ["ok"; 3], "{check}");
    }
    assert_eq!(report.levels("events"), ["warn"; 3]);
    // A URL that does not say what is there.
    let plain = Report::of_url(&cluster.servers[0].url()).await;
    assert_eq!((plain.code, plain.levels("role")), (Some(69), vec!["fail"]));
    assert!(plain.text("role").contains("redis-cluster://"));
    // One that is away does not hide the others.
    cluster.servers[0].crash();
    let report = Report::of_url(&cluster.url()).await;
    assert_eq!((report.code, report.levels("version")), (Some(69), vec!["ok"; 2]));
    assert!(report.levels("redis").contains(&"fail"));
}

#[tokio::test]
async fn a_short_lease_is_told_and_a_wrong_file_is_78() {
    let cluster = RedisCluster::start();
    let scratch = Scratch::new();
    let settings = format!("[redis]\nurl = \"{}\"\n[presence]\nheartbeat = \"1s\"\nlease = \"2s\"\n", cluster.url());
    let config = scratch.file("gateway.toml", &Pod::config(&settings));
    let report = Report::of(&["--config", &config]).await;
    assert_eq!((report.code, report.levels("failover")), (Some(0), vec!["warn"; 3]));
    assert_eq!(report.levels("config"), ["warn"], "it takes every origin");
    let wrong = scratch.file("wrong.toml", &Pod::config("[presence]\nheartbeat = \"5s\"\nlease = \"6s\"\n"));
    let ended = run(&["doctor", "--config", &wrong]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
    assert!(ended.stderr.contains("presence.lease"), "{ended:?}");
}

#[tokio::test]
async fn without_redis_only_this_machine_is_looked_at() {
    let report = Report::of(&[]).await;
    assert_eq!((report.code, report.levels("redis"), report.levels("config")), (Some(0), vec!["ok"], vec!["ok"]));
    assert_eq!(report.levels("descriptors").len(), 1);
}
