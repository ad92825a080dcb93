use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

use super::super::error::ProtocolError;

/// How many times its own size a message may be inflated to, as in Phoenix on Bandit (protocol.md 1.9).
const MAX_RATIO: usize = 25;

/// Bytes that any message may be inflated to, whatever its ratio: lines of equal characters are no attack, and cases 12.4 of
/// the Autobahn suite have messages of 32 KiB that a smaller bound refuses. The default of `max_frame_size`.
const ANY_RATIO: usize = 256 << 10;

/// What the sender left out (RFC 7692, 7.2.2), and an empty last block: if that is where inflating ends, the message ended
/// where a block did, and all of it has come out.
const TAIL: [u8; 6] = [0, 0, 0xff, 0xff, 0x03, 0];

thread_local! {
    /// Needed only between two calls, so all connections of a worker share it: some 40 KB.
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Inflates one message, which has at most `max` bytes. No more than that is ever allocated.
pub(in crate::websocket) fn inflate(compressed: &[u8], max: usize) -> Result<Vec<u8>, ProtocolError> {
    // It should be one byte, but there are those who send none.
    if compressed.is_empty() {
        return Ok(Vec::new());
    }
    let max = max.min(compressed.len().saturating_mul(MAX_RATIO).max(ANY_RATIO));
    INFLATER.with_borrow_mut(|inflater| {
        inflater.reset(false);
        let mut out = inflate_with(inflater, compressed, max)?;
        // It may wait for long, and what waits is counted by its length.
        if out.capacity() > 2 * out.len() {
            out.shrink_to_fit();
        }
        Ok(out)
    })
}

fn inflate_with(inflater: &mut Decompress, compressed: &[u8], max: usize) -> Result<Vec<u8>, ProtocolError> {
    let mut out = Vec::new();
    let (mut input, mut at_tail) = (compressed, false);
    loop {
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let status = if out.len() < max {
            make_room(&mut out, compressed.len(), max);
            inflater.decompress_vec(input, &mut out, FlushDecompress::None)
        } else {
            // Only the end may come.
            inflater.decompress(input, &mut [0], FlushDecompress::None)
        };
        let status = status.map_err(|_| ProtocolError::InvalidDeflate)?;
        let written = inflater.total_out() - written;
        if inflater.total_out() > max as u64 {
            return Err(ProtocolError::TooLarge);
        }
        let read = usize::try_from(inflater.total_in() - read).unwrap_or(usize::MAX);
        input = input.get(read..).unwrap_or_default();
        match status {
            Status::StreamEnd if at_tail && input.is_empty() => return Ok(out),
            // The sender ended the last block itself, and padded it (RFC 7692, 7.2.3.5).
            Status::StreamEnd if !at_tail && matches!(input, [] | [0]) => return Ok(out),
            Status::StreamEnd => return Err(ProtocolError::InvalidDeflate),
            Status::Ok | Status::BufError if input.is_empty() && !at_tail => (input, at_tail) = (&TAIL, true),
            Status::Ok | Status::BufError if read == 0 && written == 0 => return Err(ProtocolError::InvalidDeflate),
            Status::Ok | Status::BufError => {}
        }
    }
}

/// Room at most doubles, and never exceeds the limit.
fn make_room(out: &mut Vec<u8>, compressed: usize, max: usize) {
    if out.len() == out.capacity() {
        let target = (2 * out.capacity()).max(4 * compressed).max(256).min(max);
        out.reserve_exact(target - out.len());
    }
}

#[cfg(test)]
mod tests {
    use super::make_room;

    #[test]
    fn room_never_exceeds_the_limit() {
        for max in [0, 1, 255, 256, 257, 1000, 1 << 20] {
            let mut out = Vec::new();
            while out.len() < max {
                make_room(&mut out, 10, max);
                assert!(out.capacity() <= max);
                out.resize(out.capacity(), 0_u8);
            }
        }
    }
}
