use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Whether a connection is up, for those who wait for it.
#[derive(Debug)]
pub(super) struct Status(watch::Sender<Now>);

#[derive(Debug, Clone, Copy)]
struct Now {
    up: bool,
    since: Instant,
    ever: bool,
}

impl Status {
    /// Down, and never up before.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Now { up: false, since: Instant::now(), ever: false }))
    }

    /// How long it has been down.
    pub(super) fn outage(&self) -> Option<Duration> {
        self.0.borrow().outage()
    }

    /// Whether it was up at some time.
    pub(super) fn ever_up(&self) -> bool {
        self.0.borrow().ever
    }

    /// It is up. Whether that is news.
    pub(super) fn rise(&self) -> bool {
        self.0.send_if_modified(|now| {
            let news = !now.up;
            if news {
                *now = Now { up: true, since: Instant::now(), ever: true };
            }
            news
        })
    }

    /// It is down. Whether that is news.
    pub(super) fn fall(&self) -> bool {
        self.0.send_if_modified(|now| {
            let news = now.up;
            if news {
                *now = Now { up: false, since: Instant::now(), ever: true };
            }
            news
        })
    }

    /// Waits until it is up, or has been down for `limit`.
    pub(super) async fn settled(&self, limit: Duration) {
        let mut status = self.0.subscribe();
        loop {
            let now = *status.borrow_and_update();
            let Some(left) = now.outage().and_then(|outage| limit.checked_sub(outage)) else { return };
            if left.is_zero() || tokio::time::timeout(left, status.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Now {
    fn outage(self) -> Option<Duration> {
        (!self.up).then(|| self.since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_rise_or_the_limit() {
        let (status, limit) = (Status::new(), Duration::from_secs(1));
        let start = Instant::now();
        status.settled(limit).await;
        assert_eq!(start.elapsed(), limit);
        status.settled(limit).await;
        assert_eq!(start.elapsed(), limit, "it has been down that long already");
        assert!(status.rise() && !status.rise());
        assert_eq!(status.outage(), None);
        assert!(status.fall() && !status.fall());
        tokio::join!(status.settled(limit), async {
            tokio::time::sleep(limit / 2).await;
            status.rise();
        });
        assert_eq!(start.elapsed(), limit + limit / 2);
    }
}
