//! What `benches/session.rs` sees of the session.

use super::session::{Effect, Session};
use crate::channel::{ChannelKey, Event, Router};
use crate::wire::Message;

/// The session of a socket, and its channels' patterns.
pub struct SessionBench {
    session: Session,
    router: Router,
}

/// What a message led to.
#[must_use = "the effects are made to be performed"]
pub struct Effects(#[expect(dead_code, reason = "only their making is measured")] Vec<Effect>);

impl SessionBench {
    /// A socket that has joined nothing and may join so many topics.
    pub fn new(router: Router, max_channels: usize) -> Self {
        Self { session: Session::new(max_channels), router }
    }

    /// Takes a message of the client.
    pub fn on_message(&mut self, message: Message) -> Effects {
        let mut effects = Vec::new();
        self.session.on_message(message, &self.router, &mut effects);
        Effects(effects)
    }

    /// The join callback of the socket's n-th channel, counted from 0, has returned.
    pub fn join_callback_done(&mut self, channel: u32) {
        let mut effects = Vec::new();
        self.session.on_events([Event::JoinCallbackDone(ChannelKey(channel))], &self.router, &mut effects);
    }
}
