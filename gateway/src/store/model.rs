use serde::Serialize;
use uuid::Uuid;

use super::error::StoreError;
use super::timestamp::Timestamp;

/// The longest role in bytes.
pub(crate) const MAX_ROLE: usize = 64;

/// Who sent a message: the names that senders give do not clash between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A client, over its connection.
    Client,
    /// The application: its back ends, or code of its own.
    BackEnd,
}

impl Source {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::BackEnd => "backend",
        }
    }
}

/// A message to store.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    /// Where it is about to be broadcast.
    pub topic: &'a str,
    /// What is meant.
    pub event: &'a str,
    /// A JSON object.
    pub payload: &'a str,
    /// Who sent it.
    pub source: Source,
    /// The user of a client that has one.
    pub sender: Option<&'a str>,
    /// What the sender calls it: the same topic, source, sender and name are the same message.
    pub sender_message_id: Option<&'a str>,
}

impl NewMessage<'_> {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let optional = [self.sender, self.sender_message_id].into_iter().flatten();
        storable([self.topic, self.event].into_iter().chain(optional))
    }
}

/// Postgres has no character U+0000 in text.
pub(super) fn storable<'a>(mut names: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
    if names.any(|name| name.contains('\0')) { Err(StoreError::Unstorable) } else { Ok(()) }
}

/// A message that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// A UUID of version 7.
    pub id: Uuid,
    /// What is meant.
    pub event: String,
    /// The JSON object as it was sent.
    pub payload: String,
    /// Who sent it.
    pub source: Source,
    /// The user of a client that had one.
    pub sender: Option<String>,
    /// What the sender calls it.
    pub sender_message_id: Option<String>,
    /// When it was stored, by the clock of the pod that stored it.
    pub inserted_at: Timestamp,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insertion {
    /// It is stored.
    New {
        /// Its name.
        id: Uuid,
        /// Its time.
        inserted_at: Timestamp,
    },
    /// Its sender had sent it before: this is what was stored then.
    Repeat(Archived),
}

/// Who may join a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The `sub` of its tokens.
    pub user: String,
    /// What it is there. The gateway only keeps it.
    pub role: String,
    /// Since when it is a member.
    pub inserted_at: Timestamp,
}

/// What is written for a message.
pub(super) struct Row<'a> {
    pub(super) id: Uuid,
    pub(super) inserted_at: Timestamp,
    pub(super) message: NewMessage<'a>,
}
