use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::outbox::Packet;

/// How many frames leave in one system call.
const MAX_SLICES: usize = 64;

/// What the connection's task has taken from the outbox, and its own control frames, until they are written.
pub(super) struct WriteQueue {
    packets: VecDeque<Packet>,
    /// See [`crate::outbox::Outbox::largest_charge`].
    largest_charge: u32,
    /// Bytes of the first packet that are out already.
    begun: usize,
    /// Whether the stream itself may hold some of what it took, as TLS does.
    unflushed: bool,
}

/// What a call of [`WriteQueue::poll_write`] got rid of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: usize,
    /// To be reported to the outbox.
    pub(super) cost: usize,
}

impl WriteQueue {
    pub(super) fn new(largest_charge: usize) -> Self {
        let largest_charge = u32::try_from(largest_charge).unwrap_or(u32::MAX);
        Self { packets: VecDeque::new(), largest_charge, begun: 0, unflushed: false }
    }

    /// Whether nothing is left to write, here or in the stream.
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty() && !self.unflushed
    }

    pub(super) fn extend(&mut self, packets: VecDeque<Packet>) {
        if self.packets.is_empty() {
            self.packets = packets;
        } else {
            self.packets.extend(packets);
        }
    }

    /// Queues a pong or a close. A client that pings and does not read gets only the latest pong (RFC 6455, 5.5.3), so
    /// it cannot make the queue grow.
    pub(super) fn push_control(&mut self, frame: Bytes) {
        let packet = Packet::control(frame);
        let last_is_begun = self.packets.len() == 1 && self.begun > 0;
        match self.packets.back_mut() {
            Some(last) if last.is_control() && !last_is_begun => *last = packet,
            _ => self.packets.push_back(packet),
        }
    }

    /// Drops all frames but one that is partly written: without its rest nothing could follow it.
    pub(super) fn discard_unwritten(&mut self) {
        self.packets.truncate(usize::from(self.begun > 0));
    }

    /// Writes as much as the stream takes, several frames at a time. What is left is waited for by the waker.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> io::Result<Written> {
        let mut written = Written::default();
        while let Some(first) = self.packets.front() {
            let first = &first.frame()[self.begun..];
            let polled = if self.packets.len() == 1 {
                Pin::new(&mut *stream).poll_write(cx, first)
            } else {
                let mut slices = [IoSlice::new(first); MAX_SLICES];
                for (slice, packet) in slices.iter_mut().zip(&self.packets).skip(1) {
                    *slice = IoSlice::new(packet.frame());
                }
                Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..self.packets.len().min(MAX_SLICES)])
            };
            match polled {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.unflushed = true;
                    written.bytes += count;
                    written.cost += self.advance(count);
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if self.packets.is_empty() {
            self.packets = VecDeque::new();
            if self.unflushed {
                // Of TCP itself this is no system call.
                self.unflushed = match Pin::new(stream).poll_flush(cx) {
                    Poll::Ready(flushed) => flushed.map(|()| false)?,
                    Poll::Pending => true,
                };
            }
        }
        Ok(written)
    }

    /// Takes written bytes off the front; returns the cost of the frames that are out.
    fn advance(&mut self, count: usize) -> usize {
        let mut cost = 0;
        self.begun += count;
        while let Some(first) = self.packets.front().filter(|first| first.frame().len() <= self.begun) {
            self.begun -= first.frame().len();
            cost += first.cost().min(self.largest_charge as usize);
            self.packets.pop_front();
        }
        cost
    }
}
