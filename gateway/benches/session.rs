//! The session: what one message of a client leads to, decided without a socket, a clock or Redis.

use std::future::{Future, ready};

use gateway::bench::SessionBench;
use gateway::wire::{Message, Name, Payload, Ref};
use gateway::{Channel, JoinContext, JoinResult, Router};

use crate::harness::{Bench, Meter};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "session.push", run: |meter| step(meter, 1, || message("room:0", "new_msg")) },
    Bench { name: "session.push_last_of_100_topics", run: |meter| step(meter, 100, || message("room:99", "new_msg")) },
    Bench { name: "session.heartbeat", run: |meter| step(meter, 1, || message("phoenix", "heartbeat")) },
    Bench { name: "session.unmatched", run: |meter| step(meter, 1, || message("hall:1", "new_msg")) },
    Bench { name: "session.join", run: join },
];

/// A message for a socket that has joined so many topics.
fn step(meter: &Meter, topics: usize, message: impl Fn() -> Message) {
    meter.measure(joined(topics), |_| message(), SessionBench::on_message);
}

/// A join, and the end of its callback.
fn join(meter: &Meter) {
    let prepare = |session: &mut SessionBench| {
        *session = joined(0);
        message("room:0", "phx_join")
    };
    meter.measure(joined(0), prepare, |session, message| {
        let effects = session.on_message(message);
        session.join_callback_done(0);
        effects
    });
}

struct Anything;

impl Channel for Anything {
    fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> impl Future<Output = JoinResult> + Send {
        ready(Ok(Payload::empty()))
    }
}

/// A socket that has joined `room:0`, `room:1` and so on.
fn joined(topics: usize) -> SessionBench {
    let router = Router::new().channel("room:*", || Anything).expect("a valid pattern");
    let mut session = SessionBench::new(router, 100);
    for number in 0..topics {
        drop(session.on_message(message(&format!("room:{number}"), "phx_join")));
        session.join_callback_done(u32::try_from(number).expect("few topics"));
    }
    session
}

fn message(topic: &str, event: &str) -> Message {
    Message {
        join_ref: Ref::from("3"),
        reference: Ref::from("17"),
        topic: Name::from(topic),
        event: event.into(),
        payload: Payload::empty(),
    }
}
