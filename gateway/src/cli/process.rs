use std::io::Write as _;

use super::exit::Failure;

/// The runtime of the commands: as many workers as the process may use cores, or as `TOKIO_WORKER_THREADS` says.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::unavailable)
}

/// Writes lines to standard output at once. Whether anybody reads it; that nobody does is no failure.
pub(super) fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}
