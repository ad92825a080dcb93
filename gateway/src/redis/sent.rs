use std::collections::VecDeque;
use std::sync::Arc;

/// Commands of a connection that are not answered yet, in order: an error names no command, so only its place tells which
/// one it answers. Pure.
#[derive(Debug, Default)]
pub(super) struct Sent(VecDeque<Expected>);

/// The answer that is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// That a channel is received.
    Subscribed(Arc<str>),
    /// That a channel is not received any more.
    Unsubscribed(Arc<str>),
    /// To a PING.
    Pong,
}

impl Sent {
    pub(super) fn push(&mut self, expected: Expected) {
        self.0.push_back(expected);
    }

    pub(super) fn ponged(&mut self) {
        self.0.pop_front_if(|next| *next == Expected::Pong);
    }

    /// The server says that a channel is received.
    pub(super) fn subscribed(&mut self, channel: &str) {
        self.0.pop_front_if(|next| matches!(next, Expected::Subscribed(name) if **name == *channel));
    }

    /// The server says that a channel has ended; it may do so without being asked.
    pub(super) fn unsubscribed(&mut self, channel: &str) {
        self.0.pop_front_if(|next| matches!(next, Expected::Unsubscribed(name) if **name == *channel));
    }

    /// The server refuses a command. Which channel it was about.
    pub(super) fn refused(&mut self) -> Option<Arc<str>> {
        match self.0.pop_front()? {
            Expected::Subscribed(channel) | Expected::Unsubscribed(channel) => Some(channel),
            Expected::Pong => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_answers_the_oldest_command() {
        let mut sent = Sent::default();
        sent.push(Expected::Subscribed("a".into()));
        sent.push(Expected::Subscribed("b".into()));
        sent.push(Expected::Pong);
        sent.push(Expected::Unsubscribed("c".into()));
        sent.subscribed("a");
        // Nobody asked for this end.
        sent.unsubscribed("a");
        assert_eq!(sent.refused().as_deref(), Some("b"));
        sent.ponged();
        sent.unsubscribed("c");
        assert_eq!(sent.refused(), None);
    }
}
