use super::context::{Context, JoinContext};
use crate::history::{Limit, Page, Stored};
use crate::pubsub::HistoryError;

/// How many bytes one reading brings at most, beside its first message.
const MAX_BYTES: usize = 1024 * 1024;

/// The messages that the topic of a channel keeps ([`super::Channel::history`]).
///
/// ```
/// # use gateway::{Channel, Context, HandlerResult, JoinContext, JoinResult, Outcome, Payload};
/// # use gateway::history::Retention;
/// # use serde_json::json;
/// # use std::time::Duration;
/// # struct Room;
/// # impl Channel for Room {
/// fn history() -> Option<Retention> {
///     Some(Retention::new(500, Duration::from_secs(600)))
/// }
///
/// async fn join(&mut self, _: Payload, cx: &mut JoinContext) -> JoinResult {
///     let last: Vec<_> = cx.history().last(50).await?.iter().map(|message| message.offset).collect();
///     Ok(Payload::json(&json!({ "last": last }))?)
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct ChannelHistory<'a>(&'a Context);

impl Context {
    /// What the topic keeps.
    pub fn history(&self) -> ChannelHistory<'_> {
        ChannelHistory(self)
    }
}

impl JoinContext {
    /// What the topic keeps.
    pub fn history(&self) -> ChannelHistory<'_> {
        self.0.history()
    }
}

impl ChannelHistory<'_> {
    /// Messages behind an offset, oldest first, at most so many and about 1 MiB. None when there never were any.
    ///
    /// # Errors
    /// When the topic keeps no history, or Redis does not answer.
    pub async fn after(&self, offset: u64, messages: usize) -> Result<Option<Page>, HistoryError> {
        let limit = Limit { messages: messages.max(1), bytes: MAX_BYTES };
        self.0.endpoint().pubsub().history_page(&self.0.seat.topic, offset, limit).await
    }

    /// The last messages, oldest first: at most so many and about 1 MiB, in which case the oldest of them are returned.
    ///
    /// # Errors
    /// See [`ChannelHistory::after`].
    pub async fn last(&self, messages: usize) -> Result<Vec<Stored>, HistoryError> {
        // Behind the end there is nothing, but where the end is.
        let Some(end) = self.after(u64::MAX, 1).await? else { return Ok(Vec::new()) };
        let before = end.position.offset.saturating_sub(messages as u64);
        Ok(self.after(before, messages).await?.map(|page| page.messages).unwrap_or_default())
    }
}
