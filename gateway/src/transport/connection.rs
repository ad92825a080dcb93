use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::admission::Permit;
use super::closing;
use super::write_queue::WriteQueue;
use crate::channel::Client;
use crate::outbox::{Overflowed, Packet, Taken};
use crate::socket::{CloseReason, Driver, Mount, Registration, Services};
use crate::websocket::{CloseFrame, Decoder, Event, Limits, MessageKind, frames};
use crate::wire::{Compression, Opcode};

/// How much is read at once, into a buffer that all connections of a worker share.
const READ_SIZE: usize = 64 * 1024;

/// How long what a client waits for may still take when its pod sends it elsewhere: as long as a push may (ruling 10).
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// How often a connection may go round before the other tasks of its worker have their turn.
const MAX_ROUNDS: usize = 16;

thread_local! {
    /// No connection keeps a read buffer: it is needed only between the system call and the decoder.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into());
}

/// An open WebSocket: one task that reads, runs the channels and writes.
pub(super) struct Connection<S> {
    /// Nobody else writes to it while this task is awake.
    stream: S,
    decoder: Decoder,
    driver: Driver,
    registration: Registration,
    writes: WriteQueue,
    /// Cost of the packets written since the outbox was told: it holds less than 4 GiB.
    written: u32,
    /// Whether there may be more to read.
    readable: bool,
    /// Of most connections nothing most of the time, which takes one word.
    held: Option<Box<Held>>,
    services: Arc<Services>,
    /// Counted among the connections of its client until this is dropped.
    _permit: Option<Arc<Permit>>,
}

/// A connection that runs. Not an `async fn`: that would hold the connection twice, as its argument and as what it works
/// on, and the room for its end beside it.
#[expect(clippy::large_enum_variant, reason = "nearly all are open")]
pub(super) enum Running<S> {
    Open(Connection<S>),
    Ending(Pin<Box<dyn Future<Output = ()> + Send>>),
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Future for Running<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut *self {
                Self::Open(connection) => {
                    let reason = ready!(connection.poll(cx));
                    if let Self::Open(connection) = std::mem::replace(&mut *self, Self::Ended) {
                        self.set(Self::Ending(Box::pin(Box::new(connection).end(reason))));
                    }
                }
                Self::Ending(end) => return end.as_mut().poll(cx),
                Self::Ended => return Poll::Ready(()),
            }
        }
    }
}

/// What the connection has to keep for a while.
#[derive(Default)]
struct Held {
    /// What was read but cannot be handled yet.
    unread: Vec<u8>,
    /// What the client's close frame said.
    client_close: Option<CloseFrame>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection<S> {
    /// `read` is what came behind the handshake.
    pub(super) fn new(
        stream: S,
        read: &[u8],
        client: Arc<Client>,
        registration: Registration,
        mount: Arc<Mount>,
        services: Arc<Services>,
        permit: Option<Arc<Permit>>,
    ) -> Self {
        let writes = WriteQueue::new(client.outbox().largest_charge());
        let decoder = match client.encoding().compression {
            Compression::None => Decoder::new(),
            Compression::Deflate | Compression::DeflateSmall => Decoder::inflating(),
        };
        let driver = Driver::new(client, mount);
        let held = (!read.is_empty()).then(|| Box::new(Held { unread: read.to_vec(), client_close: None }));
        Self {
            stream,
            decoder,
            driver,
            registration,
            writes,
            written: 0,
            readable: true,
            held,
            services,
            _permit: permit,
        }
    }

    /// Runs the connection until it has ended and its channels are gone.
    pub(super) fn run(self) -> Running<S> {
        Running::Open(self)
    }

    /// What is left to do for a connection that ends.
    async fn end(mut self: Box<Self>, reason: CloseReason) {
        self.driver.client().outbox().write_no_more();
        tracing::debug!(reason = %reason, "the connection ends");
        self.services.socket_metrics.disconnect(reason);
        if reason.lets_finish() && self.driver.owes_answers() {
            // What comes too late is what the client would not have waited for.
            let _late = timeout(LAST_ANSWERS, poll_fn(|cx| self.poll_answers(cx))).await;
        }
        self.driver.say_goodbye(reason);
        self.driver.close();
        if reason == CloseReason::SlowConsumer {
            self.writes.extend(self.driver.client().outbox().take_begun());
            self.writes.discard_unwritten();
        } else if let Ok(taken) = self.take() {
            self.writes.extend(taken.packets);
        }
        let Self { stream, writes, driver, held, registration, .. } = *self;
        let client = Arc::clone(driver.client());
        let client_close = held.and_then(|held| held.client_close);
        closing::close(stream, writes, driver, client_close.as_ref(), reason).await;
        client.close();
        drop(registration);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        for _ in 0..MAX_ROUNDS {
            match self.round(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(reason) => return Poll::Ready(reason),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes, runs the channels and reads, once. Whether there may be more to do.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Taken { packets, signalled, readable } = self.take().map_err(|Overflowed| CloseReason::SlowConsumer)?;
        self.readable |= readable;
        self.writes.extend(packets);
        if signalled {
            if let Some(reason) = self.registration.entry().closing() {
                return Err(reason);
            }
            self.driver.collect_mail();
        }
        self.write(cx)?;
        self.driver.poll(cx);
        if self.read()? {
            return Ok(true);
        }
        let parked = self.park(cx);
        parked.map(|parked| !parked).map_err(|Overflowed| CloseReason::SlowConsumer)
    }

    /// Goes on without reading until the client waits for nothing more, or is gone.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..MAX_ROUNDS {
            let Ok(Taken { packets, signalled, .. }) = self.take() else { return Poll::Ready(()) };
            self.writes.extend(packets);
            if signalled {
                self.driver.collect_mail();
            }
            if self.write(cx).is_err() {
                return Poll::Ready(());
            }
            self.driver.poll(cx);
            if !self.driver.owes_answers() {
                return Poll::Ready(());
            }
            match self.park(cx) {
                Ok(true) => return Poll::Pending,
                Ok(false) => {}
                Err(Overflowed) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn written(&mut self) -> usize {
        std::mem::take(&mut self.written) as usize
    }

    fn take(&mut self) -> Result<Taken, Overflowed> {
        let written = self.written();
        let taken = self.driver.client().outbox().take(written)?;
        if self.decoder.inflates() {
            self.services.socket_metrics.compressed(taken.packets.iter().filter_map(Packet::compression));
        }
        Ok(taken)
    }

    fn park(&mut self, cx: &Context<'_>) -> Result<bool, Overflowed> {
        let written = self.written();
        self.driver.client().outbox().park(cx, written, !self.writes.is_empty())
    }

    /// Writes what was taken.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if self.writes.is_empty() {
            return Ok(());
        }
        let written = self.writes.poll_write(&mut self.stream, cx).map_err(|_| CloseReason::ClientGone)?;
        self.written += u32::try_from(written.cost).unwrap_or(u32::MAX);
        self.services.socket_metrics.bytes_sent.inc_by(written.bytes as u64);
        Ok(())
    }

    /// Reads once. Whether something came.
    fn read(&mut self) -> Result<bool, CloseReason> {
        // Its own messages wait: the client has to wait, too. The callbacks wake this task.
        if self.driver.is_congested() {
            return Ok(false);
        }
        if let Some(held) = self.held.take() {
            let mut unread = held.unread;
            self.decode(&mut unread)?;
            return Ok(true);
        }
        if !self.readable {
            return Ok(false);
        }
        let waker = Waker::from(Arc::clone(self.driver.client().outbox()));
        let cx = &mut Context::from_waker(&waker);
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Pending => {
                    self.readable = false;
                    Ok(false)
                }
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    self.registration.entry().seen(self.services.clock.now_ms());
                    self.services.socket_metrics.bytes_received.inc_by(read.filled().len() as u64);
                    self.decode(read.filled_mut()).map(|()| true)
                }
                Poll::Ready(_) => Err(CloseReason::ClientGone),
            }
        })
    }

    fn decode(&mut self, mut input: &mut [u8]) -> Result<(), CloseReason> {
        let max_frame = self.driver.max_frame_size();
        let limits = Limits { max_frame, max_message: max_frame };
        loop {
            let event = self.decoder.next(&mut input, &limits).map_err(|error| {
                tracing::debug!(%error, "a violation of the WebSocket protocol");
                CloseReason::of_protocol_code(error.close_code())
            })?;
            let Some(event) = event else { return Ok(()) };
            self.on_event(event)?;
            if self.driver.is_congested() {
                self.held = Some(Box::new(Held { unread: input.to_vec(), client_close: None }));
                return Ok(());
            }
        }
    }

    fn on_event(&mut self, event: Event) -> Result<(), CloseReason> {
        match event {
            Event::Message(kind, data) => self.on_message(kind, &data),
            Event::Ping(payload) => {
                self.writes.push_control(frames::pong(&payload));
                Ok(())
            }
            Event::Pong(_) => Ok(()),
            Event::Close(frame) => {
                self.held = Some(Box::new(Held { unread: Vec::new(), client_close: frame }));
                Err(CloseReason::ClientClosed)
            }
        }
    }

    fn on_message(&mut self, kind: MessageKind, data: &Bytes) -> Result<(), CloseReason> {
        self.services.socket_metrics.messages_received.inc();
        let opcode = match kind {
            MessageKind::Text => Opcode::Text,
            MessageKind::Binary => Opcode::Binary,
        };
        self.driver.on_frame(opcode, data, &self.services)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tcp::SharedTcp;
    use super::*;

    /// What tokio puts around the future of a task, and the set of tasks around that.
    const TASK: usize = 112;

    #[test]
    fn an_idle_connection_stays_small() {
        // tokio rounds a task up to a multiple of 128, so that 8 bytes less would save each connection 128, and 121 more
        // cost as much.
        let future = size_of::<Running<SharedTcp>>();
        assert!(TASK + future <= 512, "the future of a connection has {future} bytes");
    }
}
