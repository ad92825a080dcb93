use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress};

use super::window::Window;

/// Bytes below which a message is better sent as it is: it fits one packet anyhow, and hardly shrinks.
pub const MIN_LEN: usize = 128;

/// The end of each compressed message, which is not sent (RFC 7692, 7.2.1).
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

/// Of 1 to 9. Compared with the usual 6 this saves nearly as much (docs/PERFORMANCE.md), and costs a third for a message of
/// 100 KB, which is compressed while its topic waits. 1 saves little of small messages.
const LEVEL: u32 = 2;

thread_local! {
    /// One for each window, made when it is first needed: some 300 KB each.
    static DEFLATERS: RefCell<[Option<Compress>; 2]> = const { RefCell::new([None, None]) };
}

/// Appends a message in its compressed form, unless that is no shorter. Whether it did; else `out` is as it was.
pub fn compress(window: Window, message: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    // Not more: if it does not fit, it is not worth it.
    out.reserve_exact(message.len() + FLUSHED.len());
    let worth_it = DEFLATERS.with_borrow_mut(|deflaters| {
        let deflater = match window {
            Window::Full => &mut deflaters[0],
            Window::Small => &mut deflaters[1],
        };
        let deflater = deflater
            .get_or_insert_with(|| Compress::new_with_window_bits(Compression::new(LEVEL), false, window.bits()));
        deflater.reset();
        let done = deflater.compress_vec(message, out, FlushCompress::Sync);
        // A flush is complete when it leaves room.
        done.is_ok() && deflater.total_in() == message.len() as u64 && out.len() < out.capacity()
    });
    if worth_it && out.ends_with(&FLUSHED) && out.len() - FLUSHED.len() < start + message.len() {
        out.truncate(out.len() - FLUSHED.len());
        return true;
    }
    out.truncate(start);
    false
}
