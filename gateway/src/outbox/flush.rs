//! Fan-out straight to the sockets: a message for a thousand connections wakes a few tasks that write, not a thousand.

use std::io;
use std::sync::Arc;
use std::task::Waker;

use prometheus::IntCounter;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::runtime::Handle;
use tokio::task::yield_now;

use super::{Outbox, Overflowed, Packet, Packets, Queue};
use crate::lifecycle::Tasks;

/// How many connections one task writes to: few enough for the other tasks of its worker to have their turn soon, and for
/// the other workers to take a share.
const CONNECTIONS: usize = 32;

/// After how many bytes the other tasks of the worker have their turn.
const TURN: usize = 256 * 1024;

/// Runs the tasks that write to connections whose own tasks sleep.
#[derive(Debug)]
pub struct Flusher {
    tasks: Tasks,
    handle: Handle,
    bytes_sent: IntCounter,
}

impl Flusher {
    /// For tasks of the runtime that this is called in, tracked by `tasks`. What they write is counted.
    pub fn new(tasks: Tasks, bytes_sent: IntCounter) -> Self {
        Self { tasks, handle: Handle::current(), bytes_sent }
    }
}

/// What one message to many connections leaves to be done.
#[derive(Debug, Default)]
pub struct Batch {
    due: Vec<Arc<Outbox>>,
}

impl Batch {
    /// Queues a packet as [`Outbox::push`] does. A connection that takes part in direct writing is not woken, but written to
    /// soon after this batch is dropped, or has grown.
    ///
    /// # Errors
    /// As [`Outbox::push`].
    pub fn push(&mut self, outbox: &Arc<Outbox>, packet: Packet) -> Result<(), Overflowed> {
        if outbox.push_unless_due(packet)? {
            if self.due.is_empty() {
                self.due.reserve_exact(CONNECTIONS);
            }
            self.due.push(Arc::clone(outbox));
            if self.due.len() == CONNECTIONS {
                self.hand_over();
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        let due = std::mem::take(&mut self.due);
        let Some(budget) = due.first().map(|outbox| Arc::clone(&outbox.budget)) else { return };
        if let Some(Flusher { tasks, handle, .. }) = &budget.flusher {
            tasks.spawn_on(flush_all(due), handle);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.hand_over();
    }
}

async fn flush_all(due: Vec<Arc<Outbox>>) {
    let (mut bytes, mut in_turn) = (0, 0);
    for outbox in &due {
        let written = outbox.flush();
        (bytes, in_turn) = (bytes + written, in_turn + written);
        if in_turn >= TURN {
            in_turn = 0;
            yield_now().await;
        }
    }
    if let Some(flusher) = due.first().and_then(|outbox| outbox.budget.flusher.as_ref()) {
        flusher.bytes_sent.inc_by(bytes as u64);
    }
}

impl Outbox {
    /// Lets fan-out write to the connection itself while the connection's task sleeps and has nothing left to write. Nothing
    /// happens where the pod's budget has no flusher.
    pub fn write_directly(&self, writer: OwnedWriteHalf) {
        // The stream ends with the connection's task, and not because this part of it goes.
        if self.budget.flusher.is_none() {
            return writer.forget();
        }
        self.queue.lock().writer = Some(writer);
    }

    /// Ends direct writing: the connection is about to end.
    pub fn write_no_more(&self) {
        // Let go without the lock: the stream may close here, and wake those who wait for it.
        let writer = self.queue.lock().writer.take();
        if let Some(writer) = writer {
            writer.forget();
        }
    }

    /// Writes what waits, if the connection's task still sleeps with nothing left to write. How many bytes were written.
    ///
    /// The lock is held meanwhile, and so nobody else writes: the system call never waits.
    fn flush(&self) -> usize {
        let mut queue = self.queue.lock();
        queue.due = false;
        if !queue.is_idle() {
            // The task took it, or will: it was woken since.
            return 0;
        }
        let Queue { writer: Some(writer), packets, .. } = &mut *queue else { return 0 };
        let (mut bytes, mut cost, mut failed) = (0, 0, false);
        while !packets.is_empty() && !failed {
            match write(writer, packets) {
                Ok(count @ 1..) => {
                    bytes += count;
                    cost += packets.advance(count, self.largest_charge());
                }
                Ok(0) | Err(_) => failed = true,
            }
        }
        let waiting = self.discharge(&mut queue, cost);
        // What is left, and what went wrong, is the business of the connection's task: it waits until it can write.
        let waker = if failed { queue.wake() } else { None };
        drop(queue);
        waker.into_iter().chain(waiting).for_each(Waker::wake);
        bytes
    }
}

fn write(writer: &OwnedWriteHalf, packets: &Packets) -> io::Result<usize> {
    packets.with_slices(|slices| match slices {
        [one] => writer.try_write(one),
        many => writer.try_write_vectored(many),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use bytes::Bytes;
    use socket2::SockRef;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::tcp::OwnedReadHalf;
    use tokio::net::{TcpListener, TcpStream};

    use super::super::Budget;
    use super::*;
    use crate::wire::{Outgoing, Payload, Vsn};

    /// How often the connection's task was woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An open connection whose task the test plays.
    struct Connection {
        outbox: Arc<Outbox>,
        woken: Arc<Woken>,
        client: TcpStream,
        sent: IntCounter,
        _stream: OwnedReadHalf,
    }

    impl Connection {
        async fn open() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            SockRef::from(&server).set_send_buffer_size(8192).unwrap();
            let (stream, writer) = server.into_split();
            writer.writable().await.unwrap();
            let sent = IntCounter::new("sent", "bytes").unwrap();
            let budget = Budget::with_flusher(1 << 40, Flusher::new(Tasks::new(), sent.clone()));
            let outbox = Arc::new(Outbox::new(1 << 24, budget));
            outbox.write_directly(writer);
            let connection = Self { outbox, woken: Arc::default(), client, sent, _stream: stream };
            connection.sleep(false);
            connection
        }

        fn sleep(&self, blocked: bool) {
            self.outbox.take(0).unwrap();
            let waker = Waker::from(Arc::clone(&self.woken));
            assert!(self.outbox.park(&Context::from_waker(&waker), 0, blocked).unwrap());
        }

        /// A message to this connection alone. What it leaves to be done is done when this returns.
        async fn broadcast(&self, packet: Packet) -> Result<(), Overflowed> {
            let pushed = Batch::default().push(&self.outbox, packet);
            yield_now().await;
            pushed
        }

        /// Has the client read nothing until the connection's task is needed. How many bytes were queued.
        async fn fill(&self) -> usize {
            let mut queued = 0;
            while self.woken() == 0 {
                queued += large().frame().len();
                self.broadcast(large()).await.unwrap();
            }
            queued
        }

        fn woken(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }

        async fn received(&mut self, count: usize) -> Vec<u8> {
            let mut bytes = vec![0; count];
            self.client.read_exact(&mut bytes).await.unwrap();
            bytes
        }
    }

    fn packet(text: &'static str) -> Packet {
        Packet::control(Bytes::from_static(text.as_bytes()))
    }

    fn large() -> Packet {
        let payload = &Payload::Json(format!(r#"{{"x":"{}"}}"#, "x".repeat(100_000)).into());
        Packet::encode(Vsn::V2, Outgoing::Broadcast { topic: "t", event: "e", payload, offset: None }).unwrap()
    }

    fn len(packets: &Packets) -> usize {
        let begun = packets.with_slices(|slices| slices.first().map_or(0, |first| first.len()));
        begun + packets.iter().skip(1).map(|packet| packet.frame().len()).sum::<usize>()
    }

    #[tokio::test]
    async fn a_connection_that_sleeps_is_written_to_and_not_woken() {
        let mut connection = Connection::open().await;
        let mut batch = Batch::default();
        batch.push(&connection.outbox, packet("one ")).unwrap();
        Batch::default().push(&connection.outbox, packet("two ")).unwrap();
        drop(batch);
        yield_now().await;
        connection.broadcast(packet("three")).await.unwrap();
        assert_eq!(connection.received(13).await, b"one two three");
        assert_eq!((connection.woken(), connection.sent.get(), connection.outbox.queued_bytes()), (0, 13, 0));
    }

    #[tokio::test]
    async fn what_waits_is_the_tasks_once_it_is_awake() {
        let connection = Connection::open().await;
        let mut batch = Batch::default();
        batch.push(&connection.outbox, packet("one")).unwrap();
        connection.outbox.push(packet("two")).unwrap();
        drop(batch);
        yield_now().await;
        assert_eq!((connection.woken(), connection.sent.get()), (1, 0));
        connection.broadcast(packet("three")).await.unwrap();
        let taken = connection.outbox.take(0).unwrap().packets;
        let frames: Vec<_> = taken.iter().map(|packet| packet.frame().clone()).collect();
        assert_eq!((frames, connection.sent.get()), (vec!["one".into(), "two".into(), "three".into()], 0));
    }

    #[tokio::test]
    async fn a_task_that_is_blocked_is_not_overtaken() {
        let connection = Connection::open().await;
        connection.sleep(true);
        connection.broadcast(packet("one")).await.unwrap();
        assert_eq!((connection.woken(), connection.sent.get()), (1, 0));
        assert_eq!(connection.outbox.take(0).unwrap().packets.len(), 1);
    }

    #[tokio::test]
    async fn a_task_is_woken_to_write_what_its_client_does_not_take() {
        let connection = Connection::open().await;
        let queued = connection.fill().await;
        let rest = connection.outbox.take(0).unwrap().packets;
        assert_eq!(connection.sent.get() as usize + len(&rest), queued);
        assert!(!rest.is_empty());
    }

    #[tokio::test]
    async fn a_packet_that_is_begun_outlives_the_overflow() {
        let mut connection = Connection::open().await;
        connection.fill().await;
        while connection.broadcast(large()).await.is_ok() {}
        connection.outbox.take(0).unwrap_err();
        let (sent, rest) = (connection.sent.get() as usize, len(&connection.outbox.take_begun()));
        assert_eq!((sent + rest) % large().frame().len(), 0, "whole packets");
        assert_eq!(connection.received(sent).await.len(), sent);
    }

    #[tokio::test]
    async fn nobody_else_writes_once_a_connection_ends() {
        let connection = Connection::open().await;
        connection.outbox.write_no_more();
        connection.broadcast(packet("one")).await.unwrap();
        assert_eq!((connection.woken(), connection.sent.get()), (1, 0));
    }
}
