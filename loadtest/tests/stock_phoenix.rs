//! Every scenario, with its thresholds, against a server that speaks only what stock Phoenix speaks. Only counts are asserted,
//! never times: a rate that a busy machine does not reach is no fault of either side.
#![allow(clippy::unwrap_used, reason = "a broken promise in a test is a failed test")]

#[path = "support/phoenix/mod.rs"]
mod phoenix;
#[path = "support/tool.rs"]
mod tool;

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Output};

use futures_util::{SinkExt, StreamExt};
use phoenix::Phoenix;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tool::text;

/// So generous that only what was not measured fails it.
const ANY: &str = "1000000";

/// Runs a scenario; the process that is watched is this one, of which the server is a part.
fn run(server: &Phoenix, name: &str, arguments: &str) -> (Output, Value) {
    tool::run(&server.urls, std::process::id(), &format!("stock-{name}"), arguments)
}

/// All checks that failed, but for rates.
fn failures(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().into_iter().flatten();
    let failed = checks.filter(|check| check["passed"] != true && !check["name"].as_str().unwrap().ends_with("rate"));
    failed.map(|check| format!("{}: {}", check["name"], check["detail"])).collect()
}

#[track_caller]
fn holds(server: &Phoenix, name: &str, arguments: &str) -> Value {
    let (output, report) = run(server, name, arguments);
    assert!(report["figures"].is_object(), "{}", text(&output));
    assert_eq!(failures(&report), [] as [&str; 0], "{}", text(&output));
    report
}

#[test]
fn idle_and_storm() {
    let server = Phoenix::start(2, None);
    for vsn in ["1.0.0", "2.0.0"] {
        let idle = format!("idle --vsn {vsn} --connections 25 --hold 0s --max-rss-per-connection 100MiB");
        let report = holds(&server, &format!("idle-{vsn}"), &idle);
        assert_eq!(report["figures"]["join_latency"]["count"], 25);
        for load in ["--rate 500", "--in-flight 5 --with-floor --max-ratio 1000000"] {
            let storm = format!("storm --vsn {vsn} --connections 20 {load} --rounds 2 --max-cpu-per-join {ANY}");
            let report = holds(&server, &format!("storm-{vsn}"), &storm);
            assert_eq!(report["figures"]["takes"][0]["latency"]["count"], 20);
        }
    }
}

const SHORT: &str = "--duration 100ms --warmup 0s --rounds 1 --with-floor";

#[test]
fn fanout() {
    let server = Phoenix::start(2, None);
    for vsn in ["1.0.0", "2.0.0"] {
        // In place of a Redis the same process is watched once more.
        let fanout = format!(
            "fanout --vsn {vsn} --subscribers 9 --rate 100 --in-flight 4 {SHORT} --max-ratio {ANY} --max-saturated-ratio {ANY} \
             --min-coalescing-gain 0.000001 --max-cpu-per-message {ANY} --redis-pid {}",
            std::process::id()
        );
        let report = holds(&server, &format!("fanout-{vsn}"), &fanout);
        let take = &report["figures"]["takes"][0];
        assert_eq!((&take["messages"], &take["units"]), (&10.into(), &100.into()), "{take}");
        assert_eq!(report["figures"]["per_message"][1]["shares"][1]["process"], "Redis");
    }
}

#[test]
fn echo() {
    let server = Phoenix::start(2, None);
    for vsn in ["1.0.0", "2.0.0"] {
        for load in ["--rate 100", "--in-flight 2", "--in-flight 1 --via heartbeat"] {
            let echo = format!("echo --vsn {vsn} --connections 4 {load} {SHORT} --max-ratio {ANY}");
            let report = holds(&server, &format!("echo-{vsn}"), &echo);
            assert_eq!(
                (&report["figures"]["other_frames"], &report["figures"]["replies_not_ok"]),
                (&0.into(), &0.into())
            );
        }
    }
}

#[test]
fn presence_on_two_nodes_of_which_one_dies() {
    let server = Phoenix::start(2, None);
    // What a diff repeats of the state is no fault of Phoenix.
    let lists =
        format!("--join-payload {{\"user_id\":\"u{{n}}\"}} --allow-repeated-joins --settle 20ms --max-seconds {ANY}");
    for vsn in ["1.0.0", "2.0.0"] {
        let presence = format!("presence --vsn {vsn} --clients 20 --rounds 2 --max-cpu-seconds {ANY} {lists}");
        let report = holds(&server, &format!("presence-{vsn}"), &presence);
        let stretches = &report["figures"]["stretches"];
        assert_eq!((&stretches[0]["complete"], &stretches[3]["complete"]), (&20.into(), &2.into()), "{stretches}");
    }
    let topics = format!(
        "presence --clients 4 --topics 6 --topics-per-connection 3 --joins-at-once 5 {lists} --topic presence:m{{n}}"
    );
    assert_eq!(holds(&server, "presence-topics", &topics)["figures"]["stretches"][0]["wanted"], 24);

    let victim = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = victim.id();
    server.last_node_dies_with(victim);
    let killed = format!("presence --clients 10 --hold 10ms --kill-pid {pid} --max-ghost-seconds {ANY} {lists}");
    let stretches = &holds(&server, "presence-kill", &killed)["figures"]["stretches"];
    assert_eq!((&stretches[2]["what"], &stretches[2]["complete"]), (&"node killed".into(), &5.into()), "{stretches}");
}

#[test]
fn a_flood_that_the_application_refuses() {
    let server = Phoenix::start(1, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let flood = format!(
        "flood --connections 2 --rate 200 --duration 300ms --warmup 0s --rounds 1 --flood-rate 100 --max-p99-ratio {ANY}"
    );
    let report = holds(&server, "flood", &flood);
    let flood = &report["figures"]["flood"];
    assert_eq!(flood["attempts"], flood["answered"]["403"], "{flood}");
}

#[test]
fn populations() {
    let server = Phoenix::start(2, None);
    let people = "--connections 30 --connections-per-topic 5 --workers 2 --duration 1s --drain 30s --seed 5";
    let limits = format!("--max-memory-growth {ANY} --max-cpu-per-delivery {ANY}");
    for vsn in ["1.0.0", "2.0.0"] {
        let soak = format!("soak --vsn {vsn} --deliveries 500 {people} {limits}");
        let report = holds(&server, &format!("soak-{vsn}"), &soak);
        assert_eq!((&report["figures"]["sent"], &report["figures"]["deliveries"]), (&100.into(), &500.into()));
    }
    let waves = format!("reconnect --rate 50 --wave-every 200ms --wave-share 0.5 --away 50ms {people} {limits}");
    let figures = &holds(&server, "reconnect", &waves)["figures"];
    assert!(figures["gone"].as_u64() > Some(0) && figures["gone"] == figures["returned"], "{figures}");
    let day = format!("mixed --rate 50 --session 500ms --typing 50 --typing-event is_typing {people} {limits}");
    let figures = &holds(&server, "mixed", &day)["figures"];
    assert!(figures["gone"] == figures["returned"] && figures["other_frames"].as_u64() > Some(50), "{figures}");
}

#[test]
fn what_phoenix_can_not_do_is_said_in_plain_words() {
    let server = Phoenix::start(1, None);
    let waves =
        "reconnect --connections 10 --connections-per-topic 5 --rate 50 --duration 1s --wave-every 200ms --away 50ms";
    let (output, report) = run(&server, "recover", &format!("{waves} --seed 7 --recover"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told_nothing = |failure: &String| failure.contains("0 got all they missed, 0 could not");
    assert!(failures(&report).iter().any(told_nothing), "{}", text(&output));

    let (output, _) = run(&server, "unmatched", "idle --connections 1 --topic nobody:1");
    assert!(
        text(&output).contains(r#"the join of nobody:1 was refused: {"reason":"unmatched topic"}"#),
        "{}",
        text(&output)
    );
}

/// A channel of Phoenix that does not know an event crashes; without a word of the tool that would look like loss.
#[test]
fn a_channel_that_crashes_is_told() {
    let server = Phoenix::start(1, None);
    for arguments in [
        "fanout --subscribers 2 --event unheard-of",
        "fanout --subscribers 2 --in-flight 1 --event unheard-of",
        "echo --event unheard-of --connections 2",
    ] {
        let (output, _) = run(&server, "crash", arguments);
        assert_eq!(output.status.code(), Some(69), "{arguments}: {}", text(&output));
        let line = r#"with phx_error {"reason":"channel_crash"}; does its application handle the event "unheard-of"?"#;
        assert!(text(&output).contains(line), "{arguments}: {}", text(&output));
    }
    let mixed = "mixed --connections 10 --connections-per-topic 5 --rate 20 --typing 20 --duration 500ms --drain 100ms --seed 1";
    let (output, report) = run(&server, "crash-mixed", mixed);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        failures(&report).iter().any(|failure| failure.contains("channels held") && failure.contains("channel_crash")),
        "{report}"
    );
}

/// The server of these tests, held against the protocol by frames that another client writes.
#[test]
fn the_server_speaks_as_phoenix_does() {
    let server = Phoenix::start(1, None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(speak_with(&server.urls[0]));
}

async fn speak_with(url: &str) {
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("{url}?vsn=2.0.0")).await.unwrap();
    let mut told = Vec::new();
    for (said, answers) in [
        (r#"[null,"1","phoenix","heartbeat",{}]"#, 1),
        (r#"["2","2","nobody:1","phx_join",{}]"#, 1),
        (r#"["3","3","room:1","phx_join",{}]"#, 1),
        (r#"["3","4","room:1","message",{"a":1}]"#, 1),
        // Of a channel that is no more: dropped.
        (r#"["2","5","room:1","message",{"a":2}]"#, 0),
        (r#"["6","6","room:1","phx_join",{}]"#, 2),
        (r#"["6","7","room:1","phx_leave",{}]"#, 2),
        (r#"["6","8","room:1","message",{}]"#, 1),
        (r#"["9","9","presence:1","phx_join",{"user_id":"u"}]"#, 3),
        (r#"["9","10","presence:1","unheard-of",{}]"#, 1),
    ] {
        socket.send(Message::text(said)).await.unwrap();
        for _ in 0..answers {
            told.push(socket.next().await.unwrap().unwrap().into_text().unwrap().to_string());
        }
    }
    let people = r#"{"u":{"metas":[{"online_at":"1700000000","phx_ref":"F000000000000001"}]}}"#;
    let (state, diff) = (
        format!(r#"["9",null,"presence:1","presence_state",{people}]"#),
        format!(r#"[null,null,"presence:1","presence_diff",{{"joins":{people},"leaves":{{}}}}]"#),
    );
    let ok = r#"{"response":{},"status":"ok"}"#;
    let expected = [
        format!(r#"[null,"1","phoenix","phx_reply",{ok}]"#),
        r#"[null,"2","nobody:1","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]"#.to_owned(),
        format!(r#"["3","3","room:1","phx_reply",{ok}]"#),
        r#"[null,null,"room:1","message",{"a":1}]"#.to_owned(),
        format!(r#"["6","6","room:1","phx_reply",{ok}]"#),
        r#"["3","3","room:1","phx_close",{}]"#.to_owned(),
        format!(r#"["6","7","room:1","phx_reply",{ok}]"#),
        r#"["6","6","room:1","phx_close",{}]"#.to_owned(),
        r#"[null,"8","room:1","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]"#.to_owned(),
        format!(r#"["9","9","presence:1","phx_reply",{ok}]"#),
        state,
        diff,
        r#"["9","9","presence:1","phx_error",{"reason":"channel_crash"}]"#.to_owned(),
    ];
    assert_eq!(told, expected);
    socket.send(Message::text("[]")).await.unwrap();
    let Some(Ok(Message::Close(Some(close)))) = socket.next().await else { panic!("the socket goes on") };
    assert_eq!(u16::from(close.code), 1011);
    assert!(tokio_tungstenite::connect_async(format!("{url}?vsn=2.1.0")).await.is_err());
}
