use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// A bounded number of calls under way, and a bounded number that wait, oldest first.
#[derive(Debug)]
pub(super) struct Lane {
    permits: Semaphore,
    waiting: AtomicUsize,
    max_waiting: usize,
}

/// Counts one that waits, for as long as it exists.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lane {
    pub(super) fn new(max_running: usize, max_waiting: usize) -> Self {
        Self { permits: Semaphore::new(max_running), waiting: AtomicUsize::new(0), max_waiting }
    }

    /// A place, once there is one; None at once when too many wait for one.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Some(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.max_waiting {
            return None;
        }
        // It fails only when the semaphore is closed, which nobody does.
        self.permits.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn so_many_run_so_many_wait_and_the_rest_is_refused_at_once() {
        let lane = Lane::new(1, 2);
        let running = lane.enter().now_or_never().unwrap().unwrap();
        let (mut first, mut second) = (Box::pin(lane.enter()), Box::pin(lane.enter()));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        assert!(lane.enter().now_or_never().unwrap().is_none());
        // Who gives up makes place for another.
        drop(second);
        let mut third = Box::pin(lane.enter());
        assert!((&mut third).now_or_never().is_none());
        drop(running);
        assert!((&mut third).now_or_never().is_none(), "the oldest is first");
        let running = first.now_or_never().unwrap().unwrap();
        drop(running);
        assert!(third.now_or_never().unwrap().is_some());
    }
}
