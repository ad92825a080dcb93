use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The way of answers to other pods: it has room for so many bytes, and who finds none waits in turn. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Way {
    room: Arc<Semaphore>,
    size: u32,
}

/// Room on a way, taken until this is dropped.
#[derive(Debug)]
pub(super) struct Room(OwnedSemaphorePermit);

impl Way {
    /// With room for so many bytes.
    pub(super) fn new(size: u32) -> Self {
        Self { room: Arc::new(Semaphore::new(size as usize)), size }
    }

    /// Takes room, if there is some now. What is larger than the way takes all of it.
    pub(super) fn try_room(&self, bytes: usize) -> Option<Room> {
        Arc::clone(&self.room).try_acquire_many_owned(self.charge(bytes)).ok().map(Room)
    }

    /// Waits for room. None: there was none in time.
    pub(super) async fn room(&self, bytes: usize, deadline: Instant) -> Option<Room> {
        let room = Arc::clone(&self.room).acquire_many_owned(self.charge(bytes));
        timeout_at(deadline, room).await.ok()?.ok().map(Room)
    }

    fn charge(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.size)
    }
}

impl Room {
    /// For how many bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.num_permits()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_in_turn_and_not_for_ever() {
        let (way, second) = (Way::new(10), Duration::from_secs(1));
        let all = way.try_room(11).unwrap();
        assert_eq!(all.bytes(), 10, "what is larger than the way goes alone");
        assert!(way.try_room(1).is_none());
        assert!(way.room(1, Instant::now() + second).await.is_none());
        let (waiting, ()) = tokio::join!(way.room(8, Instant::now() + second), async { drop(all) });
        assert!(way.try_room(3).is_none());
        drop(waiting);
        assert!(way.try_room(10).is_some());
    }
}
