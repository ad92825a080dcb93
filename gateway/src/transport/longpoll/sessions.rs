use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::desk::Desk;
use super::token::SessionId;

/// The desks of this pod.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<SessionId, Arc<Desk>>>);

impl Sessions {
    pub(super) fn find(&self, session: &SessionId) -> Option<Arc<Desk>> {
        self.0.lock().get(session).cloned()
    }

    /// Adds a desk until what is returned is dropped.
    pub(super) fn add(self: &Arc<Self>, session: SessionId, desk: Arc<Desk>) -> Listed {
        self.0.lock().insert(session.clone(), desk);
        Listed { sessions: Arc::clone(self), session }
    }
}

/// Takes a desk off the list when it is dropped.
pub(super) struct Listed {
    sessions: Arc<Sessions>,
    session: SessionId,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.sessions.0.lock().remove(&self.session);
    }
}
