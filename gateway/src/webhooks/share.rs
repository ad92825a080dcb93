use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// How much of a back end each connection gets at once, so that one with many topics leaves it to others too.
///
/// Who waits is not counted: a channel has one call under way, so there are no more than a connection has channels.
#[derive(Debug)]
pub(super) struct Shares {
    each: usize,
    /// Those that have a call under way, or one that waits.
    clients: Mutex<HashMap<Uuid, Share>>,
}

#[derive(Debug)]
struct Share {
    permits: Arc<Semaphore>,
    calls: usize,
}

/// One call of a connection, for as long as it exists.
struct Counted<'a> {
    shares: &'a Shares,
    client: Uuid,
}

/// A place among those of a connection.
pub(super) struct Place<'a> {
    // The order matters to nobody: a share that is forgotten has nobody who waits.
    _permit: OwnedSemaphorePermit,
    _counted: Counted<'a>,
}

impl Shares {
    /// So many calls of each connection at once.
    pub(super) fn new(each: usize) -> Self {
        Self { each, clients: Mutex::default() }
    }

    /// Waits for a place, oldest first. None only if the semaphore is closed, which nobody does.
    pub(super) async fn enter(&self, client: Uuid) -> Option<Place<'_>> {
        let (permits, counted) = self.count(client);
        let permit = permits.acquire_owned().await.ok()?;
        Some(Place { _permit: permit, _counted: counted })
    }

    fn count(&self, client: Uuid) -> (Arc<Semaphore>, Counted<'_>) {
        let mut clients = self.clients.lock();
        let share = clients.entry(client);
        let share = share.or_insert_with(|| Share { permits: Arc::new(Semaphore::new(self.each)), calls: 0 });
        share.calls += 1;
        (Arc::clone(&share.permits), Counted { shares: self, client })
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut clients = self.shares.clients.lock();
        if let Some(share) = clients.get_mut(&self.client) {
            share.calls -= 1;
            if share.calls == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn each_connection_has_its_own_places_and_nothing_is_kept_of_who_has_gone() {
        let shares = Shares::new(2);
        let (alice, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let enter = |client| Box::pin(shares.enter(client));
        let first = enter(alice).now_or_never().flatten().unwrap();
        let second = enter(alice).now_or_never().flatten().unwrap();
        let (mut third, mut fourth) = (enter(alice), enter(alice));
        assert!((&mut third).now_or_never().is_none() && (&mut fourth).now_or_never().is_none());
        let other = enter(bob).now_or_never().flatten().unwrap();
        drop(first);
        assert!((&mut fourth).now_or_never().is_none(), "the oldest is first");
        let third = third.now_or_never().flatten().unwrap();
        // Who gives up is forgotten as well.
        drop((fourth, second, other));
        assert_eq!(shares.clients.lock().len(), 1);
        drop(third);
        assert!(shares.clients.lock().is_empty());
    }
}
