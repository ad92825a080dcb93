//! Where a connection of Supabase's dialect differs from one of Phoenix' (protocol 8.2, 8.7): what refused joins say, what
//! becomes of who sends too much, and what clients hear before the server closes. The channels are `supabase`'s.

use serde_json::json;

use super::close::CloseReason;
use crate::wire::{Payload, Reason};

/// The event of messages from the server about the channel itself.
pub(crate) const SYSTEM: &str = "system";

/// A message for a channel: its client sends more than `limits.messages_per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyMessages;

/// What a join is told that the socket itself refuses. Clients tell these reasons by what stands before the colon, and wait
/// for longer before they try again.
pub(super) fn join_refusal(reason: Reason) -> Payload {
    let text = match reason {
        Reason::TooManyChannels => "ChannelRateLimitReached: Too many channels",
        Reason::RateLimited => "ClientJoinRateLimitReached: Too many joins per second",
        reason => return reason.payload(),
    };
    Payload::from(json!({ "reason": text }))
}

/// What is said on each topic of a client before its connection ends, if the server ends it without its fault.
pub(super) fn goodbye(reason: CloseReason) -> Option<Payload> {
    let is_asked_to_go = reason.lets_finish() || reason == CloseReason::Disconnected;
    let message = json!({ "extension": "system", "status": "ok", "message": "Server requested disconnect" });
    is_asked_to_go.then(|| Payload::from(message))
}
