//! What the members hear, and what each makes of it.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{MARKER, MemberId, Members, Position};
use crate::client::{Endpoints, Message, decode};
use crate::error::Error;
use crate::fleet::{ConnectionId, Event, Handler, JOIN_REF, connection_error, join_text};

impl Members {
    fn on_text(&mut self, id: ConnectionId, text: &[u8]) {
        let member = self.of[id];
        if self.members[member].connection != Some(id) {
            return;
        }
        match self.marker.find(text) {
            Some(at) => self.on_delivery(member, text, at + MARKER.len()),
            None => {
                let message = decode(self.vsn, text);
                match message.as_ref().and_then(|message| message.reply().map(|reply| (message, reply))) {
                    Some((message, reply)) => {
                        self.on_reply(member, message, reply.status == "ok", reply.response.get());
                    }
                    None => {
                        self.tally.other_frames += 1;
                        if let Some((message, how)) = message.and_then(|one| one.end().map(|how| (one, how))) {
                            self.tally.ended_channels += 1;
                            self.tally.first_end.get_or_insert_with(|| format!("{how} in {}", message.topic));
                        }
                    }
                }
            }
        }
    }

    fn on_delivery(&mut self, member: MemberId, text: &[u8], at: usize) {
        let (number, rest) = digits(&text[at..]);
        let (sent_at, _) = digits(rest.get(1..).unwrap_or_default());
        self.tally.deliveries += 1;
        let listens = self.is_listener(member);
        let now = self.micros(Instant::now());
        let one = &mut self.members[member];
        if self.recover
            && let (Some(offset), Some(position)) = (offset(text), &mut one.position)
        {
            position.offset = offset;
        }
        if std::mem::take(&mut one.fresh) {
            one.sequence.resume_at(number);
        }
        if !(listens && one.sequence.note(number)) {
            return;
        }
        if sent_at < one.joined_at {
            self.tally.replayed += 1;
            return;
        }
        let took = Duration::from_micros(now.saturating_sub(sent_at));
        self.delivery.record(took);
        self.this_second.record(took);
    }

    fn on_reply(&mut self, member: MemberId, message: &Message<'_>, ok: bool, response: &str) {
        let reference = message.reference.as_deref().unwrap_or_default();
        if reference == JOIN_REF && !self.members[member].joined {
            return if ok { self.on_joined(member, response) } else { self.on_refused_join(member, response) };
        }
        if !ok && reference.starts_with('m') {
            self.tally.refused += 1;
            self.tally.first_refusal.get_or_insert_with(|| response.to_owned());
        }
    }

    fn on_joined(&mut self, member: MemberId, response: &str) {
        let now = self.micros(Instant::now());
        let one = &mut self.members[member];
        (one.joined, one.joined_at) = (true, now);
        self.joined += 1;
        self.joining -= 1;
        let took = if self.strict { &mut self.join } else { &mut self.comeback };
        took.record(one.intended.elapsed());
        if self.strict && !self.recover {
            return;
        }
        self.tally.returned += u64::from(!self.strict);
        if !self.recover {
            one.fresh = true;
            return;
        }
        #[derive(Deserialize)]
        struct Joined {
            recovery: Position,
        }
        let asked = one.position.take().is_some();
        one.position = serde_json::from_str::<Joined>(response).ok().map(|joined| joined.recovery);
        let count = match &one.position {
            None => Some(&mut self.tally.unanswered_recoveries),
            Some(_) if !asked => None,
            Some(position) if position.recovered => Some(&mut self.tally.recovered),
            Some(_) => Some(&mut self.tally.not_recovered),
        };
        let proved = one.position.as_ref().is_some_and(|position| position.recovered);
        one.fresh |= asked && !proved;
        if let Some(count) = count {
            *count += 1;
        }
    }

    fn on_refused_join(&mut self, member: MemberId, response: &str) {
        let topic = self.topics[self.members[member].topic].name.clone();
        self.failure.get_or_insert(Error::JoinRefused { topic, reason: response.to_owned() });
    }

    fn on_gone(&mut self, id: ConnectionId, error: Error) {
        let member = self.of[id];
        let one = &mut self.members[member];
        if one.connection != Some(id) {
            return;
        }
        one.connection = None;
        if std::mem::take(&mut one.joined) {
            self.joined -= 1;
        } else {
            self.joining -= 1;
        }
        if self.strict {
            self.failure.get_or_insert(error);
            return;
        }
        self.tally.lost_connections += 1;
        self.tally.first_loss.get_or_insert_with(|| error.to_string());
        self.fallen.push(member);
    }
}

/// Hears the fleet on behalf of the members.
pub(in crate::scenario::population) struct Hearing<'a> {
    pub(in crate::scenario::population) members: &'a mut Members,
    pub(in crate::scenario::population) endpoints: &'a Endpoints,
}

impl Handler for Hearing<'_> {
    fn on_event(&mut self, id: ConnectionId, event: Event<'_>, send: &mut Vec<String>) {
        match event {
            Event::Open => {
                let member = self.members.of[id];
                let topic = &self.members.topics[self.members.members[member].topic].name;
                send.push(join_text(self.members.vsn, topic, JOIN_REF, &self.members.join_payload(member)));
            }
            Event::Text(text) => self.members.on_text(id, text),
            Event::Gone(reason) => self.members.on_gone(id, connection_error(self.endpoints, id, reason)),
        }
    }
}

/// The number at the start of a text, and what follows it.
fn digits(text: &[u8]) -> (u64, &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].iter().fold(0_u64, |number, digit| number.wrapping_mul(10) + u64::from(digit - b'0'));
    (number, &text[end..])
}

/// The offset that a broadcast carries as its reference, in either version.
fn offset(text: &[u8]) -> Option<u64> {
    let rest = text.strip_prefix(b"[null,\"o:").or_else(|| {
        const REF: &[u8] = b"\"ref\":\"o:";
        let at = text.windows(REF.len()).position(|window| window == REF)?;
        Some(&text[at + REF.len()..])
    })?;
    Some(digits(rest).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_in_both_versions() {
        assert_eq!(offset(br#"[null,"o:42","t","e",{}]"#), Some(42));
        assert_eq!(offset(br#"{"topic":"t","event":"e","payload":{},"ref":"o:7"}"#), Some(7));
        assert_eq!(offset(br#"[null,null,"t","e",{}]"#), None);
        assert_eq!(digits(b"12.345\""), (12, &b".345\""[..]));
    }
}
