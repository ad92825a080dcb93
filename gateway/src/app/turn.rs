use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::sleep;

use crate::channel::Endpoint;
use crate::clock::unix_millis;
use crate::pubsub::{IdempotencyKey, KeyedPublication};
use crate::wire::Payload;

/// One turn of a job ([`crate::Builder::every`]): the same on all pods.
#[derive(Debug, Clone)]
pub struct Turn {
    endpoint: Endpoint,
    job: Arc<str>,
    number: u64,
}

impl Turn {
    /// How many periods have passed since 1970. All pods count alike, as far as their clocks agree.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Sends an event to all subscribers of a topic, on every pod, unless it has been sent there in this turn of this
    /// job: the first one counts, whichever pod it is of, and so does one of this pod. Different events, and those to
    /// different topics, are apart. Await the result to learn whether it was this one.
    ///
    /// Each is remembered by an idempotency key, some 100 bytes in Redis for 24 hours: a job that tells 100 topics once
    /// a minute keeps 14 MB there. Without Redis this pod remembers its last 65,536 keys, of jobs and of all others.
    pub fn broadcast(&self, topic: &str, event: &str, payload: impl Into<Payload>) -> KeyedPublication {
        let key = IdempotencyKey::of_turn(&self.job, self.number, event);
        self.endpoint.broadcast_once(topic, event, payload, key)
    }

    /// Sends to topics and sockets whatever other pods do.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// Runs a job at each multiple of its period.
pub(super) async fn turns<F, E>(name: Arc<str>, period: Duration, endpoint: Endpoint, job: F)
where
    F: Fn(Turn) -> Pin<Box<dyn Future<Output = Result<(), E>> + Send>>,
    E: std::fmt::Display,
{
    let period_ms = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1);
    let mut last = 0;
    loop {
        let now = unix_millis();
        let next = now / period_ms + 1;
        // A timer may be early by a moment: the turn that has been is not the next one.
        let number = if next == last { next + 1 } else { next };
        sleep(Duration::from_millis(number.saturating_mul(period_ms).saturating_sub(now))).await;
        last = number;
        let turn = Turn { endpoint: endpoint.clone(), job: Arc::clone(&name), number };
        match AssertUnwindSafe(async { job(turn).await }).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(job = &*name, %error, "a job failed"),
            Err(_panic) => tracing::error!(job = &*name, "a job panicked"),
        }
    }
}
