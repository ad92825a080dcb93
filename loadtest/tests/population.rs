//! Populations on the tool's own floor, in processes of their own. Only counts are asserted, never times.
#![allow(clippy::unwrap_used, reason = "a broken promise in a test is a failed test")]

mod support;

use std::process::Command;

use support::{Floor, text};

#[test]
fn workers_hold_their_part_and_every_delivery_is_checked() {
    let floor = Floor::start(&[]);
    for vsn in ["1.0.0", "2.0.0"] {
        let arguments = format!(
            "soak --vsn {vsn} --connections 30 --connections-per-topic 5 --workers 2 --deliveries 1000 --duration 1s"
        );
        let (output, report) = floor.run(&format!("soak-{vsn}"), &arguments);
        assert!(output.status.success(), "{}", text(&output));
        let figures = &report["figures"];
        // 200 messages a second to 5 members each, the publisher among them.
        assert_eq!((&figures["sent"], &figures["deliveries"]), (&200.into(), &1000.into()), "{figures}");
        assert_eq!((&figures["topics"], &figures["delivery_latency"]["count"]), (&6.into(), &800.into()), "{figures}");
        assert_eq!(figures["join_latency"]["count"], 30, "{figures}");
    }
}

#[test]
fn those_who_are_cut_come_back_and_a_server_that_cannot_recover_is_found_out() {
    let floor = Floor::start(&[]);
    let waves = "reconnect --connections 20 --connections-per-topic 10 --rate 100 --duration 1s --wave-every 200ms \
                 --wave-share 0.5 --away 50ms --seed 7";
    let (output, report) = floor.run("waves", waves);
    assert!(output.status.success(), "{}", text(&output));
    let figures = &report["figures"];
    assert!(figures["gone"].as_u64() > Some(10) && figures["gone"] == figures["returned"], "{figures}");

    let (output, report) = floor.run("waves-recover", &format!("{waves} --recover"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("FAILED recovery: 0 got all they missed, 0 could not"), "{}", text(&output));
    assert!(report["figures"]["unanswered_recoveries"].as_u64() > Some(0));
}

#[test]
fn a_day_has_members_who_come_and_go() {
    let floor = Floor::start(&[]);
    let arguments = "mixed --connections 40 --workers 2 --rate 100 --duration 1s --session 500ms --typing 50 --seed 3";
    let (output, report) = floor.run("mixed", arguments);
    assert!(output.status.success(), "{}", text(&output));
    let figures = &report["figures"];
    assert!(figures["gone"].as_u64() > Some(10) && figures["gone"] == figures["returned"], "{figures}");
    assert!(figures["other_frames"].as_u64() > Some(50), "typing is heard, and not counted as a message: {figures}");
}

#[test]
fn a_server_that_goes_away_is_told_in_plain_words() {
    let mut floor = Floor::start(&[]);
    floor.child.kill().unwrap();
    floor.child.wait().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(["soak", "--connections", "4", "--quiet", "--url", &floor.url]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output).contains("worker 0: nothing listens at 127.0.0.1:"), "{}", text(&output));
}
