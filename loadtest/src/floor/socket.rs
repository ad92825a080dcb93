//! One accepted socket of the floor.

use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;

use crate::client::Vsn;
use crate::websocket::{self, Opcode};

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) stream: TcpStream,
    pub(super) vsn: Vsn,
    pub(super) topics: Vec<String>,
    upgraded: bool,
    partial: Vec<u8>,
    /// What the kernel did not take; the bare write path leaves it empty.
    pending: Vec<u8>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, vsn: Vsn::V1, topics: Vec::new(), upgraded: false, partial: Vec::new(), pending: Vec::new() }
    }

    /// Reads all there is into `texts`; false once the socket is over. With edge-triggered readiness a short read means that
    /// the socket is empty, and a second one would cost as much as the first; only when the peer has closed its side must the end
    /// be read as well.
    pub(super) fn read(&mut self, buffer: &mut [u8], to_the_end: bool, texts: &mut Vec<Vec<u8>>) -> bool {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    self.partial.extend_from_slice(&buffer[..count]);
                    if !self.consume(texts) {
                        return false;
                    }
                    if count < buffer.len() && !to_the_end {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    fn consume(&mut self, texts: &mut Vec<Vec<u8>>) -> bool {
        let partial = std::mem::take(&mut self.partial);
        let mut used = 0;
        if !self.upgraded {
            let Some(end) = websocket::head_end(&partial) else {
                self.partial = partial;
                return true;
            };
            let Some((key, target)) = websocket::key_of_request(&partial[..end]) else { return false };
            self.vsn = if target.contains("vsn=2.0.0") { Vsn::V2 } else { Vsn::V1 };
            self.upgraded = true;
            used = end;
            let response = websocket::accept_response(key);
            self.write(&response);
        }
        while let Ok(Some(frame)) = websocket::parse_frame(&partial[used..]) {
            match frame.opcode {
                Opcode::Text | Opcode::Binary => texts.push(websocket::unmask(&frame)),
                Opcode::Close => return false,
                Opcode::Ping | Opcode::Pong => {}
            }
            used += frame.size;
        }
        self.partial.extend_from_slice(&partial[used..]);
        true
    }

    /// One `write`; what the kernel does not take waits for [`Self::flush`].
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let taken = if self.pending.is_empty() { self.stream.write(bytes).unwrap_or_default() } else { 0 };
        self.pending.extend_from_slice(&bytes[taken..]);
    }

    /// Writes what waited, once the socket is writable. A broken socket shows when it is read.
    pub(super) fn flush(&mut self) {
        while !self.pending.is_empty() {
            let Ok(count @ 1..) = self.stream.write(&self.pending) else { return };
            self.pending.drain(..count);
        }
    }
}

/// A text in its frame.
pub(super) fn frame(text: &str) -> Vec<u8> {
    let mut frame = Vec::with_capacity(text.len() + 10);
    websocket::append_frame(&mut frame, Opcode::Text, None, text.as_bytes());
    frame
}
