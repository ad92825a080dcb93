use parking_lot::Mutex;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::breaker::{Admission, Breaker, Change, Health};
use super::error::CallError;
use super::lane::Lane;
use super::metrics::Metrics;
use super::request::Kind;
use super::share::{Place, Shares};
use super::throttle::Throttle;

/// Joins and events of one back end that are under way, and that may wait.
const CALLS: (usize, usize) = (64, 1024);

/// Those of one connection that are under way; more of them wait for these, not in front of others.
const CALLS_OF_ONE: usize = 8;

/// Leaves: apart, so that a pod whose clients all go does not keep others from joining.
const LEAVES: (usize, usize) = (16, 1024);

/// What stands before one back end, whichever patterns use it: how much it gets at once, and whether it gets anything.
pub(super) struct Gate {
    /// For the log: the URL without its query.
    name: String,
    shares: Shares,
    calls: Lane,
    leaves: Lane,
    breaker: Mutex<Breaker>,
    throttle: Mutex<Throttle>,
    metrics: Metrics,
}

/// The right to make one call. Dropped unsettled, it says nothing about the back end.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    admission: Option<Admission>,
    _permit: SemaphorePermit<'a>,
    _place: Option<Place<'a>>,
}

impl Gate {
    pub(super) fn new(url: &Url, metrics: Metrics) -> Self {
        let mut name = url.clone();
        name.set_query(None);
        Self {
            name: name.into(),
            shares: Shares::new(CALLS_OF_ONE),
            calls: Lane::new(CALLS.0, CALLS.1),
            leaves: Lane::new(LEAVES.0, LEAVES.1),
            breaker: Mutex::new(Breaker::new()),
            throttle: Mutex::default(),
            metrics,
        }
    }

    /// Waits for a place, first among those of the connection. Refuses at once while the back end is left alone, or when too many wait.
    pub(super) async fn enter(&self, kind: Kind, client: Uuid) -> Result<Pass<'_>, CallError> {
        if self.breaker.lock().is_shut(Instant::now()) {
            return Err(CallError::CircuitOpen);
        }
        let (lane, place) = match kind {
            Kind::Join | Kind::Event => (&self.calls, self.shares.enter(client).await),
            Kind::Leave => (&self.leaves, None),
        };
        let permit = lane.enter().await.ok_or(CallError::Overloaded)?;
        // It may have been left alone meanwhile.
        let admission = self.breaker.lock().admit(Instant::now()).ok_or(CallError::CircuitOpen)?;
        Ok(Pass { gate: self, admission: Some(admission), _permit: permit, _place: place })
    }

    /// Tells the operator of a failed call, not of each.
    pub(super) fn warn(&self, kind: Kind, error: &CallError) {
        if let Some(suppressed) = self.throttle.lock().admit(Instant::now()) {
            let (backend, kind) = (&self.name, kind.label());
            tracing::warn!(backend, kind, %error, suppressed, "a webhook call failed");
        }
    }

    fn settle(&self, admission: Admission, health: Health) {
        let change = self.breaker.lock().settle(admission, health, Instant::now());
        let backend = &self.name;
        match change {
            Change::None => {}
            Change::Opened => {
                self.metrics.circuits_open.inc();
                tracing::warn!(backend, "a webhook back end fails and is left alone for some seconds");
            }
            Change::Closed => {
                self.metrics.circuits_open.dec();
                tracing::info!(backend, "a webhook back end answers again");
            }
        }
    }
}

impl Pass<'_> {
    /// Says what the call showed of the back end.
    pub(super) fn settle(mut self, health: Health) {
        if let Some(admission) = self.admission.take() {
            self.gate.settle(admission, health);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            self.gate.settle(admission, Health::Unknown);
        }
    }
}
