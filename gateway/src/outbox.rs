//! The bounded queue of encoded frames that wait to be written to one connection.
//!
//! `pubsub` fills it (fan-out), so do channels and the socket itself (pushes, replies); the connection's task empties it.
//! It stands below them all, so that fan-out can write to a connection without knowing sockets.
//!
//! Invariants: nothing ever waits for room. A queue that is full turns into [`Overflowed`], takes nothing more, and the
//! connection's task closes it; publishers and other connections notice nothing. A frame of any size fits a queue that has
//! [room](Outbox::poll_room), and leaves some for those behind it. An empty queue owns no memory besides itself. One at a
//! time writes: the connection's task from its first look until it parks, and only while it sleeps those who write for it
//! ([`Batch`]).

mod flush;
mod packet;
mod packets;

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::net::tcp::OwnedWriteHalf;

pub use self::flush::{Batch, Flusher};
pub use self::packet::Packet;
pub use self::packets::Packets;

/// The queue was full: its client reads too slowly. The connection must be closed (1013).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the outbox is full")]
pub struct Overflowed;

/// What all outboxes of a pod may hold together, in bytes.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// What is written is subtracted at once, and may be added later: it can be below zero for a moment.
    used: AtomicIsize,
    /// Where fan-out may write itself.
    flusher: Option<Flusher>,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicIsize::new(0), flusher: None })
    }

    /// A budget of so many bytes, whose outboxes may be written to by fan-out.
    pub fn with_flusher(limit: usize, flusher: Flusher) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicIsize::new(0), flusher: Some(flusher) })
    }

    /// Bytes queued beyond the budget, 0 when within it.
    pub fn excess(&self) -> usize {
        usize::try_from(self.used.load(Ordering::Relaxed)).unwrap_or(0).saturating_sub(self.limit)
    }

    fn charge(&self, bytes: usize) {
        self.used.fetch_add(bytes.cast_signed(), Ordering::Relaxed);
    }

    fn discharge(&self, bytes: usize) {
        self.used.fetch_sub(bytes.cast_signed(), Ordering::Relaxed);
    }
}

/// What had changed for a connection's task.
#[derive(Debug, Default)]
pub struct Taken {
    /// What waits to be written, oldest first.
    pub packets: Packets,
    /// Whether [`Outbox::wake`] was called.
    pub signalled: bool,
    /// Whether the waker that the outbox is itself was woken.
    pub readable: bool,
}

/// The queue of one connection.
///
/// It is also the waker that the connection reads with, so that a task which was woken to write need not try to read.
#[derive(Debug)]
pub struct Outbox {
    queue: Mutex<Queue>,
    limit: u32,
    budget: Arc<Budget>,
}

#[derive(Debug, Default)]
struct Queue {
    packets: Packets,
    bytes: usize,
    waker: Option<Waker>,
    /// For who writes while the task sleeps; absent when nobody may.
    writer: Option<OwnedWriteHalf>,
    /// The task parked with something left to write, which nothing may overtake.
    blocked: bool,
    /// Somebody is about to write what waits, unless the task takes it before.
    due: bool,
    /// The task is awake, or about to be, and will look again before it parks.
    woken: bool,
    /// Something beside the packets has changed.
    signalled: bool,
    /// The client has sent something.
    readable: bool,
    overflowed: bool,
    /// Those who wait for room: few connections ever have any, and the others hold one word for it.
    waiting: Option<Box<Waiters>>,
}

#[derive(Debug, Default)]
struct Waiters(Vec<Waker>);

impl Outbox {
    /// An empty queue that takes `limit` bytes, of 4 GiB at most, counted against the pod's budget.
    pub fn new(limit: usize, budget: Arc<Budget>) -> Self {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Self { queue: Mutex::default(), limit, budget }
    }

    /// Queues a packet and wakes the connection's task.
    ///
    /// # Errors
    /// When the queue was full, now or before; the packet is dropped and the connection is about to be closed.
    pub fn push(&self, packet: Packet) -> Result<(), Overflowed> {
        let mut queue = self.queue.lock();
        let queued = self.enqueue(&mut queue, packet);
        let waker = queue.wake();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        queued
    }

    /// As [`Outbox::push`], but does not wake a task for which others may write. Whether the caller has to see to it that
    /// somebody does.
    fn push_unless_due(&self, packet: Packet) -> Result<bool, Overflowed> {
        let mut queue = self.queue.lock();
        let queued = self.enqueue(&mut queue, packet);
        if queued.is_ok() && queue.is_idle() {
            return Ok(!std::mem::replace(&mut queue.due, true));
        }
        let waker = queue.wake();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        queued.map(|()| false)
    }

    fn enqueue(&self, queue: &mut Queue, packet: Packet) -> Result<(), Overflowed> {
        if queue.overflowed {
            return Err(Overflowed);
        }
        let cost = packet.cost().min(self.largest_charge());
        if !self.has_room(queue) && queue.bytes + cost > self.limit as usize {
            self.overflow(queue);
            return Err(Overflowed);
        }
        queue.bytes += cost;
        queue.packets.push_back(packet);
        self.budget.charge(cost);
        Ok(())
    }

    /// Has the connection's task look at everything that concerns it.
    pub fn wake(&self) {
        let mut queue = self.queue.lock();
        queue.signalled = true;
        let waker = queue.wake();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Drops everything and refuses more, as if the queue had been full: the pod is over its budget.
    pub fn shed(&self) {
        let mut queue = self.queue.lock();
        self.overflow(&mut queue);
        let (waker, waiting) = (queue.wake(), queue.take_waiting());
        drop(queue);
        waker.into_iter().chain(waiting).for_each(Waker::wake);
    }

    /// Whether the queue is at most a quarter full, or has overflowed; else the task is woken when it is. What may be large
    /// is made only then, so that a client which reads slowly gets it late instead of being closed.
    pub fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if queue.overflowed || self.has_room(&queue) {
            return Poll::Ready(());
        }
        let Waiters(waiting) = &mut **queue.waiting.get_or_insert_default();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The most that one packet is charged: behind a frame that is larger than the queue others still find a place.
    pub fn largest_charge(&self) -> usize {
        self.limit as usize / 2
    }

    fn has_room(&self, queue: &Queue) -> bool {
        queue.bytes <= self.limit as usize / 4
    }

    /// Bytes that wait or are being written, with what each frame costs beside its own.
    pub fn queued_bytes(&self) -> usize {
        self.queue.lock().bytes
    }

    /// Takes all that waits. For the connection's task only: until it parks, nobody needs to wake it.
    /// What was taken still counts against the limits until the task says, with `written`, that those packets are out: the
    /// sum of what they were charged.
    ///
    /// # Errors
    /// When the queue was full.
    pub fn take(&self, written: usize) -> Result<Taken, Overflowed> {
        let mut queue = self.queue.lock();
        queue.woken = true;
        if queue.overflowed {
            return Err(Overflowed);
        }
        let waiting = self.discharge(&mut queue, written);
        // Who was to write it may have gone with the runtime.
        queue.due = false;
        let (signalled, readable) = (std::mem::take(&mut queue.signalled), std::mem::take(&mut queue.readable));
        let packets = std::mem::take(&mut queue.packets);
        drop(queue);
        waiting.into_iter().for_each(Waker::wake);
        Ok(Taken { packets, signalled, readable })
    }

    /// Has the connection's task woken at the next change, unless there was one since it took: then false. `written` as in
    /// [`Outbox::take`]; `blocked` says that it has taken something which it could not write yet.
    ///
    /// # Errors
    /// When the queue was full.
    pub fn park(&self, cx: &Context<'_>, written: usize, blocked: bool) -> Result<bool, Overflowed> {
        let mut queue = self.queue.lock();
        queue.blocked = blocked;
        if queue.overflowed {
            return Err(Overflowed);
        }
        let waiting = self.discharge(&mut queue, written);
        if queue.signalled || queue.readable || !queue.packets.is_empty() || !waiting.is_empty() {
            drop(queue);
            waiting.into_iter().for_each(Waker::wake);
            return Ok(false);
        }
        if !queue.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            queue.waker = Some(cx.waker().clone());
        }
        queue.woken = false;
        Ok(true)
    }

    /// Who waited for the room that there is now; to be woken without the lock.
    fn discharge(&self, queue: &mut Queue, written: usize) -> Vec<Waker> {
        if written > 0 {
            queue.bytes -= written;
            self.budget.discharge(written);
        }
        if self.has_room(queue) { queue.take_waiting() } else { Vec::new() }
    }

    fn overflow(&self, queue: &mut Queue) {
        self.budget.discharge(queue.bytes);
        queue.bytes = 0;
        // What is written in part stays for `take_begun`.
        queue.packets.discard_unwritten();
        queue.overflowed = true;
    }

    /// Of a queue that was full, the packet that somebody else has begun to write: without its rest the connection's task
    /// can write nothing more, not even the reason why it ends.
    pub fn take_begun(&self) -> Packets {
        std::mem::take(&mut self.queue.lock().packets)
    }
}

impl Queue {
    fn take_waiting(&mut self) -> Vec<Waker> {
        self.waiting.take().map_or_else(Vec::new, |waiters| waiters.0)
    }

    /// The waker, unless the task will look again anyway.
    fn wake(&mut self) -> Option<Waker> {
        if std::mem::replace(&mut self.woken, true) { None } else { self.waker.clone() }
    }

    /// Whether others may write: the task sleeps, and has nothing left to write itself.
    fn is_idle(&self) -> bool {
        self.writer.is_some() && !self.woken && !self.blocked && !self.overflowed
    }
}

impl Wake for Outbox {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut queue = self.queue.lock();
        queue.readable = true;
        let waker = queue.wake();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.budget.discharge(self.queue.get_mut().bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_outbox_stays_small() {
        // With the counts of its `Arc`, a size of the allocator: one byte more costs each connection 16.
        assert!(16 + size_of::<Outbox>() <= 160, "an outbox has {} bytes", size_of::<Outbox>());
    }
}
