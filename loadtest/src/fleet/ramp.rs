//! Opens connections and joins each to its topic.

use std::time::{Duration, Instant};

use super::event_loop::{ConnectionId, Event, Fleet, FleetConfig, Handler};
use crate::client::{Endpoints, Outgoing, TopicPattern, Vsn, decode, encode};
use crate::error::Error;
use crate::measure::{Latency, Pace};

/// The ref and join_ref of every join; a connection has one channel.
pub(crate) const JOIN_REF: &str = "1";

/// How connections are opened.
#[derive(Debug, Clone)]
pub(crate) struct Ramp {
    pub(crate) topics: TopicPattern,
    pub(crate) join_payload: String,
    /// Connections that may be on their way at once; below a server's accept backlog. Not asked with a pace.
    pub(crate) window: usize,
    /// Open loop: connections per second, however long each takes. Without it, as fast as the window allows.
    pub(crate) per_second: Option<f64>,
    /// Without any progress for this long the ramp gives up.
    pub(crate) patience: Duration,
}

/// What opening took.
#[derive(Debug)]
pub(crate) struct RampResult {
    pub(crate) elapsed: Duration,
    /// From the intended start of a connection to the answer to its join.
    pub(crate) latency: Latency,
}

/// Opens `count` connections in a fleet without any, and waits until all are joined. `on_progress` hears the number joined.
///
/// # Errors
/// The first connection that fails, the first join that is refused, or a stop of all progress.
pub(crate) fn open_and_join(
    fleet: &mut Fleet,
    ramp: &Ramp,
    count: usize,
    mut on_progress: impl FnMut(usize),
) -> Result<RampResult, Error> {
    let started = Instant::now();
    let mut pace = ramp.per_second.map(|per_second| Pace::new(started, per_second));
    let FleetConfig { endpoints, vsn, .. } = fleet.config().clone();
    let mut joining =
        Joining { ramp, vsn, endpoints, intended: Vec::new(), latency: Latency::new(), joined: 0, failure: None };
    let (mut seen, mut seen_at) = ((0, 0), started);
    while joining.joined < count {
        let now = Instant::now();
        let mut deadline = now + Duration::from_millis(100);
        while joining.intended.len() < count {
            let under_way = joining.intended.len() - joining.joined;
            let due = match &mut pace {
                Some(pace) => pace.take_due(now),
                None => (under_way < ramp.window.max(1)).then_some(now),
            };
            let Some(due) = due else {
                deadline = pace.as_ref().map_or(deadline, |pace| deadline.min(pace.next_at()));
                break;
            };
            fleet.connect()?;
            joining.intended.push(due);
        }
        fleet.turn(deadline, &mut joining)?;
        if let Some(error) = joining.failure.take() {
            return Err(error);
        }
        if seen != (joining.intended.len(), joining.joined) {
            (seen, seen_at) = ((joining.intended.len(), joining.joined), Instant::now());
            on_progress(joining.joined);
        } else if seen_at.elapsed() > ramp.patience {
            return Err(Error::Stuck { done: joining.joined, wanted: count, seconds: ramp.patience.as_secs() });
        }
    }
    Ok(RampResult { elapsed: started.elapsed(), latency: joining.latency })
}

/// Joins what opens, and keeps the first failure.
struct Joining<'a> {
    ramp: &'a Ramp,
    vsn: Vsn,
    endpoints: Endpoints,
    /// By connection.
    intended: Vec<Instant>,
    latency: Latency,
    joined: usize,
    failure: Option<Error>,
}

impl Handler for Joining<'_> {
    fn on_event(&mut self, id: ConnectionId, event: Event<'_>, send: &mut Vec<String>) {
        let failure = match event {
            Event::Open => {
                let payload = numbered(&self.ramp.join_payload, id);
                send.push(join_text(self.vsn, &self.ramp.topics.topic(id), JOIN_REF, &payload));
                return;
            }
            Event::Text(text) => match join_answer(self.vsn, text) {
                // Deliveries and presence may come at any time.
                None => return,
                Some(Ok(())) => {
                    self.joined += 1;
                    self.latency.record(self.intended[id].elapsed());
                    return;
                }
                Some(Err(reason)) => Error::JoinRefused { topic: self.ramp.topics.topic(id), reason },
            },
            Event::Gone(reason) => connection_error(&self.endpoints, id, reason),
        };
        self.failure.get_or_insert(failure);
    }
}

/// The text of a join.
pub(crate) fn join_text(vsn: Vsn, topic: &str, join_ref: &str, payload: &str) -> String {
    encode(vsn, Outgoing { join_ref: Some(join_ref), reference: Some(join_ref), topic, event: "phx_join", payload })
}

/// A payload with the number of a connection in place of `{n}`, which can stand in no JSON but inside a string.
pub(crate) fn numbered(payload: &str, id: ConnectionId) -> String {
    payload.replace("{n}", &id.to_string())
}

/// Whether `text` answers the join, and how.
fn join_answer(vsn: Vsn, text: &[u8]) -> Option<Result<(), String>> {
    let message = decode(vsn, text)?;
    let reply = message.reply().filter(|_| message.reference.as_deref() == Some(JOIN_REF))?;
    Some(if reply.status == "ok" { Ok(()) } else { Err(reply.response.get().to_owned()) })
}

/// Says in plain words why a connection is gone.
pub(crate) fn connection_error(endpoints: &Endpoints, id: ConnectionId, reason: String) -> Error {
    let endpoint = endpoints.of(id);
    let url = endpoint.url.clone();
    if reason.contains("Connection refused") {
        Error::NotListening { url, address: endpoint.address }
    } else {
        Error::Connection { url, number: id, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reply_to_the_join_counts_as_its_answer() {
        let ok = br#"["1","1","t","phx_reply",{"status":"ok","response":{}}]"#;
        assert_eq!(join_answer(Vsn::V2, ok), Some(Ok(())));
        let refused = br#"[null,"1","t","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;
        assert_eq!(join_answer(Vsn::V2, refused), Some(Err(r#"{"reason":"unmatched topic"}"#.to_owned())));
        let heartbeat = br#"[null,"heartbeat","phoenix","phx_reply",{"status":"ok","response":{}}]"#;
        assert_eq!(join_answer(Vsn::V2, heartbeat), None);
        assert_eq!(join_answer(Vsn::V2, br#"["1",null,"t","presence_state",{}]"#), None);
    }
}
