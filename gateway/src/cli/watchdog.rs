use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

/// Ends a stop that does not end by itself. It is a thread and not a task: a callback that never gives its worker back may
/// hold every timer of the runtime.
pub(super) struct Watchdog {
    /// Nothing is ever sent: when it is dropped, the thread ends.
    _leash: Sender<()>,
}

impl Watchdog {
    /// Does `bite` after some time, unless this is dropped before.
    pub(super) fn start(limit: Duration, bite: impl FnOnce() + Send + 'static) -> Self {
        let (leash, leashed) = mpsc::channel();
        let guard = move || {
            if leashed.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                bite();
            }
        };
        // Without the thread the stop has only its own limits.
        if let Err(error) = std::thread::Builder::new().name("watchdog".to_owned()).spawn(guard) {
            tracing::warn!(%error, "nothing watches over the stop");
        }
        Self { _leash: leash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the thread has done; an error when it ended without.
    fn bites(limit: Duration) -> (Watchdog, mpsc::Receiver<()>) {
        let (bitten, heard) = mpsc::channel();
        (Watchdog::start(limit, move || bitten.send(()).unwrap()), heard)
    }

    #[test]
    fn it_bites_when_the_time_is_over() {
        let (_watchdog, heard) = bites(Duration::from_millis(1));
        assert_eq!(heard.recv(), Ok(()));
    }

    #[test]
    fn it_does_not_when_the_stop_ended_before() {
        let (watchdog, heard) = bites(Duration::from_secs(3600));
        drop(watchdog);
        assert!(heard.recv().is_err(), "the thread has ended");
    }
}
