use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
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
    key: IdempotencyKey,
    number: u64,
}

impl Turn {
    /// How many periods have passed since 1970. All pods count alike, as far as their clocks agree.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Sends an event to all subscribers of a topic, on every pod, unless a pod has done so in this turn of this job:
    /// the first one counts, and one such message for each topic and turn. Await the result to learn whether it was this
    /// one; without Redis it is, always.
    pub fn broadcast(&self, topic: &str, event: &str, payload: impl Into<Payload>) -> KeyedPublication {
        self.endpoint.broadcast_once(topic, event, payload, self.key.clone())
    }

    /// Sends to topics and sockets whatever other pods do.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// Runs a job at each multiple of its period.
pub(super) async fn turns<F, E>(name: Box<str>, period: Duration, endpoint: Endpoint, job: F)
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
        let key = IdempotencyKey::of_turn(&name, number);
        let turn = Turn { endpoint: endpoint.clone(), key, number };
        match AssertUnwindSafe(async { job(turn).await }).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(job = &*name, %error, "a job failed"),
            Err(_panic) => tracing::error!(job = &*name, "a job panicked"),
        }
    }
}
