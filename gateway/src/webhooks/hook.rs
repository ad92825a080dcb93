use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;
use uuid::Uuid;

use super::answer::Answer;
use super::breaker::Health;
use super::client::HttpClient;
use super::error::{CallError, InvalidAnswer};
use super::gate::Gate;
use super::metrics::Metrics;
use super::request::{Kind, LeaveReason, Message, Request};
use super::signature::SigningKey;
use super::visitor::Visitor;
use crate::clock::unix_seconds;
use crate::lifecycle::Tasks;
use crate::wire::{Payload, Ref};

/// How long to wait before a connection is tried a second time: a back end that is being replaced is back soon.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How long leaves may still take once the pod's work ends.
const LAST_LEAVES: Duration = Duration::from_secs(1);

/// The back end of one pattern.
pub(crate) struct Hook {
    pub(super) url: Url,
    pub(super) key: SigningKey,
    pub(super) timeout: Duration,
    pub(super) client: HttpClient,
    pub(super) gate: Arc<Gate>,
    pub(super) metrics: Metrics,
    pub(super) tasks: Tasks,
}

impl Hook {
    /// How long a client waits for an answer at most.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks whether a client may join.
    pub(crate) async fn join(&self, visitor: &Visitor, params: &Payload) -> Result<Answer, CallError> {
        self.call(visitor, Message::Join { params }, Instant::now() + self.timeout).await
    }

    /// Asks what to do about an event of a client, which is answered by the deadline.
    pub(crate) async fn event(
        &self,
        visitor: &mut Visitor,
        event: &str,
        payload: &Payload,
        reference: &Ref,
        deadline: Instant,
    ) -> Result<Answer, CallError> {
        visitor.events += 1;
        self.call(visitor, Message::Event { event, payload, reference }, deadline).await
    }

    /// Tells that a client is not in its topic any more. Nobody waits for it: while the pod stops, and when the back end
    /// is overloaded or away, it is left out.
    pub(crate) fn leave(self: &Arc<Self>, visitor: Visitor, reason: LeaveReason) {
        if self.tasks.is_stopping() {
            return;
        }
        let (hook, stopped) = (Arc::clone(self), self.tasks.stopped());
        self.tasks.spawn(async move {
            let deadline = Instant::now() + hook.timeout;
            let told = hook.call(&visitor, Message::Leave { reason }, deadline);
            tokio::pin!(told);
            tokio::select! {
                _ = &mut told => {}
                () = stopped => drop(timeout(LAST_LEAVES, told).await),
            }
        });
    }

    async fn call(&self, visitor: &Visitor, message: Message<'_>, deadline: Instant) -> Result<Answer, CallError> {
        let (kind, begun) = (message.kind(), Instant::now());
        let outcome = match message.sign(visitor, unix_seconds(), &self.key) {
            Some(request) => self.exchange(kind, visitor.socket_uuid, &request, deadline).await,
            // The frames of clients are valid JSON, and binary ones are refused before.
            None => Err(InvalidAnswer::NotAnObject.into()),
        };
        let outcome = outcome.and_then(|body| Ok(Answer::read(kind, &body)?));
        self.metrics.observe(kind, &outcome, begun.elapsed());
        if let Err(error) = &outcome {
            self.gate.warn(kind, error);
        }
        outcome
    }

    async fn exchange(
        &self,
        kind: Kind,
        client: Uuid,
        request: &Request,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        if Instant::now() >= deadline {
            return Err(CallError::Timeout);
        }
        let pass = timeout_at(deadline, self.gate.enter(kind, client)).await.unwrap_or(Err(CallError::Timeout))?;
        // What has waited for long leaves the back end little time: that it is late then is not its fault.
        let fair = deadline.duration_since(Instant::now()) >= self.timeout / 2;
        let answered = timeout_at(deadline, self.post(request)).await.unwrap_or(Err(CallError::Timeout));
        pass.settle(match &answered {
            Err(CallError::Timeout) if !fair => Health::Unknown,
            Err(error) if error.is_outage() => Health::Failed,
            _ => Health::Alive,
        });
        answered
    }

    /// A second time only when no connection came about, so that nothing was sent: what a back end may have begun with is
    /// never repeated.
    async fn post(&self, request: &Request) -> Result<Bytes, CallError> {
        match self.client.post(&self.url, request).await {
            Err(CallError::Unreachable) => {
                sleep(RETRY_PAUSE).await;
                self.client.post(&self.url, request).await
            }
            outcome => outcome,
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
