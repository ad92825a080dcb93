//! The built program against its own floor: nothing in it needs any other server. Only counts are asserted, never times.
#![allow(clippy::unwrap_used, reason = "a broken promise in a test is a failed test")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output};

use support::{Floor, text};

#[test]
fn idle_counts_connections_and_topics_and_names_a_broken_limit() {
    let floor = Floor::start(&[]);
    let (output, report) = floor.run("idle", "idle --connections 25 --hold 0s");
    assert!(output.status.success(), "{}", text(&output));
    let figures = &report["figures"];
    assert_eq!((figures["connections"].as_u64(), figures["topics"].as_u64()), (Some(25), Some(3)));
    assert_eq!((figures["lost_connections"].as_u64(), figures["join_latency"]["count"].as_u64()), (Some(0), Some(25)));
    assert!(figures["rss_before_bytes"].as_u64() > Some(0), "{figures}");

    // An RSS may even shrink over 5 connections, so the limit is checked where the answer does not depend on it: no pid.
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args("idle --connections 5 --hold 0s --quiet --max-rss-per-connection 3KiB --url".split(' '));
    let output = command.arg(&floor.url).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("FAILED max-rss-per-connection (bytes): not measured"), "{}", text(&output));
}

#[test]
fn fanout_counts_every_delivery_in_both_versions_and_on_both_floors() {
    for coalesce in [&[][..], &["--coalesce"]] {
        let floor = Floor::start(coalesce);
        for vsn in ["1.0.0", "2.0.0"] {
            let arguments =
                format!("fanout --vsn {vsn} --subscribers 10 --rate 100 --duration 100ms --warmup 0s --rounds 1");
            let (output, report) = floor.run(&format!("fanout-{vsn}-{}", coalesce.len()), &arguments);
            assert!(!text(&output).contains("FAILED deliveries"), "{}", text(&output));
            let take = &report["figures"]["takes"][0];
            // 10 messages to 10 subscribers and to the publisher itself.
            assert_eq!((take["messages"].as_u64(), take["latency"]["count"].as_u64()), (Some(10), Some(100)), "{take}");
            assert_eq!(report["figures"]["integrity"]["lost"], 0);
        }
    }
}

#[test]
fn a_closed_loop_runs_beside_the_floor_in_turn() {
    let floor = Floor::start(&[]);
    let (output, report) = floor.run(
        "both",
        "fanout --subscribers 10 --rate 100 --in-flight 4 --duration 100ms --warmup 10ms --rounds 2 --with-floor --max-ratio 1000",
    );
    let takes = report["figures"]["takes"].as_array().unwrap_or_else(|| panic!("{}", text(&output)));
    let kinds: Vec<_> =
        takes.iter().map(|take| (take["target"].as_str().unwrap(), take["load"].as_str().unwrap())).collect();
    let round = [("server", "paced"), ("floor", "paced"), ("server", "saturated"), ("floor", "saturated")];
    assert_eq!(kinds, [round, round].concat());
    assert!(takes.iter().all(|take| take["units"].as_u64() > Some(0) && take["unfinished"] == 0), "{takes:?}");
    assert!(report["figures"]["coalescing_gain"].is_f64() && report["figures"]["paced_ratio"]["median"].is_f64());
    assert!(report["checks"].as_array().unwrap().iter().any(|check| check["name"] == "max-ratio"));
}

#[test]
fn echo_matches_every_reply() {
    let floor = Floor::start(&[]);
    for (name, load) in
        [("open", "--rate 1000"), ("closed", "--in-flight 2"), ("heartbeat", "--in-flight 1 --via heartbeat")]
    {
        let arguments = format!("echo --connections 5 {load} --duration 50ms --warmup 0s --rounds 1");
        let (output, report) = floor.run(&format!("echo-{name}"), &arguments);
        let take = &report["figures"]["takes"][0];
        assert!(take["units"].as_u64() > Some(0), "{}", text(&output));
        assert_eq!(take["latency"]["count"], take["messages"]);
        assert_eq!((&report["figures"]["other_frames"], &take["unfinished"]), (&0.into(), &0.into()));
    }
    // Another event is also broadcast, to the one socket of its topic.
    let (output, report) = floor.run(
        "echo-broadcast",
        "echo --connections 2 --in-flight 1 --event shout --duration 20ms --warmup 0s --rounds 1",
    );
    assert!(report["figures"]["other_frames"].as_u64() > Some(0), "{}", text(&output));
}

#[test]
fn a_storm_joins_all_at_a_rate_or_beside_the_floor() {
    let floor = Floor::start(&[]);
    let (output, report) = floor.run("storm", "storm --connections 20 --rate 1000");
    assert_eq!(report["figures"]["takes"][0]["latency"]["count"], 20, "{}", text(&output));

    let (output, report) = floor.run("storm-floor", "storm --connections 20 --in-flight 5 --rounds 2 --with-floor");
    assert!(output.status.success(), "{}", text(&output));
    let takes = report["figures"]["takes"].as_array().unwrap();
    let kinds: Vec<_> = takes.iter().map(|take| take["target"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["server", "floor", "server", "floor"]);
    assert!(takes.iter().all(|take| take["units"] == 20), "{takes:?}");
    assert!(report["figures"]["ratio_to_floor"]["median"].is_f64(), "{}", text(&output));
}

#[test]
fn everybody_sees_everybody_in_both_versions() {
    let floor = Floor::start(&["--presence"]);
    for vsn in ["1.0.0", "2.0.0"] {
        let arguments = format!(r#"presence --vsn {vsn} --clients 20 --rounds 2 --settle 20ms --topic a{vsn}"#);
        let (output, report) = floor.run(&format!("presence-{vsn}"), &arguments);
        assert!(output.status.success(), "{}", text(&output));
        let stretches = report["figures"]["stretches"].as_array().unwrap();
        let kinds: Vec<_> = stretches.iter().map(|stretch| stretch["what"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["join", "leave", "join", "leave"]);
        assert_eq!((&stretches[0]["states"], &stretches[0]["complete"]), (&20.into(), &20.into()));
        assert_eq!((&stretches[1]["wanted"], &stretches[1]["complete"]), (&1.into(), &1.into()));
        let faults = &report["figures"]["faults"];
        assert!(["stray_leaves", "repeated_joins", "reused_refs"].iter().all(|fault| faults[fault] == 0), "{faults}");
    }
}

#[test]
fn a_connection_joins_many_topics_and_a_server_that_tells_nobody_is_found_out() {
    let floor = Floor::start(&["--presence"]);
    let many = "presence --clients 3 --topics 4 --topics-per-connection 2 --joins-at-once 2 --hold 10ms --settle 20ms";
    let (output, report) = floor.run("presence-many", many);
    assert!(output.status.success(), "{}", text(&output));
    let stretches = &report["figures"]["stretches"];
    assert_eq!((&stretches[0]["states"], &stretches[0]["wanted"]), (&12.into(), &12.into()));
    assert_eq!((&stretches[1]["what"], &stretches[2]["wanted"]), (&"hold".into(), &4.into()));

    let silent = Floor::start(&[]);
    let (output, _) = silent.run("presence-silent", "presence --clients 3 --patience 100ms --settle 0s");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("FAILED everybody sees everybody: round 1: 0 of 3"), "{}", text(&output));
    let (output, _) = silent.run("presence-without", "presence --clients 3 --without-presence --settle 0s");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_flood_is_counted_and_one_that_is_let_in_fails_the_run() {
    let floor = Floor::start(&[]);
    let arguments = "flood --connections 2 --rate 200 --duration 300ms --warmup 0s --rounds 1 --flood-rate 100";
    let (output, report) = floor.run("flood", arguments);
    let (figures, text) = (&report["figures"], text(&output));
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAILED flood refused: 0.0 %"), "{text}");
    assert_eq!(figures["flood"]["attempts"], figures["flood"]["answered"]["101"], "{figures}");
    assert!(figures["flood"]["attempts"].as_u64() > Some(0), "{figures}");
    for takes in ["quiet", "flooded"] {
        assert_eq!(figures[takes][0]["latency"]["count"], figures[takes][0]["messages"], "{figures}");
    }
    assert!(figures["p99_ratio"]["median"].is_f64(), "{figures}");
}

#[test]
fn a_flood_stays_on_this_machine() {
    for arguments in [
        &["flood", "--url", "ws://192.0.2.1:4000/socket/websocket"][..],
        &["flood", "--flood-source", "192.0.2.1"],
        &["flood", "--flood-source", "127.0.0.2"],
        &["flood", "--flood-rate", "1000000"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_loadtest")).args(arguments).arg("--quiet").output().unwrap();
        // Wrong usage is found by the tool (64) or by its command line (64 as well).
        assert_eq!(output.status.code(), Some(64), "{arguments:?} {}", text(&output));
    }
}

#[test]
fn two_results_are_compared_and_a_result_is_shown_as_a_page() {
    let floor = Floor::start(&[]);
    let file = |name: &str| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let (page, [before, after]) = (file("page.html"), [file("before.json"), file("after.json")]);
    for json in [&before, &after] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
        let arguments = "fanout --subscribers 5 --rate 10 --duration 1s --warmup 0s --rounds 1 --quiet --url";
        command.args(arguments.split(' ')).arg(&floor.url).arg("--json").arg(json).arg("--html").arg(&page);
        let output = command.output().unwrap();
        // A busy machine may not reach the rate, which is a failed check, and no matter here.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output));
    }
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("What had to hold") && html.contains("<polyline") && html.contains("Latency of a delivery"));

    let compare = |before: &PathBuf, after: &PathBuf| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
        command.arg("--compare").args([before, after]).output().unwrap()
    };
    let output = compare(&before, &after);
    assert!(output.status.success(), "{}", text(&output));
    let table = text(&output);
    let line = table.lines().find(|line| line.starts_with("takes.0.messages")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["takes.0.messages", "10", "10", "="], "{table}");
    assert!(!table.contains("note:"), "the same was asked on the same machine: {table}");

    let output = compare(&before, &page);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(text(&output).contains("is no result of loadtest"), "{}", text(&output));
}

/// Runs `idle` with one connection against `address`.
fn idle_at(address: SocketAddr) -> Output {
    let url = format!("ws://{address}/socket/websocket");
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(["idle", "--connections", "1", "--quiet", "--url", &url]).output().unwrap()
}

/// Answers one connection with canned bytes, one after each thing it reads, then closes it.
fn canned(answers: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for answer in answers {
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(answer).unwrap();
        }
    });
    address
}

const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: sZxrlnNZmI/oThfmRrWWB8jbG78=\r\n\r\n";

#[test]
fn a_server_that_is_not_there_is_an_error_in_plain_words() {
    // Bound, so that no other test gets the port, but not listening.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let output = idle_at(socket.local_addr().unwrap().as_socket().unwrap());
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output).contains("nothing listens at 127.0.0.1:"), "{}", text(&output));
}

#[test]
fn a_server_that_refuses_is_quoted() {
    let output = idle_at(canned(&[b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"]));
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output).contains("it answered \"403 Forbidden\""), "{}", text(&output));

    const REFUSAL: &[u8] =
        b"\x81\x4c[\"1\",\"1\",\"room:0\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":\"no\"}}]";
    assert_eq!(REFUSAL.len(), 2 + 0x4c);
    let output = idle_at(canned(&[UPGRADED, REFUSAL]));
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output).contains(r#"the join of room:0 was refused: {"reason":"no"}"#), "{}", text(&output));

    let output = idle_at(canned(&[UPGRADED, b"\x88\x06\x03\xf5full"]));
    assert!(text(&output).contains("closed the connection with code 1013 (full)"), "{}", text(&output));
}

#[test]
fn a_wrong_pid_and_a_wrong_url_are_named() {
    let run = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_loadtest")).args(arguments).output().unwrap();
    let output = run(&["fanout", "--url", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output).contains("must look like ws://"), "{}", text(&output));
    let output = run(&["storm", "--pid", "4294967295", "--quiet"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output).contains("process 4294967295 can't be watched"), "{}", text(&output));
}
