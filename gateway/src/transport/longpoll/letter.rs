use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use crate::ids::NodeId;

/// The version of this form, in front of each letter. What has another one is dropped, and its sender gives up in time.
const VERSION: u8 = b'1';

/// What pods write to each other about the sessions of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Letter {
    /// A request of a client; the answer goes to `from`.
    Request { from: NodeId, id: u64, session: String, request: Request },
    /// The client of a request is gone, or its pod stops.
    Cancel { from: NodeId, id: u64 },
    /// The answer to a request of a session, by the node that has it.
    Answer { from: NodeId, id: u64, session: String, answer: Answer },
    /// The messages in an answer have reached nobody.
    Lost { session: String },
    /// The messages in the answer to a poll were passed on.
    Passed { from: NodeId, id: u64, session: String },
    /// Whoever sends it wants to know whether anybody hears it.
    Ping,
}

/// What a client asks of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Messages. Whether it will be said that they were passed on: pods of earlier releases do not.
    Poll { confirms: bool },
    /// To take a body, whose lines are frames, or which is one.
    Push { lines: bool, body: Bytes },
}

/// The first line; a body or messages follow it.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Head {
    Poll {
        from: String,
        id: u64,
        session: String,
        #[serde(default)]
        confirms: bool,
    },
    Push {
        from: String,
        id: u64,
        session: String,
        lines: bool,
    },
    Cancel {
        from: String,
        id: u64,
    },
    Answer {
        #[serde(default)]
        from: String,
        id: u64,
        #[serde(default)]
        session: String,
        status: u16,
    },
    Lost {
        session: String,
    },
    Passed {
        from: String,
        id: u64,
        session: String,
    },
    Ping,
}

impl Letter {
    pub(super) fn encode(&self) -> Bytes {
        let none = Bytes::new();
        let (head, body) = match self {
            Self::Request { from, id, session, request } => {
                let (from, id, session) = (from.to_string(), *id, session.clone());
                match request {
                    Request::Poll { confirms } => (Head::Poll { from, id, session, confirms: *confirms }, &none),
                    Request::Push { lines, body } => (Head::Push { from, id, session, lines: *lines }, body),
                }
            }
            Self::Cancel { from, id } => (Head::Cancel { from: from.to_string(), id: *id }, &none),
            Self::Lost { session } => (Head::Lost { session: session.clone() }, &none),
            Self::Passed { from, id, session } => {
                (Head::Passed { from: from.to_string(), id: *id, session: session.clone() }, &none)
            }
            Self::Answer { from, id, session, answer } => {
                let body = if let Answer::Messages(messages) = answer { messages } else { &none };
                let (from, session) = (from.to_string(), session.clone());
                (Head::Answer { from, id: *id, session, status: answer.status() }, body)
            }
            Self::Ping => (Head::Ping, &none),
        };
        let mut out = Vec::with_capacity(body.len() + 128);
        out.push(VERSION);
        // Strings and numbers can always be written.
        let _ = serde_json::to_writer(&mut out, &head);
        out.push(b'\n');
        out.extend_from_slice(body);
        out.into()
    }

    pub(super) fn decode(letter: &Bytes) -> Option<Self> {
        let (version, rest) = letter.split_first()?;
        if *version != VERSION {
            return None;
        }
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&rest[..end]).ok()?;
        let body = letter.slice(end + 2..);
        Some(match head {
            Head::Poll { from, id, session, confirms } => {
                Self::Request { from: NodeId::from(&*from), id, session, request: Request::Poll { confirms } }
            }
            Head::Push { from, id, session, lines } => {
                Self::Request { from: NodeId::from(&*from), id, session, request: Request::Push { lines, body } }
            }
            Head::Cancel { from, id } => Self::Cancel { from: NodeId::from(&*from), id },
            Head::Ping => Self::Ping,
            Head::Lost { session } => Self::Lost { session },
            Head::Passed { from, id, session } => Self::Passed { from: NodeId::from(&*from), id, session },
            Head::Answer { from, id, session, status } => {
                let answer = match status {
                    200 if body.is_empty() => Answer::Done,
                    200 => Answer::Messages(body),
                    204 => Answer::Nothing,
                    408 => Answer::Late,
                    410 => Answer::Gone,
                    _ => return None,
                };
                Self::Answer { from: NodeId::from(&*from), id, session, answer }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_as_it_was_written() {
        let (from, session) = (NodeId::random(), "abc".to_owned());
        let request = |request| Letter::Request { from: from.clone(), id: 7, session: session.clone(), request };
        let answer = |answer| Letter::Answer { from: from.clone(), id: 7, session: session.clone(), answer };
        for letter in [
            request(Request::Poll { confirms: true }),
            request(Request::Poll { confirms: false }),
            request(Request::Push { lines: true, body: Bytes::from_static(b"[1]\n[2]\n\xff") }),
            request(Request::Push { lines: false, body: Bytes::new() }),
            Letter::Cancel { from: from.clone(), id: 7 },
            answer(Answer::Messages(Bytes::from_static(b"[\"a\"]"))),
            answer(Answer::Nothing),
            answer(Answer::Done),
            answer(Answer::Late),
            answer(Answer::Gone),
            Letter::Lost { session: session.clone() },
            Letter::Passed { from: from.clone(), id: 7, session: session.clone() },
            Letter::Ping,
        ] {
            assert_eq!(Letter::decode(&letter.encode()), Some(letter));
        }
    }

    #[test]
    fn a_poll_of_an_earlier_release_confirms_nothing() {
        let letter = Bytes::from_static(b"1{\"do\":\"poll\",\"from\":\"a\",\"id\":1,\"session\":\"s\"}\n");
        let request = Request::Poll { confirms: false };
        let expected = Letter::Request { from: NodeId::from("a"), id: 1, session: "s".to_owned(), request };
        assert_eq!(Letter::decode(&letter), Some(expected));
    }

    #[test]
    fn what_is_no_letter_is_dropped() {
        for garbage in [
            "",
            "1",
            "1{}\n",
            "2{\"do\":\"answer\",\"id\":1,\"status\":204}\n",
            "1\n",
            "1{\"do\":\"poll\"}\n",
            "1{\"do\":\"answer\",\"id\":1,\"status\":500}\n",
            "1{\"do\":\"cancel\",\"from\":\"a\",\"id\":-1}\n",
        ] {
            assert_eq!(Letter::decode(&Bytes::copy_from_slice(garbage.as_bytes())), None, "{garbage:?}");
        }
    }
}
