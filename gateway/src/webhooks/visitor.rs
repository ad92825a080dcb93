use std::sync::Arc;

use http::HeaderValue;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The longest header of a trace that is passed on, in bytes; longer ones are none (W3C Trace Context).
const MAX_TRACE: usize = 512;

/// The trace that a client's request to connect belongs to. Its calls belong to it, too.
#[derive(Debug, Clone)]
pub(crate) struct TraceContext {
    pub(super) parent: HeaderValue,
    pub(super) state: Option<HeaderValue>,
}

impl TraceContext {
    /// Of the headers `traceparent` and `tracestate`. Without the first the second means nothing.
    pub(crate) fn of_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let (mut parent, mut state) = (None, None);
        for (name, value) in headers.filter(|(_, value)| value.len() <= MAX_TRACE) {
            match name {
                "traceparent" => parent = HeaderValue::from_str(value).ok(),
                "tracestate" => state = HeaderValue::from_str(value).ok(),
                _ => {}
            }
        }
        Some(Self { parent: parent?, state })
    }
}

/// One join of one client, as back ends are told of it.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(super) join_id: Uuid,
    pub(super) topic: Arc<str>,
    pub(super) socket_id: Option<Box<str>>,
    pub(super) socket_uuid: Uuid,
    pub(super) user: Option<Box<str>>,
    pub(super) trace: Option<TraceContext>,
    /// What the back end wants to be told again.
    pub(crate) assigns: Option<Box<RawValue>>,
    /// How many events were posted.
    pub(super) events: u64,
}

impl Visitor {
    /// A client that joins a topic. `user` is who it has proved to be, never what it claims.
    pub(crate) fn new(
        topic: Arc<str>,
        socket_id: Option<&str>,
        socket_uuid: Uuid,
        user: Option<&str>,
        trace: Option<TraceContext>,
    ) -> Self {
        let (socket_id, user) = (socket_id.map(Into::into), user.map(Into::into));
        Self { join_id: Uuid::new_v4(), topic, socket_id, socket_uuid, user, trace, assigns: None, events: 0 }
    }
}
