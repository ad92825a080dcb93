//! Names in Redis (design 2.6): other programs publish to them, so they are a contract.
//!
//! Every key starts with the prefix and tags the topic by braces, so that all keys of a topic share a slot. Braces in
//! the topic would end the tag early: they are percent-encoded, and so is the percent sign.

use std::borrow::Cow;
use std::fmt::Write;

use percent_encoding::percent_decode_str;

/// Makes and reads the names of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    prefix: Box<str>,
}

impl Keys {
    /// Names that start with `prefix`, which contains no braces.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The channel that carries the broadcasts of a topic.
    pub fn broadcast(&self, topic: &str) -> String {
        self.of_topic(topic, 'b')
    }

    /// The topic whose broadcasts this channel carries, if it is such a channel.
    pub fn topic_of_broadcast<'a>(&self, channel: &'a str) -> Option<Cow<'a, str>> {
        self.topic_of(channel, "}:b")
    }

    fn topic_of<'a>(&self, key: &'a str, end: &str) -> Option<Cow<'a, str>> {
        let tag = key.strip_prefix(&*self.prefix)?.strip_prefix(":{")?.strip_suffix(end)?;
        if tag == EMPTY { Some(Cow::Borrowed("")) } else { percent_decode_str(tag).decode_utf8().ok() }
    }

    /// The hash of who is present in a topic.
    pub fn presence(&self, topic: &str) -> String {
        self.of_topic(topic, 'p')
    }

    /// The list of the last changes of that hash.
    pub fn presence_changes(&self, topic: &str) -> String {
        self.of_topic(topic, 'd')
    }

    /// The topic whose presences this key holds, if it is such a key.
    pub fn topic_of_presence<'a>(&self, key: &'a str) -> Option<Cow<'a, str>> {
        self.topic_of(key, "}:p")
    }

    /// The stream of a topic's last messages; the number of a message is the first part of its id.
    pub fn history(&self, topic: &str) -> String {
        self.of_topic(topic, 'h')
    }

    /// The hash that says where a topic's stream is: `e` its epoch, `o` the number of the last message, `r` the primary
    /// that it began on. It outlives the messages; when it is gone, or the primary is another one, another epoch begins.
    pub fn history_position(&self, topic: &str) -> String {
        self.of_topic(topic, 'e')
    }

    /// The set of all nodes whose presences may stand somewhere.
    pub fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    /// The lease of a node.
    pub fn lease(&self, node: &str) -> String {
        format!("{}:node:{node}", self.prefix)
    }

    /// The set of topics in which a node has presences.
    pub fn topics_of_node(&self, node: &str) -> String {
        format!("{}:node:{node}:t", self.prefix)
    }

    /// Held by the one who drops the presences of a dead node.
    pub fn reaping(&self, node: &str) -> String {
        format!("{}:node:{node}:r", self.prefix)
    }

    /// A key whose changes show that a server reports changes. The number has no meaning of its own; the tag has the
    /// channel that reports it share its slot.
    pub fn probe(&self, node: &str, number: usize) -> String {
        format!("{}:probe:{{{node}:{number}}}", self.prefix)
    }

    /// The idempotency key of a broadcast to a topic, as its caller named it.
    pub fn idempotency(&self, topic: &str, key: &str) -> String {
        let mut name = self.of_topic(topic, 'i');
        name.push(':');
        name.push_str(key);
        name
    }

    /// The channel that carries orders to all pods, and the stream that keeps the last of them: channels and keys have
    /// names of their own, and by the same one they share a slot.
    pub fn control(&self) -> String {
        format!("{}:control", self.prefix)
    }

    /// The channel that carries what other pods send to one node alone: requests of long-poll clients whose session is
    /// there, and the answers.
    pub fn letters(&self, node: &str) -> String {
        format!("{}:node:{node}:m", self.prefix)
    }

    /// A secret that all pods share, by what it is for.
    pub fn secret(&self, purpose: &str) -> String {
        format!("{}:secret:{purpose}", self.prefix)
    }

    /// A channel by which one subscriber connection of a node proves itself. The number has no meaning of its own.
    pub fn canary(&self, node: &str, number: usize) -> String {
        format!("{}:canary:{node}:{number}", self.prefix)
    }

    fn of_topic(&self, topic: &str, kind: char) -> String {
        let mut key = String::with_capacity(self.prefix.len() + topic.len() + 5);
        key.push_str(&self.prefix);
        key.push_str(":{");
        if topic.is_empty() {
            key.push_str(EMPTY);
        }
        for character in topic.chars() {
            match character {
                '{' | '}' | '%' => {
                    // Writing to a string cannot fail.
                    let _ = write!(key, "%{:02X}", u32::from(character));
                }
                _ => key.push(character),
            }
        }
        key.push_str("}:");
        key.push(kind);
        key
    }
}

/// Stands for the empty topic: Redis ignores an empty tag, so the keys of that topic would not share a slot. No topic is
/// encoded to a lone percent sign.
const EMPTY: &str = "%";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redis_protocol::redis_keyslot;

    use super::*;

    #[test]
    fn the_names_are_a_contract() {
        let keys = Keys::new("gw");
        assert_eq!(keys.broadcast("room:1"), "gw:{room:1}:b");
        assert_eq!(keys.broadcast("a{b}c%"), "gw:{a%7Bb%7Dc%25}:b");
        assert_eq!(keys.broadcast("Grüße 1"), "gw:{Grüße 1}:b");
        assert_eq!(keys.control(), "gw:control");
        assert_eq!((&*keys.presence("t"), &*keys.presence_changes("t")), ("gw:{t}:p", "gw:{t}:d"));
        assert_eq!(keys.topic_of_presence("gw:{t}:p").as_deref(), Some("t"));
        assert_eq!(keys.lease("n"), "gw:node:n");
        assert_eq!(keys.letters("n"), "gw:node:n:m");
        assert_eq!(keys.secret("longpoll"), "gw:secret:longpoll");
        assert_eq!(keys.idempotency("a{b}", "{order} 7"), "gw:{a%7Bb%7D}:i:{order} 7");
    }

    #[test]
    fn other_channels_carry_no_topic() {
        let keys = Keys::new("gw");
        for channel in ["", "gw", "gw:control", "gx:{a}:b", "gw:{a}:p", "gw:{a:b", "gwx:{a}:b", "gw:{%FF}:b"] {
            assert_eq!(keys.topic_of_broadcast(channel), None, "{channel}");
        }
    }

    proptest! {
        #[test]
        fn a_topic_is_read_back(topic in "\\PC{0,40}|[{}%a]{0,8}") {
            let keys = Keys::new("app");
            let channel = keys.broadcast(&topic);
            let read = keys.topic_of_broadcast(&channel);
            prop_assert_eq!(read.as_deref(), Some(&*topic));
            let (open, close) = (channel.find('{').unwrap(), channel.find('}').unwrap());
            prop_assert!(close > open + 1, "the tag is not empty");
            prop_assert_eq!(redis_keyslot(channel.as_bytes()), redis_keyslot(&channel.as_bytes()[open + 1..close]));
        }
    }
}
