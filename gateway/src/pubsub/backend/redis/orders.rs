//! Orders that were given while this pod did not hear the control channel: they stand in a log in Redis, and are performed
//! when the channel is heard again.

use std::sync::Arc;
use std::time::Duration;

use fred::error::Error;

use super::super::Sink;
use super::backend::Redis;
use crate::pubsub::envelope;

/// How soon the log is asked for again.
const RETRY: Duration = Duration::from_millis(250);

impl<S: Sink + 'static> Redis<S> {
    /// Performs the orders of the log each time that the control channel is heard again. All of them: which were missed
    /// is not known, since a connection may have been dead for a while before that was noticed, and an order that was
    /// performed already finds nothing older than itself.
    pub(super) async fn catch_up(self: Arc<Self>) {
        loop {
            self.incoming.control_heard.notified().await;
            while let Err(error) = self.perform_logged().await {
                tracing::debug!(%error, "the log of orders cannot be read");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn perform_logged(&self) -> Result<(), Error> {
        let log = vec![self.incoming.keys.control()];
        let reply = self.scripts.orders.run(&self.clients[0], log, Vec::new()).await?;
        let Some(sink) = self.incoming.sink.upgrade() else { return Ok(()) };
        for entry in reply.into_array().chunks_exact(2) {
            let [age, order] = entry else { continue };
            let Some(age) = age.as_str().and_then(|age| age.parse().ok()).map(Duration::from_millis) else { continue };
            // What a newer version writes there is not for this one.
            if let Some(Ok(control)) = order.as_bytes().map(envelope::decode_control) {
                sink.controlled(control, age);
            }
        }
        Ok(())
    }
}
