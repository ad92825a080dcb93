//! The subscribers: counts and checks every delivery.

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use memchr::memmem::Finder;

use crate::client::{Endpoints, Vsn, decode};
use crate::error::Error;
use crate::fleet::{ConnectionId, Event, FleetConfig, Handler, connection_error};
use crate::measure::{Flights, Integrity, Latency, LatencySummary, Sequence};

pub(super) struct Audience {
    vsn: Vsn,
    endpoints: Endpoints,
    topic: String,
    event: String,
    /// `"n1f2e3d4c":`, the key of a message's number. It is new for each run, so that other publishers' messages don't count,
    /// and it can stand nowhere but in a payload of ours: quotes are escaped everywhere else. So a delivery is found by one
    /// search, without parsing.
    marker: Finder<'static>,
    sequences: Vec<Sequence>,
    flights: Flights,
    latency: Latency,
    /// Of this take, the publisher's own copies included.
    deliveries: u64,
    other: u64,
    failure: Option<Error>,
}

impl Audience {
    /// Connections `0..subscribers` subscribe; the next one publishes.
    pub(super) fn new(config: &FleetConfig, subscribers: usize, topic: String, event: String) -> Self {
        let run = RandomState::new().hash_one(std::process::id()) as u32;
        Self {
            vsn: config.vsn,
            endpoints: config.endpoints.clone(),
            topic,
            event,
            marker: Finder::new(format!("\"n{run:08x}\":").as_bytes()).into_owned(),
            sequences: (0..subscribers).map(|_| Sequence::default()).collect(),
            flights: Flights::default(),
            latency: Latency::new(),
            deliveries: 0,
            other: 0,
            failure: None,
        }
    }

    /// Begins a take; returns how many messages were sent before.
    pub(super) fn begin(&mut self) -> u64 {
        self.latency = Latency::new();
        self.deliveries = 0;
        self.flights.launched()
    }

    /// Ends a take: messages sent so far, deliveries of the take, messages that did not reach all.
    pub(super) fn end(&mut self) -> (u64, u64, u64) {
        (self.flights.launched(), self.deliveries, self.flights.abandon())
    }

    /// The number of the next message.
    pub(super) fn launch(&mut self, intended: Instant) -> u64 {
        self.flights.launch(intended, self.sequences.len())
    }

    /// Messages that have not reached all subscribers.
    pub(super) fn under_way(&self) -> u64 {
        self.flights.under_way()
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn latency(&self) -> LatencySummary {
        self.latency.summary()
    }

    pub(super) fn other_frames(&self) -> u64 {
        self.other
    }

    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Over all takes.
    pub(super) fn integrity(&self) -> Integrity {
        self.sequences.iter().map(|sequence| sequence.integrity(self.flights.launched())).sum()
    }

    /// A payload of `size` bytes, or a little more if that is too small for the number.
    pub(super) fn payload(&self, number: u64, size: usize) -> String {
        let marker = String::from_utf8_lossy(self.marker.needle());
        let bare = format!(r#"{{{marker}{number},"p":""}}"#).len();
        let padding = "x".repeat(size.saturating_sub(bare));
        format!(r#"{{{marker}{number},"p":"{padding}"}}"#)
    }

    fn number(&self, text: &[u8]) -> Option<u64> {
        let start = self.marker.find(text)? + self.marker.needle().len();
        // A server that parses and writes again may put a space here.
        let digits = text[start..].iter().skip_while(|byte| **byte == b' ').take_while(|byte| byte.is_ascii_digit());
        Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    fn on_subscriber(&mut self, id: ConnectionId, text: &[u8]) {
        let Some(number) = self.number(text) else {
            // Heartbeats are answered too.
            let message = decode(self.vsn, text);
            self.other += u64::from(message.as_ref().is_none_or(|message| message.reply().is_none()));
            return self.note_end(message.and_then(|message| message.end()));
        };
        self.deliveries += 1;
        if self.sequences[id].note(number)
            && let Some(intended) = self.flights.arrive(number)
        {
            self.latency.record(intended.elapsed());
        }
    }

    fn note_end(&mut self, how: Option<String>) {
        if let Some(how) = how {
            let (topic, event) = (self.topic.clone(), self.event.clone());
            self.failure.get_or_insert(Error::ChannelEnded { topic, event, how });
        }
    }

    fn on_publisher(&mut self, text: &[u8]) {
        let Some(message) = decode(self.vsn, text) else {
            self.other += 1;
            return;
        };
        match message.reply() {
            None => {
                self.deliveries += u64::from(self.number(text).is_some());
                self.note_end(message.end());
            }
            Some(reply) if reply.status == "ok" => {}
            Some(reply) => {
                let (topic, event) = (self.topic.clone(), self.event.clone());
                let error = Error::PushRefused { topic, event, reason: reply.response.get().to_owned() };
                self.failure.get_or_insert(error);
            }
        }
    }
}

impl Handler for Audience {
    fn on_event(&mut self, id: ConnectionId, event: Event<'_>, _: &mut Vec<String>) {
        match event {
            Event::Open => {}
            Event::Text(text) if id < self.sequences.len() => self.on_subscriber(id, text),
            Event::Text(text) => self.on_publisher(text),
            Event::Gone(reason) => {
                let error = connection_error(&self.endpoints, id, reason);
                self.failure.get_or_insert(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Endpoint;
    use crate::client::{Outgoing, encode};

    fn audience(subscribers: usize) -> Audience {
        let endpoints = Endpoints::one(Endpoint::parse("ws://127.0.0.1:1/s", Vsn::V2).unwrap());
        let config = FleetConfig { endpoints, vsn: Vsn::V2, heartbeat: Duration::ZERO, sources: Vec::new() };
        Audience::new(&config, subscribers, "t".to_owned(), "e".to_owned())
    }

    fn deliver(audience: &mut Audience, id: ConnectionId, number: u64) {
        let payload = audience.payload(number, 64);
        let message = Outgoing { join_ref: None, reference: None, topic: "t", event: "e", payload: &payload };
        let text = encode(Vsn::V2, message);
        audience.on_event(id, Event::Text(text.as_bytes()), &mut Vec::new());
    }

    #[test]
    fn a_message_is_done_when_all_subscribers_have_it() {
        let mut audience = audience(2);
        audience.begin();
        let number = audience.launch(Instant::now());
        deliver(&mut audience, 0, number);
        deliver(&mut audience, 2, number);
        assert_eq!(audience.under_way(), 1);
        deliver(&mut audience, 1, number);
        assert_eq!((audience.under_way(), audience.end(), audience.latency().count), (0, (1, 3, 0), 2));
        assert!(audience.integrity().is_clean());
    }

    #[test]
    fn a_duplicate_at_one_does_not_hide_a_loss_at_another() {
        let mut audience = audience(2);
        let number = audience.launch(Instant::now());
        deliver(&mut audience, 0, number);
        deliver(&mut audience, 0, number);
        assert_eq!(audience.under_way(), 1);
        assert_eq!(audience.integrity(), Integrity { lost: 1, duplicated: 1, reordered: 0 });
    }

    #[test]
    fn foreign_messages_do_not_count() {
        let mut audience = audience(1);
        let text = br#"[null,null,"t","e",{"n0":1}]"#;
        audience.on_event(0, Event::Text(text), &mut Vec::new());
        assert_eq!((audience.end().1, audience.other_frames()), (0, 1));
    }

    #[test]
    fn a_refused_push_ends_the_run_with_its_reason() {
        let mut audience = audience(1);
        let text = br#"["1","2","t","phx_reply",{"status":"error","response":{"reason":"forbidden"}}]"#;
        audience.on_event(1, Event::Text(text), &mut Vec::new());
        let error = audience.take_failure().unwrap().to_string();
        assert_eq!(error, r#"the push of "e" to t was refused: {"reason":"forbidden"}"#);
    }

    #[test]
    fn payloads_have_the_asked_size() {
        let audience = audience(1);
        assert_eq!((audience.payload(7, 64).len(), audience.payload(123_456, 200).len()), (64, 200));
        assert!(serde_json::from_str::<serde_json::Value>(&audience.payload(7, 1)).is_ok());
    }
}
