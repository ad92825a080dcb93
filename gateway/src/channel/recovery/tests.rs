//! Whatever is published, delivered, trimmed, lost and read in whatever order: a client gets exactly what follows its
//! position, or is told that it does not. The store and the topic are modelled; the decisions are the real ones.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::cursor::{Cursor, Standing};
use crate::history::{Epoch, Page, Position, Stored};
use crate::wire::Payload;

#[derive(Debug, Clone)]
enum Step {
    /// Appended to the stream; this pod hears of it later.
    Publish,
    /// This pod's subscribers get the next message.
    Deliver,
    /// The oldest messages are dropped, as `size` says.
    Trim(usize),
    /// All messages are dropped, as `ttl` says; the position stays.
    Expire,
    /// Redis lost its data, and the pod has noticed.
    Flush,
    /// The client gets a page.
    Read(usize),
    /// The client gets the page that it, or another one, got before.
    ReadOld,
    /// The client wants to be a subscriber.
    Attach,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Publish),
        6 => Just(Step::Deliver),
        1 => (1..4_usize).prop_map(Step::Trim),
        1 => Just(Step::Expire),
        1 => Just(Step::Flush),
        6 => (1..5_usize).prop_map(Step::Read),
        2 => Just(Step::ReadOld),
        4 => Just(Step::Attach),
    ]
}

/// A topic, and what this pod has made of it.
struct Topic {
    epoch: u32,
    end: u64,
    kept: VecDeque<u64>,
    delivered: u64,
}

impl Topic {
    fn position(&self, offset: u64) -> Position {
        Position { epoch: epoch(self.epoch), offset }
    }

    /// As `Interest::read_after` answers.
    fn page(&self, after: u64, limit: usize) -> Page {
        let readable = self.kept.iter().filter(|&&offset| offset > after).take(limit);
        let messages = readable.filter(|&&offset| offset <= self.delivered).map(|&offset| message(offset)).collect();
        Page { position: self.position(self.end), first: self.kept.front().copied(), messages }
    }
}

fn epoch(number: u32) -> Epoch {
    Epoch::from(format!("epoch {number}").as_str())
}

fn message(offset: u64) -> Stored {
    Stored { offset, event: "e".into(), payload: Payload::empty() }
}

/// A client that comes back.
enum Client {
    /// Not answered yet.
    Asking,
    Replaying(Cursor),
    Following,
    /// `recovered: false`, or `phx_error`.
    Told,
}

struct Run {
    topic: Topic,
    asked: Position,
    client: Client,
    got: Vec<(Epoch, u64)>,
    old: Option<Page>,
    harmed: bool,
    /// The last number that the first life of the stream came to.
    most: u64,
}

impl Run {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish => {
                self.topic.end += 1;
                self.topic.kept.push_back(self.topic.end);
                if self.topic.epoch == 1 {
                    self.most = self.topic.end;
                }
            }
            Step::Deliver if self.topic.delivered < self.topic.end => {
                self.topic.delivered += 1;
                if matches!(self.client, Client::Following) {
                    self.got.push((epoch(self.topic.epoch), self.topic.delivered));
                }
            }
            Step::Deliver => {}
            Step::Trim(count) => {
                self.harmed = true;
                self.topic.kept.drain(..(*count).min(self.topic.kept.len()));
            }
            Step::Expire => {
                self.harmed = true;
                self.topic.kept.clear();
            }
            Step::Flush => {
                self.harmed = true;
                let epoch = self.topic.epoch + 1;
                self.topic = Topic { epoch, end: 0, kept: VecDeque::new(), delivered: 0 };
                // The topic tells its subscribers.
                if matches!(self.client, Client::Following) {
                    self.client = Client::Told;
                }
            }
            Step::Read(limit) => {
                let after = match &self.client {
                    Client::Replaying(cursor) => cursor.position().offset,
                    _ => self.asked.offset,
                };
                let page = self.topic.page(after, *limit);
                self.read(&page);
                self.old = Some(page);
            }
            Step::ReadOld => {
                if let Some(page) = self.old.take() {
                    self.read(&page);
                    self.old = Some(page);
                }
            }
            Step::Attach => self.attach(),
        }
    }

    fn read(&mut self, page: &Page) {
        if matches!(self.client, Client::Asking) {
            let delivered = self.topic.position(self.topic.delivered);
            self.client = match Standing::of(&self.asked, &delivered) {
                // It waits, if the store has what it has had.
                Standing::Ahead if self.asked.offset <= self.topic.end => Client::Asking,
                Standing::Ahead | Standing::Elsewhere => Client::Told,
                Standing::Level | Standing::Behind => Client::Replaying(Cursor::new(self.asked.clone())),
            };
            if matches!(Standing::of(&self.asked, &delivered), Standing::Level) {
                return;
            }
        }
        let Client::Replaying(cursor) = &mut self.client else { return };
        // A page is read for one position: nobody else is given it.
        match cursor.take(page) {
            Ok(next) => self.got.extend(page.messages[next].iter().map(|m| (page.position.epoch.clone(), m.offset))),
            Err(_) => self.client = Client::Told,
        }
    }

    fn attach(&mut self) {
        let Client::Replaying(cursor) = &self.client else { return };
        let delivered = self.topic.position(self.topic.delivered);
        if *cursor.position() == delivered {
            self.client = Client::Following;
        }
    }

    fn check(&self) {
        let expected = (self.asked.offset + 1..).map(|offset| (self.asked.epoch.clone(), offset));
        for (got, expected) in self.got.iter().zip(expected) {
            assert_eq!(*got, expected, "something is missing, twice there or of another life");
        }
        if matches!(self.client, Client::Following) {
            let last = self.asked.offset + self.got.len() as u64;
            assert_eq!(self.topic.position(last), self.topic.position(self.topic.delivered), "it has fallen behind");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn a_client_gets_the_exact_sequence_or_is_told(
        published in 0..12_u64,
        undelivered in 0..3_u64,
        asked in 0..14_u64,
        of_this_life in prop::bool::weighted(0.9),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let topic = Topic {
            epoch: 1,
            end: published,
            kept: (1..=published).collect(),
            delivered: published.saturating_sub(undelivered),
        };
        let asked = Position { epoch: epoch(u32::from(of_this_life)), offset: asked };
        let is_true = of_this_life && asked.offset <= published;
        let mut run = Run { topic, asked, client: Client::Asking, got: Vec::new(), old: None, harmed: false, most: published };
        for step in &steps {
            run.step(step);
            run.check();
        }
        let told = matches!(run.client, Client::Told);
        prop_assert!(run.harmed || !is_true || !told, "nothing was lost, and yet it was told so");
        let believed = matches!(run.client, Client::Following | Client::Replaying(_));
        prop_assert!(!believed || (of_this_life && run.asked.offset <= run.most), "there never was such a position");
    }
}

#[test]
fn a_page_is_taken_from_where_the_cursor_stands() {
    let position = |offset| Position { epoch: epoch(1), offset };
    let page = |first, messages: &[u64], end| Page {
        position: position(end),
        first,
        messages: messages.iter().map(|&offset| message(offset)).collect(),
    };
    let mut cursor = Cursor::new(position(5));
    assert_eq!(cursor.take(&page(Some(1), &[4, 5, 6, 7], 9)), Ok(2..4));
    assert_eq!(cursor.take(&page(Some(1), &[4, 5, 6, 7], 9)), Ok(4..4), "the same page again brings nothing");
    assert_eq!(cursor.position().offset, 7);
    assert_eq!(cursor.take(&page(Some(8), &[8], 9)), Ok(0..1));
    assert!(cursor.take(&page(Some(10), &[10], 10)).is_err(), "9 was trimmed");
    assert!(cursor.take(&page(None, &[], 9)).is_err(), "9 has expired");
    assert_eq!(cursor.take(&page(None, &[], 8)), Ok(0..0));
    assert!(cursor.take(&page(Some(1), &[], 7)).is_err(), "the stream went back");
}
