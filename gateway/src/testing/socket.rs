use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::channel::{TestChannel, wanted_reply};
use super::frame::Frame;
use super::journal::{Journal, PATIENCE};
use crate::channel::{Client, Info};
use crate::lifecycle::Tasks;
use crate::outbox::Taken;
use crate::socket::{CloseReason, Driver, Registration, Services};
use crate::wire::{Opcode, Payload};

/// What a test has its connection do.
enum Command {
    Frame(Opcode, Bytes),
    Inform(String, Info),
    Close,
}

/// One connection. It ends when this and its channels are dropped, as if the client had gone away.
pub struct TestSocket {
    pub(super) link: Arc<Link>,
    services: Arc<Services>,
}

/// The test's end of a connection, shared with its channels.
pub(super) struct Link {
    /// Not bounded: a test sends as much as it likes.
    commands: mpsc::UnboundedSender<Command>,
    pub(super) frames: Journal<Frame>,
    ended: watch::Receiver<Option<CloseReason>>,
    references: AtomicU64,
}

impl TestSocket {
    pub(super) fn open(
        client: Arc<Client>,
        registration: Registration,
        driver: Driver,
        services: Arc<Services>,
        tasks: &Tasks,
    ) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(None);
        let frames = Journal::default();
        let connection = Connection {
            client,
            registration,
            driver,
            services: Arc::clone(&services),
            received,
            frames: frames.clone(),
        };
        tasks.spawn(async move {
            let reason = connection.run().await;
            end.send_replace(Some(reason));
        });
        Self { link: Arc::new(Link { commands, frames, ended, references: AtomicU64::new(1) }), services }
    }

    /// Joins a topic, and listens to all that is broadcast there. The reply, and the channel; or the response of the error.
    ///
    /// # Errors
    /// The response with which the join was refused.
    ///
    /// # Panics
    /// When it is not answered in time.
    #[track_caller]
    pub fn subscribe_and_join(
        &self,
        topic: &str,
        params: Value,
    ) -> impl Future<Output = Result<(Value, TestChannel), Value>> {
        let (at, topic) = (Location::caller(), topic.to_owned());
        async move {
            let (broadcasts, subscription) = TestChannel::listen(self.services.endpoint.pubsub(), &topic).await;
            let reference = self.link.next_reference();
            self.link.send([&reference, &reference, &topic, "phx_join"], &params.into());
            let what = format!("answer to the join of `{topic}`");
            let reply = self.link.frames.expect(at, &what, wanted_reply(&topic, &reference)).await;
            let response = reply.payload.parse().unwrap_or_default();
            if reply.status.as_deref() != Some("ok") {
                return Err(response);
            }
            Ok((response, TestChannel::new(Arc::clone(&self.link), topic, reference, broadcasts, subscription)))
        }
    }

    /// Closes the connection, as its client does, and waits until all its channels have terminated.
    pub async fn close(self) {
        let _ended_already = self.link.commands.send(Command::Close);
        self.link.ended().await;
    }

    /// Waits until the connection has ended by itself; why.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn assert_closed(&self) -> impl Future<Output = CloseReason> {
        let at = Location::caller();
        async move {
            let ended = tokio::time::timeout(PATIENCE, self.link.ended()).await;
            ended.unwrap_or_else(|_| panic!("{at}: the connection is still open after {PATIENCE:?}"))
        }
    }
}

impl Link {
    pub(super) fn next_reference(&self) -> String {
        self.references.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Sends as a client does. What is sent after the end goes nowhere.
    pub(super) fn send(&self, names: [&str; 4], payload: &Payload) {
        let (opcode, frame) = Frame::of_client(names, payload);
        let _ended = self.commands.send(Command::Frame(opcode, frame));
    }

    pub(super) fn inform(&self, topic: &str, message: Info) {
        let _ended = self.commands.send(Command::Inform(topic.to_owned(), message));
    }

    async fn ended(&self) -> CloseReason {
        let mut ended = self.ended.clone();
        // The task says why before it ends.
        let reason = ended.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        reason.unwrap_or(CloseReason::ClientGone)
    }
}

/// What the transport is in production: carries frames, and polls the channels.
struct Connection {
    client: Arc<Client>,
    registration: Registration,
    driver: Driver,
    services: Arc<Services>,
    received: mpsc::UnboundedReceiver<Command>,
    frames: Journal<Frame>,
}

impl Connection {
    async fn run(mut self) -> CloseReason {
        let reason = poll_fn(|cx| self.poll(cx)).await;
        self.driver.close();
        poll_fn(|cx| {
            self.driver.poll(cx);
            if self.driver.is_finished() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.client.close();
        drop(self.registration);
        reason
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        loop {
            match self.round(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(reason) => return Poll::Ready(reason),
            }
        }
    }

    /// Whether there may be more to do.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let overflowed = |_| CloseReason::SlowConsumer;
        let Taken { packets, signalled, .. } = self.client.outbox().take(0).map_err(overflowed)?;
        packets.iter().filter_map(|packet| Frame::read(packet.payload())).for_each(|frame| self.frames.add(frame));
        if signalled {
            if let Some(reason) = self.registration.entry().closing() {
                return Err(reason);
            }
            self.driver.collect_mail();
        }
        while !self.driver.is_congested() {
            match self.received.poll_recv(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Command::Frame(opcode, frame))) => {
                    self.driver.on_frame(opcode, &frame, &self.services)?;
                }
                Poll::Ready(Some(Command::Inform(topic, message))) => self.driver.inform(&topic, message),
                Poll::Ready(Some(Command::Close)) => return Err(CloseReason::ClientClosed),
                Poll::Ready(None) => return Err(CloseReason::ClientGone),
            }
            self.driver.poll(cx);
        }
        self.driver.poll(cx);
        self.client.outbox().park(cx, 0, false).map(|parked| !parked).map_err(overflowed)
    }
}

impl fmt::Debug for TestSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSocket").finish_non_exhaustive()
    }
}
