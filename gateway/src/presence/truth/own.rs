use serde_json::Value;

use super::super::model::{Meta, PhxRef, TrackedMeta};
use super::{PREVIOUS, REF};

/// Since when a client has been there; who comes back has been there all along.
const SINCE: &str = "online_at";

/// One state of one client.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) phx_ref: PhxRef,
    /// The text of an object without `phx_ref`: one allocation, where the object itself would take half a kilobyte.
    meta: Box<str>,
}

impl Own {
    pub(super) fn new(phx_ref: PhxRef, meta: &Meta) -> Self {
        // Strings and values alone: that cannot fail.
        Self { phx_ref, meta: serde_json::to_string(meta).unwrap_or_else(|_| "{}".into()).into() }
    }

    /// A client that came back: if it says what it said, nothing has changed.
    pub(super) fn returned(former: &TrackedMeta, mut meta: Meta) -> Self {
        let mut old = former.to_map();
        old.remove(REF);
        if let Some(since) = old.get(SINCE) {
            meta.insert(SINCE.into(), since.clone());
        }
        let previous = old.remove(PREVIOUS);
        if old == meta {
            old.extend(previous.map(|previous| (PREVIOUS.to_owned(), previous)));
            return Self::new(former.phx_ref().clone(), &old);
        }
        meta.insert(PREVIOUS.into(), Value::from(former.phx_ref().as_str()));
        Self::new(PhxRef::random(), &meta)
    }

    /// What the application says, parsed, and `phx_ref_prev` if there is one.
    pub(super) fn meta(&self) -> Meta {
        // It was an object when it was written.
        serde_json::from_str(&self.meta).unwrap_or_default()
    }

    pub(super) fn text(&self) -> Box<str> {
        self.meta.clone()
    }

    /// Makes it a state that nobody knows, without a predecessor.
    pub(super) fn begin_anew(&mut self) {
        let mut meta = self.meta();
        meta.remove(PREVIOUS);
        *self = Self::new(PhxRef::random(), &meta);
    }
}
