use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::error::Failure;
use super::metrics::Metrics;

/// How often a database that answers is looked at, so that an outage shows without traffic too.
const CALM: Duration = Duration::from_secs(5);

/// How often one that is away is.
const ANXIOUS: Duration = Duration::from_millis(500);

/// Complaints of a database that is there stand in the log that often at most.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// Whether the database is there. While it is not, calls fail at once and one task goes on asking: what waits for a
/// database that is away makes others wait.
pub(super) struct Health {
    state: Mutex<State>,
    changed: Notify,
    metrics: Metrics,
}

struct State {
    away: bool,
    complained: Option<Instant>,
}

impl Health {
    pub(super) fn new(metrics: Metrics) -> Self {
        let state = Mutex::new(State { away: false, complained: None });
        Self { state, changed: Notify::new(), metrics }
    }

    /// Whether a call would fail anyway.
    pub(super) fn is_away(&self) -> bool {
        self.state.lock().away
    }

    /// A call has failed.
    pub(super) fn failed(&self, failure: &Failure) {
        let mut state = self.state.lock();
        if failure.is_outage() {
            if !std::mem::replace(&mut state.away, true) {
                tracing::warn!(error = %failure, "the database is away");
                self.metrics.up(false);
                self.changed.notify_one();
            }
        } else if state.complained.is_none_or(|before| before.elapsed() >= COMPLAINTS) {
            state.complained = Some(Instant::now());
            tracing::error!(error = %failure, "the database refuses what the gateway asks");
        }
    }

    /// The database answers.
    pub(super) fn answered(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.away, false) {
            tracing::info!("the database answers again");
            self.metrics.up(true);
        }
    }

    /// Resolves when it is time to look.
    pub(super) async fn due(&self) {
        if self.is_away() {
            return tokio::time::sleep(ANXIOUS).await;
        }
        tokio::select! {
            () = self.changed.notified() => {}
            () = tokio::time::sleep(CALM) => {}
        }
    }
}
