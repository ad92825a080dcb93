use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// Until when a connection may stay at HTTP. Long polls prolong it, each by itself and the time for the next request.
#[derive(Debug)]
pub(super) struct Patience {
    until: Mutex<Instant>,
    pause: Duration,
}

impl Patience {
    /// Until then; `pause` is how long after a poll the next one may take.
    pub(super) fn new(until: Instant, pause: Duration) -> Self {
        Self { until: Mutex::new(until), pause }
    }

    /// A poll may last until then.
    pub(super) fn extend(&self, until: Instant) {
        let mut held = self.until.lock();
        *held = (*held).max(until + self.pause);
    }

    /// Resolves when the time is over.
    pub(super) async fn over(&self) {
        loop {
            let until = *self.until.lock();
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn polls_prolong_it() {
        let began = Instant::now();
        let patience = Arc::new(Patience::new(began + Duration::from_secs(30), Duration::from_secs(10)));
        let over = tokio::join!(patience.over(), async {
            tokio::time::sleep(Duration::from_secs(25)).await;
            patience.extend(Instant::now() + Duration::from_secs(10));
        });
        assert_eq!(over, ((), ()));
        assert_eq!(began.elapsed().as_secs(), 45);
    }
}
