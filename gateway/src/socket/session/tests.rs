use std::future::{Future, ready};

use bytes::Bytes;

use super::*;
use crate::channel::{Channel, JoinContext, JoinResult};
use crate::wire::{Encoding, Opcode, Outgoing, Vsn};

struct Anything;

impl Channel for Anything {
    fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> impl Future<Output = JoinResult> + Send {
        ready(Ok(Payload::empty()))
    }
}

/// A socket with channels on `room:*`: frames and events go in, effects in words come out.
struct Socket {
    session: Session,
    router: Router,
}

impl Socket {
    fn new() -> Self {
        Self::with_room_for(100)
    }

    fn with_room_for(max_channels: usize) -> Self {
        let router = Router::new().channel("room:*", || Anything).unwrap();
        Self { session: Session::new(max_channels), router }
    }

    /// A socket that has joined `room:1` with join reference 1, as channel 0.
    fn joined() -> Self {
        let mut socket = Self::new();
        socket.on(r#"["1","1","room:1","phx_join",{}]"#);
        socket.join_done(0);
        socket
    }

    fn on(&mut self, frame: &str) -> Vec<String> {
        let message = Vsn::V2.decode(Opcode::Text, &Bytes::copy_from_slice(frame.as_bytes())).unwrap();
        let mut effects = Vec::new();
        self.session.on_message(message, &self.router, &mut effects);
        effects.into_iter().map(in_words).collect()
    }

    fn join_done(&mut self, key: u32) -> Vec<String> {
        self.event(Event::JoinCallbackDone(ChannelKey(key)))
    }

    fn ended(&mut self, key: u32) -> Vec<String> {
        self.event(Event::Ended(ChannelKey(key)))
    }

    fn event(&mut self, event: Event) -> Vec<String> {
        let mut effects = Vec::new();
        self.session.on_events([event], &self.router, &mut effects);
        effects.into_iter().map(in_words).collect()
    }
}

fn in_words(effect: Effect) -> String {
    match effect {
        Effect::Reply { join_ref, reference, topic, error } => {
            let response = error.map_or_else(Payload::empty, Reason::payload);
            frame(&join_ref, &reference, &topic, if error.is_some() { "error" } else { "ok" }, &response)
        }
        Effect::RefuseJoin { join_ref, reference, topic, reason } => {
            frame(&join_ref, &reference, &topic, "error", &reason.payload())
        }
        Effect::Limited { join_ref, reference, topic } => {
            frame(&join_ref, &reference, &topic, "error", &Reason::RateLimited.payload())
        }
        Effect::Join(JoinRequest { seat, replaces, .. }) => match replaces {
            None => format!("{} joins {}", seat.key.0, seat.topic),
            Some(old) => format!("{} joins {} after {}", seat.key.0, seat.topic, name(old.join_ref())),
        },
        Effect::Message { key, event, reference, .. } => format!("{} gets {event} {}", key.0, name(&reference)),
        Effect::Leave { key, reference } => format!("{} leaves {}", key.0, name(&reference)),
        Effect::Replace(key) => format!("{} is replaced", key.0),
    }
}

fn frame(join_ref: &Ref, reference: &Ref, topic: &Name, status: &str, response: &Payload) -> String {
    let mut out = Vec::new();
    Encoding::from(Vsn::V2).encode(Outgoing::Reply { join_ref, reference, topic, status, response }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn name(reference: &Ref) -> &str {
    match reference {
        Ref::Null => "null",
        Ref::Text(text) | Ref::Json(text) => text,
    }
}

fn unmatched(reference: &str, topic: &str) -> String {
    let response = r#"{"status":"error","response":{"reason":"unmatched topic"}}"#;
    format!(r#"[null,"{reference}","{topic}","phx_reply",{response}]"#)
}

#[test]
fn a_join_becomes_a_channel() {
    let mut socket = Socket::new();
    assert_eq!(socket.on(r#"["11","1","room:1","phx_join",{}]"#), ["0 joins room:1"]);
    assert!(socket.join_done(0).is_empty());
    assert_eq!(socket.on(r#"["11","2","room:1","event",{}]"#), ["0 gets event 2"]);
}

#[test]
fn a_topic_without_a_route_is_unmatched() {
    let mut socket = Socket::new();
    assert_eq!(socket.on(r#"["11","1","unrouted","phx_join",{}]"#), [unmatched("1", "unrouted")]);
    assert_eq!(socket.on(r#"["11","2","room:1","event",{}]"#), [unmatched("2", "room:1")]);
    let response = r#"{"status":"error","response":{"reason":"unmatched topic"}}"#;
    let reply = format!(r#"[null,"3",{{"no":"string"}},"phx_reply",{response}]"#);
    assert_eq!(socket.on(r#"["11","3",{"no":"string"},"phx_join",{}]"#), [reply]);
}

#[test]
fn messages_wait_for_a_join_and_then_come_in_order_up_to_the_next_join() {
    let mut socket = Socket::joined();
    socket.on(r#"["2","2","room:2","phx_join",{}]"#);
    for frame in [
        r#"["1","3","room:1","a",{}]"#,
        r#"["2","4","room:2","b",{}]"#,
        r#"["5","5","room:5","phx_join",{}]"#,
        r#"["1","6","room:1","c",{}]"#,
    ] {
        assert!(socket.on(frame).is_empty(), "{frame}");
    }
    assert_eq!(socket.join_done(2), Vec::<String>::new(), "the end of another join changes nothing");
    assert_eq!(socket.join_done(1), ["0 gets a 3", "1 gets b 4", "2 joins room:5"]);
    assert_eq!(socket.join_done(2), ["0 gets c 6"]);
}

#[test]
fn heartbeats_never_wait() {
    let mut socket = Socket::new();
    let answer = r#"[null,"9","phoenix","phx_reply",{"status":"ok","response":{}}]"#;
    assert_eq!(socket.on(r#"["any","9","phoenix","heartbeat",{}]"#), [answer]);
    socket.on(r#"["1","1","room:1","phx_join",{}]"#);
    assert_eq!(socket.on(r#"[null,"9","phoenix","heartbeat",{}]"#), [answer]);
}

#[test]
fn a_refused_join_leaves_the_topic_unjoined() {
    let mut socket = Socket::new();
    socket.on(r#"["1","1","room:1","phx_join",{}]"#);
    socket.join_done(0);
    socket.ended(0);
    assert_eq!(socket.on(r#"["1","2","room:1","event",{}]"#), [unmatched("2", "room:1")]);
}

#[test]
fn a_channel_that_ends_during_its_join_lets_the_others_go_on() {
    let mut socket = Socket::joined();
    socket.on(r#"["2","2","room:2","phx_join",{}]"#);
    socket.on(r#"["1","3","room:1","event",{}]"#);
    assert_eq!(socket.ended(1), ["0 gets event 3"]);
}

#[test]
fn the_limit_counts_joined_topics() {
    let mut socket = Socket::with_room_for(1);
    socket.on(r#"["1","1","room:1","phx_join",{}]"#);
    socket.join_done(0);
    let response = r#"{"status":"error","response":{"reason":"too many channels joined"}}"#;
    let refused = format!(r#"["2","2","room:2","phx_reply",{response}]"#);
    assert_eq!(socket.on(r#"["2","2","room:2","phx_join",{}]"#), [refused]);
    assert_eq!(socket.on(r#"["2","2","unrouted","phx_join",{}]"#), [unmatched("2", "unrouted")]);
    assert_eq!(socket.on(r#"["3","3","room:1","phx_join",{}]"#), ["0 is replaced", "1 joins room:1 after 1"]);
    socket.join_done(1);
    socket.ended(1);
    assert_eq!(socket.on(r#"["4","4","room:2","phx_join",{}]"#), ["2 joins room:2"]);
}

#[test]
fn a_second_join_replaces_the_first_whatever_its_references() {
    for join_ref in [r#""1""#, r#""2""#, "null", "7"] {
        let mut socket = Socket::joined();
        let effects = socket.on(&format!(r#"[{join_ref},"2","room:1","phx_join",{{}}]"#));
        assert_eq!(effects, ["0 is replaced", "1 joins room:1 after 1"]);
        socket.join_done(1);
        // The end of the old one does not unjoin the new one.
        assert!(socket.ended(0).is_empty());
        assert_eq!(socket.on(r#"[null,"3","room:1","event",{}]"#), ["1 gets event 3"]);
    }
}

#[test]
fn only_the_current_join_reference_and_null_reach_the_channel() {
    let mut socket = Socket::joined();
    assert_eq!(socket.on(r#"["1","2","room:1","event",{}]"#), ["0 gets event 2"]);
    assert_eq!(socket.on(r#"[null,"2","room:1","event",{}]"#), ["0 gets event 2"]);
    for stale in [r#""2""#, "1", r#""""#, r#""1 ""#, "[]"] {
        assert!(socket.on(&format!(r#"[{stale},"2","room:1","event",{{}}]"#)).is_empty(), "{stale}");
        assert!(socket.on(&format!(r#"[{stale},"2","room:1","phx_leave",{{}}]"#)).is_empty(), "{stale}");
    }
}

#[test]
fn after_a_join_with_null_only_null_is_current() {
    let mut socket = Socket::new();
    socket.on(r#"[null,"1","room:1","phx_join",{}]"#);
    socket.join_done(0);
    assert!(socket.on(r#"["1","2","room:1","event",{}]"#).is_empty());
    assert_eq!(socket.on(r#"[null,"3","room:1","event",{}]"#), ["0 gets event 3"]);
}

#[test]
fn a_leave_is_the_last_message_of_its_channel() {
    let mut socket = Socket::joined();
    assert_eq!(socket.on(r#"["1","2","room:1","phx_leave",{}]"#), ["0 leaves 2"]);
    assert!(socket.on(r#"["1","3","room:1","event",{}]"#).is_empty());
    assert!(socket.on(r#"["1","4","room:1","phx_leave",{}]"#).is_empty());
    socket.ended(0);
    assert_eq!(socket.on(r#"["1","5","room:1","event",{}]"#), [unmatched("5", "room:1")]);
}

#[test]
fn a_leave_without_a_join_is_ok() {
    let reply = r#"["9","5","room:1","phx_reply",{"status":"ok","response":{}}]"#;
    assert_eq!(Socket::new().on(r#"["9","5","room:1","phx_leave",{}]"#), [reply]);
}

#[test]
fn a_join_right_behind_a_leave_replaces_the_channel() {
    let mut socket = Socket::joined();
    socket.on(r#"["1","2","room:1","phx_leave",{}]"#);
    assert_eq!(socket.on(r#"["3","3","room:1","phx_join",{}]"#), ["0 is replaced", "1 joins room:1 after 1"]);
    socket.join_done(1);
    assert_eq!(socket.on(r#"["3","4","room:1","event",{}]"#), ["1 gets event 4"]);
}

#[test]
fn names_over_255_bytes_are_refused_and_a_reference_that_long_is_not_echoed() {
    let mut socket = Socket::joined();
    let long = "x".repeat(256);
    let response = r#"{"status":"error","response":{"reason":"too_large"}}"#;
    let event = socket.on(&format!(r#"["1","2","room:1","{long}",{{}}]"#));
    assert_eq!(event, [format!(r#"["1","2","room:1","phx_reply",{response}]"#)]);
    let reference = socket.on(&format!(r#"["1","{long}","room:1","event",{{}}]"#));
    assert_eq!(reference, [format!(r#"["1",null,"room:1","phx_reply",{response}]"#)]);
    let join = socket.on(&format!(r#"["3","4","{long}","phx_join",{{}}]"#));
    assert_eq!(join, [format!(r#"["3","4","{long}","phx_reply",{response}]"#)]);
    let join_ref = socket.on(&format!(r#"["{long}","4","room:2","phx_join",{{}}]"#));
    assert_eq!(join_ref, [format!(r#"[null,"4","room:2","phx_reply",{response}]"#)]);
    assert_eq!(socket.on(&format!(r#"["1","2","room:1","{}",{{}}]"#, &long[1..])).len(), 1);
}

#[test]
fn the_client_is_not_read_while_64_messages_wait_for_a_join() {
    let mut socket = Socket::new();
    socket.on(r#"["1","1","room:1","phx_join",{}]"#);
    for count in 0..64 {
        assert!(!socket.session.is_congested(), "{count}");
        socket.on(r#"["1","2","room:1","event",{}]"#);
    }
    assert!(socket.session.is_congested());
    assert_eq!(socket.join_done(0).len(), 64);
    assert!(!socket.session.is_congested());
}

#[test]
fn when_the_connection_is_gone_nothing_that_waits_is_handled() {
    let mut socket = Socket::new();
    socket.on(r#"["1","1","room:1","phx_join",{}]"#);
    socket.on(r#"["2","2","room:2","phx_join",{}]"#);
    socket.session.close();
    assert!(socket.join_done(0).is_empty());
}

#[test]
fn what_waited_for_a_join_that_failed_after_its_callback_is_for_an_unjoined_topic() {
    let mut socket = Socket::new();
    socket.on(r#"["1","1","room:1","phx_join",{}]"#);
    socket.on(r#"["1","2","room:1","event",{}]"#);
    let mut effects = Vec::new();
    let events = [Event::JoinCallbackDone(ChannelKey(0)), Event::Ended(ChannelKey(0))];
    socket.session.on_events(events, &socket.router, &mut effects);
    let response = r#"{"status":"error","response":{"reason":"unmatched topic"}}"#;
    let answers: Vec<_> = effects.into_iter().map(in_words).collect();
    assert_eq!(answers, [format!(r#"[null,"2","room:1","phx_reply",{response}]"#)]);
}

/// A socket with limits, at one moment: what it is told about a frame.
fn limited(session: &mut Session, limits: &SocketLimits, frame: &str) -> Result<Option<Vec<String>>, Flood> {
    let message = Vsn::V2.decode(Opcode::Text, &Bytes::copy_from_slice(frame.as_bytes())).unwrap();
    let mut effects = Vec::new();
    let passed = session.limit(message, limits, 1000, &mut effects)?;
    Ok(if passed.is_some() { None } else { Some(effects.into_iter().map(in_words).collect()) })
}

fn limits(toml: &str) -> SocketLimits {
    let config = crate::config::Config::from_toml(crate::config::Mode::Dev, &format!("[limits]\n{toml}")).unwrap();
    SocketLimits::new(&config.limits)
}

#[test]
fn over_the_limit_messages_are_refused_and_heartbeats_and_leaves_are_not() {
    let (mut session, limits) = (Session::new(100), limits("messages_per_second = 1"));
    let heartbeat = r#"[null,"h","phoenix","heartbeat",{}]"#;
    for _ in 0..100 {
        assert_eq!(limited(&mut session, &limits, heartbeat), Ok(None));
        assert_eq!(limited(&mut session, &limits, r#"["1","2","room:1","phx_leave",{}]"#), Ok(None));
        assert_eq!(limited(&mut session, &limits, r#"["1","2","room:1","phx_join",{}]"#), Ok(None));
    }
    let push = r#"["1","2","room:1","event",{}]"#;
    assert_eq!(limited(&mut session, &limits, push), Ok(None));
    let refused = r#"["1","2","room:1","phx_reply",{"status":"error","response":{"reason":"rate_limited"}}]"#;
    for _ in 0..9 {
        assert_eq!(limited(&mut session, &limits, push), Ok(Some(vec![refused.to_owned()])));
    }
    assert_eq!(limited(&mut session, &limits, push), Err(Flood));
    assert_eq!(limited(&mut session, &limits, heartbeat), Ok(None));
}

/// As many as ten times the topics of the socket may come at once.
#[test]
fn a_flood_of_heartbeats_or_leaves_is_a_flood() {
    for frame in [r#"[null,"h","phoenix","heartbeat",{}]"#, r#"["1","2","room:1","phx_leave",{}]"#] {
        for limit in ["messages_per_second = 1", "joins_per_second = 1"] {
            let (mut session, limits) = (Session::new(100), limits(limit));
            for _ in 0..1000 {
                assert_eq!(limited(&mut session, &limits, frame), Ok(None));
            }
            assert_eq!(limited(&mut session, &limits, frame), Err(Flood), "{limit} {frame}");
        }
    }
}

#[test]
fn an_endless_reference_of_a_refused_message_is_not_echoed() {
    let (mut session, limits) = (Session::new(100), limits("messages_per_second = 1\njoins_per_second = 1"));
    let long = "r".repeat(MAX_NAME + 1);
    for event in ["event", "event"] {
        let frame = format!(r#"["{long}","{long}","room:1","{event}",{{}}]"#);
        if let Some(answer) = limited(&mut session, &limits, &frame).unwrap() {
            assert!(!answer[0].contains(&long) && answer[0].starts_with(r#"[null,null,"room:1""#), "{answer:?}");
            return;
        }
    }
    panic!("the second was not refused");
}
