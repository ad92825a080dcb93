use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::outbox::{Packet, Packets};

/// What the connection's task has taken from the outbox, and its own control frames, until they are written.
pub(super) struct WriteQueue {
    packets: Packets,
    /// See [`crate::outbox::Outbox::largest_charge`].
    largest_charge: u32,
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
        Self { packets: Packets::default(), largest_charge, unflushed: false }
    }

    /// Whether nothing is left to write, here or in the stream.
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty() && !self.unflushed
    }

    pub(super) fn extend(&mut self, packets: Packets) {
        self.packets.append(packets);
    }

    /// Queues a pong or a close. A client that pings and does not read gets only the latest pong (RFC 6455, 5.5.3), so
    /// it cannot make the queue grow.
    pub(super) fn push_control(&mut self, frame: Bytes) {
        let packet = Packet::control(frame);
        match self.packets.unbegun_back_mut() {
            Some(last) if last.is_control() => *last = packet,
            _ => self.packets.push_back(packet),
        }
    }

    /// Drops all frames but one that is partly written: without its rest nothing could follow it.
    pub(super) fn discard_unwritten(&mut self) {
        self.packets.discard_unwritten();
    }

    /// Writes as much as the stream takes, several frames at a time. What is left is waited for by the waker.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> io::Result<Written> {
        let mut written = Written::default();
        while !self.packets.is_empty() {
            let polled = self.packets.with_slices(|slices| match slices {
                [one] => Pin::new(&mut *stream).poll_write(cx, one),
                many => Pin::new(&mut *stream).poll_write_vectored(cx, many),
            });
            match polled {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.unflushed = true;
                    written.bytes += count;
                    written.cost += self.packets.advance(count, self.largest_charge as usize);
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if self.packets.is_empty() && self.unflushed {
            // Of TCP itself this is no system call.
            self.unflushed = match Pin::new(stream).poll_flush(cx) {
                Poll::Ready(flushed) => flushed.map(|()| false)?,
                Poll::Pending => true,
            };
        }
        Ok(written)
    }
}
