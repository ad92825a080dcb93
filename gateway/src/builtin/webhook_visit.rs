use std::sync::Arc;

use crate::auth::Identity;
use crate::channel::{Client, Context, Ended};
use crate::webhooks::{Hook, LeaveReason, TraceContext, Visitor};

/// One join of one client, which its back end is told of. Once the back end may believe that the client is there, it is
/// told of the end, however that comes: when this is dropped.
pub(super) struct Visit {
    hook: Arc<Hook>,
    /// Taken when this is dropped.
    visitor: Option<Visitor>,
    /// Whether the back end is to be told of the end, and what.
    leave: Option<LeaveReason>,
}

impl Visit {
    /// Of the client of a channel.
    pub(super) fn new(hook: Arc<Hook>, cx: &Context) -> Self {
        let client = cx.client();
        let trace = client.assign::<TraceContext>().cloned();
        let visitor = Visitor::new(cx.topic().into(), client.id(), *client.uuid(), proven_user(client), trace);
        Self { hook, visitor: Some(visitor), leave: None }
    }

    pub(super) fn visitor(&mut self) -> Option<&mut Visitor> {
        self.visitor.as_mut()
    }

    /// The back end is asked to let the client in: from now on it may have.
    pub(super) fn begin(&mut self) {
        self.leave = Some(LeaveReason::Aborted);
    }

    /// It has not.
    pub(super) fn refused(&mut self) {
        self.leave = None;
    }

    /// The channel ends.
    pub(super) fn end(&mut self, reason: Ended) {
        let reason = match reason {
            Ended::Left => LeaveReason::Left,
            Ended::Replaced => LeaveReason::Replaced,
            Ended::Stopped => LeaveReason::Stopped,
            Ended::Crashed => LeaveReason::Crashed,
            Ended::SocketClosed => LeaveReason::SocketClosed,
        };
        self.leave = self.leave.map(|_| reason);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let (Some(visitor), Some(reason)) = (self.visitor.take(), self.leave) {
            self.hook.leave(visitor, reason);
        }
    }
}

/// Who the client has proved to be. What it says in params is no proof.
pub(super) fn proven_user(client: &Client) -> Option<&str> {
    client.assign::<Identity>().map(Identity::sub)
}
