use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;

use super::page::{Limit, Page, Raw};
use super::position::{Epoch, Retention};

/// The store cannot be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the history cannot be read at the moment")]
pub struct StoreUnavailable;

/// What is asked of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Messages behind this one.
    pub after: u64,
    /// The life that `after` belongs to: of another one, all messages are asked for. None: of whichever there is.
    pub epoch: Option<Epoch>,
    /// How many.
    pub limit: Limit,
    /// Given by a pod that hosts the topic: the stream begins if there is none, and its position is remembered for
    /// that retention's life from now.
    pub renew: Option<Retention>,
}

/// A reading under way. None when there is no stream and none was to begin.
pub type Reading = Pin<Box<dyn Future<Output = Result<Option<Page<Raw>>, StoreUnavailable>> + Send>>;

/// Where streams are kept. Whoever publishes appends; see `pubsub`'s backends.
pub trait Store: Send + Sync {
    /// Reads messages in order, and where the stream is, both at one time.
    fn read(&self, topic: &Arc<str>, read: Read) -> Reading;
}
