use std::path::Path;

use crate::support::{KEY, Pod, RedisServer, Scratch, run, run_with, until};

#[tokio::test]
async fn the_first_line_says_where_it_listens_in_every_log_format() {
    for format in ["text", "json"] {
        let pod = Pod::start(&["dev"], &[("GATEWAY_LOG__FORMAT", format)]).await;
        assert_eq!(pod.line, format!("listening public={} internal={}", pod.public, pod.internal));
        assert_eq!(pod.get("/livez").await.status, 200);
        pod.connect().await.close().await;
        pod.process.signal("-TERM");
        let public = pod.public;
        let ended = pod.process.ended().await;
        assert_eq!(ended.code, Some(0));
        assert_eq!(ended.stdout, format!("open http://{public}/ in a browser\n"), "nothing else on standard output");
        let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|event| event.is_object());
        assert!(!ended.stderr.is_empty(), "the log is on standard error");
        assert!(ended.stderr.lines().all(|line| json(line) == (format == "json")), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn serve_prints_nothing_but_the_line() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &[]).await;
    let mut client = pod.connect().await;
    client.join("1", "room:1").await;
    pod.process.signal("-TERM");
    assert_eq!(client.closed().await, Some(1012));
    let ended = pod.process.ended().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn both_signals_end_it_cleanly_even_right_after_the_line() {
    for signal in ["-TERM", "-INT"] {
        let pod = Pod::dev().await;
        pod.process.signal(signal);
        let ended = pod.process.ended().await;
        assert_eq!(ended.code, Some(0), "{signal}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn the_ready_file_has_the_line_while_it_is_ready() {
    let scratch = Scratch::new();
    let file = scratch.path("ready");
    // Nothing is ready before Redis is there.
    let mut redis = RedisServer::start();
    redis.crash();
    let arguments = ["dev", "--redis-url", &redis.url(), "--ready-file", file.to_str().unwrap()];
    let pod = Pod::start(&arguments, &[]).await;
    assert_eq!(pod.get("/readyz").await.status, 503);
    assert!(!file.exists());
    redis.resume();
    until(async || file.exists()).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", pod.line));
    assert_eq!(pod.get("/readyz").await.status, 200);
    pod.process.signal("-TERM");
    assert_eq!(pod.process.ended().await.code, Some(0));
    assert!(!file.exists());
}

#[tokio::test]
async fn wrong_usage_is_64() {
    for arguments in
        [&[][..], &["serv"], &["dev", "--no-such-flag"], &["serve", "--listen", "nowhere"], &["publish", "t"]]
    {
        let ended = run(arguments).await;
        assert_eq!(ended.code, Some(64), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stdout, "");
        assert!(!ended.stderr.is_empty());
    }
    for flag in ["--help", "--version"] {
        let ended = run(&[flag]).await;
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("gateway") && ended.stderr.is_empty(), "{ended:?}");
    }
}

#[tokio::test]
async fn a_bad_configuration_is_78_and_says_what_to_change() {
    let scratch = Scratch::new();
    let ended = run(&["serve"]).await;
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("--config"), "{ended:?}");
    let cases = [
        ("unknown", "[socket]\nidle_timeoutt = \"1s\"\n", "did you mean `socket.idle_timeout`"),
        ("section", "[sockett]\npath = \"/x\"\n", "did you mean `socket"),
        ("value", "[socket]\nidle_timeout = \"soon\"\n", "idle_timeout"),
        ("syntax", "[socket\n", "not valid TOML"),
        ("url", "[redis]\nurl = \"http://127.0.0.1\"\n", "redis.url"),
    ];
    for (name, text, hint) in cases {
        let file = scratch.file(name, text);
        for command in ["serve", "check", "dev"] {
            let ended = run(&[command, "--config", &file]).await;
            assert_eq!(ended.code, Some(78), "{name}: {ended:?}");
            assert_eq!(ended.stdout, "");
            assert!(ended.stderr.contains(hint), "{name}: {ended:?}");
        }
    }
    let ended = run_with(&["dev"], &[("GATEWAY_SOCKET__IDLE_TIMEOUTT", "1s")]).await;
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("did you mean `GATEWAY_SOCKET__IDLE_TIMEOUT`"), "{ended:?}");
}

#[tokio::test]
async fn an_address_in_use_is_69() {
    let pod = Pod::dev().await;
    let ended = run(&["dev", "--listen", &pod.public.to_string(), "--internal-listen", "127.0.0.1:0"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(69), ""));
    assert!(ended.stderr.contains(&pod.public.to_string()), "{ended:?}");
}

#[tokio::test]
async fn redis_not_there_or_not_open_at_start_is_69() {
    let mut away = RedisServer::start();
    away.crash();
    let closed = RedisServer::with_arguments(&["--requirepass", "hunter2"]);
    let wrong = format!("redis://:wr0ng@127.0.0.1:{}", closed.port());
    let start = async |url: &str| Pod::start(&["dev", "--redis-url", url], &[]).await.process.ended().await;
    let url = away.url();
    let (away, closed) = tokio::join!(start(&url), start(&wrong));
    for ended in [away, closed] {
        assert_eq!(ended.code, Some(69));
        assert!(ended.stderr.contains("redis.url"), "{ended:?}");
        assert!(!ended.stderr.contains("wr0ng"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_signal_while_it_waits_for_redis_is_a_clean_end() {
    let mut redis = RedisServer::start();
    redis.crash();
    let pod = Pod::start(&["dev", "--redis-url", &redis.url()], &[]).await;
    pod.process.signal("-TERM");
    assert_eq!(pod.process.ended().await.code, Some(0));
}

#[tokio::test]
async fn check_prints_settings_that_load_again_without_secrets() {
    let scratch = Scratch::new();
    let redis = "[redis]\nurl = \"redis://user:hunter2@127.0.0.1:1\"\n";
    let file = scratch.file("gateway.toml", &Pod::config(redis));
    let first = run(&["check", "--config", &file]).await;
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    assert!(!first.stdout.contains("hunter2") && !first.stdout.contains(KEY), "{}", first.stdout);
    assert!(first.stdout.contains("[redis]") && first.stdout.contains("topic = \"*\""), "{}", first.stdout);
    // The secrets put back, it is a file with the same settings.
    let put_back = first.stdout.lines().map(|line| match line.split_once(" = ") {
        Some(("url", _)) => "url = \"redis://user:hunter2@127.0.0.1:1\"".to_owned(),
        Some(("keys", _)) => format!("keys = [\"{KEY}\"]"),
        _ => line.to_owned(),
    });
    let again = scratch.file("again.toml", &put_back.collect::<Vec<_>>().join("\n"));
    let second = run(&["check", "--config", &again]).await;
    assert_eq!((second.code, second.stdout), (Some(0), first.stdout), "{}", second.stderr);
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_which_wins_over_the_file() {
    let scratch = Scratch::new();
    let text =
        Pod::config("idle_timeout = \"11s\"\n[drain]\ntimeout = \"12s\"\n[listen]\npublic = \"127.0.0.1:1111\"\n");
    let file = scratch.file("gateway.toml", &text);
    let environment =
        [("GATEWAY_DRAIN__TIMEOUT", "22s"), ("GATEWAY_LISTEN__PUBLIC", "127.0.0.1:2222"), ("GATEWAY_PORT", "tcp://1")];
    let only_file = run(&["check", "--config", &file]).await.stdout;
    assert!(only_file.contains("timeout = \"12s\"") && only_file.contains("127.0.0.1:1111"), "{only_file}");
    let with_environment = run_with(&["check", "--config", &file], &environment).await.stdout;
    assert!(with_environment.contains("idle_timeout = \"11s\""), "{with_environment}");
    assert!(with_environment.contains("timeout = \"22s\"") && with_environment.contains("127.0.0.1:2222"));
    let flags = ["check", "--config", &file, "--listen", "127.0.0.1:3333"];
    let with_flag = run_with(&flags, &environment).await.stdout;
    assert!(with_flag.contains("127.0.0.1:3333") && with_flag.contains("timeout = \"22s\""), "{with_flag}");
}

#[tokio::test]
async fn secrets_stay_out_of_the_log() {
    let redis = RedisServer::with_arguments(&["--requirepass", "hunter2"]);
    let scratch = Scratch::new();
    let settings =
        format!("[log]\nlevel = \"trace\"\n[redis]\nurl = \"redis://:hunter2@127.0.0.1:{}\"\n", redis.port());
    let pod = Pod::serve(&scratch, &settings, &[]).await;
    pod.until_readyz(200).await;
    let mut client = pod.connect_with("vsn=2.0.0&token=s3cr3t-token").await;
    client.join("1", "room:1").await;
    pod.broadcast("room:1", "e", &serde_json::json!({ "body": "s3cr3t-payload" })).await;
    client.next().await;
    pod.process.signal("-TERM");
    let ended = pod.process.ended().await;
    assert_eq!(ended.code, Some(0));
    for secret in [KEY, "hunter2", "s3cr3t-token", "s3cr3t-payload"] {
        let line = ended.stderr.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[tokio::test]
async fn secrets_come_from_files_and_variables() {
    let redis = RedisServer::with_arguments(&["--requirepass", "hunter2"]);
    let scratch = Scratch::new();
    let url = scratch.file("url", &format!("redis://:hunter2@127.0.0.1:{}\n", redis.port()));
    assert!(Path::new(&url).is_absolute());
    let pod = Pod::start(&["dev", "--redis-url", &format!("file:{url}")], &[]).await;
    pod.until_readyz(200).await;
    let variable = [("WHERE", format!("redis://:hunter2@127.0.0.1:{}", redis.port()))];
    let variable = variable.each_ref().map(|(name, value)| (*name, value.as_str()));
    let pod = Pod::start(&["dev", "--redis-url", "env:WHERE"], &variable).await;
    pod.until_readyz(200).await;
}
