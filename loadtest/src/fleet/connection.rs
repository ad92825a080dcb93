//! One client connection: handshake, then frames.

use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;

use crate::websocket::{self, Opcode};

/// The masking key. RFC 6455 wants unpredictable ones to protect proxies from scripts in browsers; a load tool is neither,
/// and a server does the same work for any key but zero.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What a connection tells its fleet.
#[derive(Debug)]
pub(crate) enum Signal<'a> {
    Upgraded,
    Text(&'a [u8]),
    Ping(&'a [u8]),
    Closed(String),
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    upgraded: bool,
    /// The start of a frame whose rest has not come; empty, without memory, in between.
    partial: Vec<u8>,
    /// Bytes to write. Empty most of the time.
    pending: Vec<u8>,
    /// Whether the socket is registered for writability.
    pub(crate) waits_to_write: bool,
}

impl Connection {
    /// Takes a stream that is still connecting and queues the upgrade request.
    pub(crate) fn new(stream: TcpStream, request: Vec<u8>) -> Self {
        // The registration of a new connection waits for writability: that is how a connect ends.
        Self { stream, upgraded: false, partial: Vec::new(), pending: request, waits_to_write: true }
    }

    /// Queues a text message.
    pub(crate) fn queue_text(&mut self, text: &[u8]) {
        websocket::append_frame(&mut self.pending, Opcode::Text, Some(MASK), text);
    }

    /// Queues the answer to a ping.
    pub(crate) fn queue_pong(&mut self, payload: &[u8]) {
        websocket::append_frame(&mut self.pending, Opcode::Pong, Some(MASK), payload);
    }

    /// Whether the server has answered the upgrade.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// Bytes that the server has not taken yet.
    pub(crate) fn backlog(&self) -> usize {
        self.pending.len()
    }

    /// Writes what is queued; true if some is left.
    pub(crate) fn flush(&mut self) -> std::io::Result<bool> {
        let mut written = 0;
        while written < self.pending.len() {
            match self.stream.write(&self.pending[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => break,
                Err(error) => return Err(error),
            }
        }
        self.pending.drain(..written);
        if self.pending.is_empty() && self.pending.capacity() > 4096 {
            self.pending = Vec::new();
        }
        Ok(!self.pending.is_empty())
    }

    /// Reads all there is and hands each whole frame to `on_signal`.
    ///
    /// With edge-triggered readiness a short read means that the socket is empty, so one delivery costs one `read`; only when
    /// the peer has closed its side must the end be read as well.
    pub(crate) fn read(&mut self, buffer: &mut [u8], to_the_end: bool, on_signal: &mut dyn FnMut(Signal<'_>)) {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return on_signal(Signal::Closed("the server closed the connection".to_owned())),
                Ok(count) => {
                    if let Err(reason) = self.take(&buffer[..count], on_signal) {
                        return on_signal(Signal::Closed(reason));
                    }
                    if count < buffer.len() && !to_the_end {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return on_signal(Signal::Closed(error.to_string())),
            }
        }
    }

    fn take(&mut self, bytes: &[u8], on_signal: &mut dyn FnMut(Signal<'_>)) -> Result<(), String> {
        if self.partial.is_empty() {
            let used = self.consume(bytes, on_signal)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let used = self.consume(&partial, on_signal)?;
        if used < partial.len() {
            partial.drain(..used);
            self.partial = partial;
        }
        Ok(())
    }

    /// Returns how many bytes were used.
    fn consume(&mut self, bytes: &[u8], on_signal: &mut dyn FnMut(Signal<'_>)) -> Result<usize, String> {
        let mut used = 0;
        if !self.upgraded {
            let Some(end) = websocket::head_end(bytes) else { return Ok(0) };
            websocket::check_response(&bytes[..end]).map_err(|error| error.to_string())?;
            self.upgraded = true;
            used = end;
            on_signal(Signal::Upgraded);
        }
        while let Some(frame) = websocket::parse_frame(&bytes[used..]).map_err(|error| error.to_string())? {
            match frame.opcode {
                // Only version 2's binary payloads use binary frames, and no scenario sends one; a text handler that sees
                // one counts it as something else.
                Opcode::Text | Opcode::Binary => on_signal(Signal::Text(frame.payload)),
                Opcode::Ping => on_signal(Signal::Ping(frame.payload)),
                Opcode::Pong => {}
                Opcode::Close => return Err(close_reason(frame.payload)),
            }
            used += frame.size;
        }
        Ok(used)
    }
}

fn close_reason(payload: &[u8]) -> String {
    match payload.split_first_chunk::<2>() {
        None => "the server closed the connection without a code".to_owned(),
        Some((code, [])) => format!("the server closed the connection with code {}", u16::from_be_bytes(*code)),
        Some((code, reason)) => {
            let reason = String::from_utf8_lossy(reason);
            format!("the server closed the connection with code {} ({reason})", u16::from_be_bytes(*code))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_gives_code_and_reason() {
        assert_eq!(close_reason(&[0x03, 0xf5]), "the server closed the connection with code 1013");
        assert!(close_reason(b"\x03\xf5slow").ends_with("code 1013 (slow)"));
        assert!(close_reason(b"").ends_with("without a code"));
    }
}
