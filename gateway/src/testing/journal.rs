use std::fmt::{self, Display, Write as _};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long an `assert_…` waits for what it looks for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a `refute_…` looks whether something comes that should not.
pub const QUIET: Duration = Duration::from_millis(100);

/// All that came, in its order; clones share it. What was matched once is not matched again.
pub(super) struct Journal<T>(Arc<Inner<T>>);

struct Inner<T> {
    entries: Mutex<Vec<Entry<T>>>,
    grown: Notify,
}

struct Entry<T> {
    what: T,
    matched: bool,
}

impl<T: Clone + Display> Journal<T> {
    pub(super) fn add(&self, what: T) {
        self.0.entries.lock().push(Entry { what, matched: false });
        self.0.grown.notify_waiters();
    }

    /// The first that matches and was not matched before, waiting at most `limit` for it.
    pub(super) async fn take(&self, limit: Duration, matches: impl Fn(&T) -> bool) -> Option<T> {
        let deadline = Instant::now() + limit;
        loop {
            // Made before the look: what comes between the two wakes it.
            let grown = self.0.grown.notified();
            if let Some(entry) = self.0.entries.lock().iter_mut().find(|e| !e.matched && matches(&e.what)) {
                entry.matched = true;
                return Some(entry.what.clone());
            }
            timeout_at(deadline, grown).await.ok()?;
        }
    }

    /// As [`Journal::take`].
    ///
    /// # Panics
    /// When nothing comes: the test fails.
    pub(super) async fn expect(&self, at: &Location<'_>, what: &str, matches: impl Fn(&T) -> bool) -> T {
        match self.take(PATIENCE, matches).await {
            Some(found) => found,
            None => panic!("{at}: no {what} within {PATIENCE:?}. {self}"),
        }
    }

    /// # Panics
    /// When it comes: the test fails.
    pub(super) async fn refute(&self, at: &Location<'_>, what: &str, matches: impl Fn(&T) -> bool) {
        if let Some(found) = self.take(QUIET, matches).await {
            panic!("{at}: there should be no {what}, but there is: {found}. {self}");
        }
    }
}

impl<T> Clone for Journal<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self(Arc::new(Inner { entries: Mutex::default(), grown: Notify::new() }))
    }
}

impl<T: Display> Display for Journal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.0.entries.lock();
        f.write_str(if entries.is_empty() { "Nothing came." } else { "What came, oldest first:" })?;
        for Entry { what, matched } in entries.iter() {
            write!(f, "\n  {what}{}", if *matched { " (matched before)" } else { "" })?;
        }
        f.write_char('\n')
    }
}
