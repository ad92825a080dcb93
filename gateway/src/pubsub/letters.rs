//! What one node sends to one other, beside the broadcasts to all: requests that belong to a connection which lives elsewhere.

use bytes::Bytes;

use super::error::Unavailable;
use super::message::LetterHandler;
use super::service::PubSub;
use crate::ids::NodeId;

impl PubSub {
    /// Has this node hear what others send to it alone. Only the first handler counts; embedded, nothing ever comes.
    pub fn open_letters(&self, handler: LetterHandler) {
        self.backend().open_letters(handler);
    }

    /// Sends something to one node, once. How many heard it: none when that node is gone, or when its connection to Redis
    /// is just coming back.
    ///
    /// # Errors
    /// When Redis does not answer in time: then it may have been heard.
    pub async fn send_letter(&self, to: &NodeId, letter: Bytes) -> Result<usize, Unavailable> {
        self.backend().send_letter(to, letter).await
    }

    /// A secret that all nodes of the deployment share for a purpose: the proposal of the first of them. Embedded, it is
    /// this proposal. To be asked for again from time to time with what came, since Redis may lose it.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn shared_secret(&self, purpose: &str, proposal: Bytes) -> Result<Bytes, Unavailable> {
        self.backend().shared_secret(purpose, proposal).await
    }
}
