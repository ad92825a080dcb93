//! The keys of an identity provider: fetched by one task, used by all connects.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::fetch::{self, FetchError};
use super::jwk::read_set;
use super::key::Key;
use super::metrics::TokenMetrics;
use crate::config::ServiceUrl;

/// How often what is fetched and how long what is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// Keys are never older or younger than this when they are fetched because of their age. What the provider says in
    /// `Cache-Control` is clamped to it.
    pub(super) youngest: Duration,
    pub(super) oldest: Duration,
    /// Where the provider does not say.
    pub(super) usual: Duration,
    /// Tokens with unknown keys, which anybody can make up, cause no more than one fetch in this time.
    pub(super) between: Duration,
    /// How long one connect waits for a fetch.
    pub(super) patience: Duration,
}

impl Timing {
    pub(super) const USUAL: Self = Self {
        youngest: Duration::from_secs(60),
        oldest: Duration::from_secs(3600),
        usual: Duration::from_secs(600),
        between: Duration::from_secs(5),
        patience: Duration::from_secs(3),
    };
}

/// After a failure it is tried again: after a second, then twice as long each time, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is known of the provider's keys.
#[derive(Default)]
struct State {
    keys: Arc<[Key]>,
    /// How many fetches have ended.
    fetches: u64,
    fetching: bool,
    last: Option<Instant>,
}

/// The keys at a URL.
pub(super) struct Jwks {
    client: reqwest::Client,
    url: ServiceUrl,
    timing: Timing,
    metrics: TokenMetrics,
    state: watch::Sender<State>,
    wanted: Notify,
}

/// What was known at one time.
pub(super) struct Snapshot {
    pub(super) keys: Arc<[Key]>,
    fetches: u64,
}

impl Jwks {
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(url: ServiceUrl, timing: Timing, metrics: TokenMetrics) -> Result<Self, String> {
        let (client, state) = (fetch::client()?, watch::Sender::new(State::default()));
        Ok(Self { client, url, timing, metrics, state, wanted: Notify::new() })
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let state = self.state.borrow();
        Snapshot { keys: Arc::clone(&state.keys), fetches: state.fetches }
    }

    /// Waits until the keys have been fetched after `seen`, if they may be fetched now. Many that wait share one fetch.
    /// None when there is nothing new.
    pub(super) async fn after(&self, seen: &Snapshot) -> Option<Snapshot> {
        let mut states = self.state.subscribe();
        {
            let state = states.borrow();
            let is_recent = state.last.is_some_and(|last| last.elapsed() < self.timing.between);
            if state.fetches == seen.fetches && !state.fetching {
                if is_recent {
                    return None;
                }
                self.wanted.notify_one();
            }
        }
        let fetched = states.wait_for(|state| state.fetches != seen.fetches);
        timeout(self.timing.patience, fetched).await.ok()?.ok()?;
        Some(self.snapshot())
    }

    /// Fetches the keys now, when they have become old, when they are asked for, and again after failures, for ever. What
    /// is known stays in use until there is something better.
    pub(super) async fn keep_fresh(&self) {
        let mut failures = 0;
        loop {
            self.state.send_modify(|state| state.fetching = true);
            let (keys, pause) = match self.fetch().await {
                Ok((keys, age)) => {
                    failures = 0;
                    self.metrics.fetched.inc();
                    (Some(keys), age)
                }
                Err(error) => {
                    let pause = Duration::from_secs(1 << failures.min(6)).min(LONGEST_PAUSE);
                    failures += 1;
                    self.metrics.not_fetched.inc();
                    tracing::warn!(url = %self.url, %error, "the keys for tokens could not be fetched");
                    (None, pause)
                }
            };
            let now = Instant::now();
            self.state.send_modify(|state| {
                if let Some(keys) = keys {
                    state.keys = keys.into();
                }
                state.fetches += 1;
                state.fetching = false;
                state.last = Some(now);
            });
            self.wait(now, pause).await;
        }
    }

    async fn wait(&self, last: Instant, pause: Duration) {
        let due = last + pause;
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                // Who asked before the last fetch has its answer.
                () = self.wanted.notified() => if last.elapsed() >= self.timing.between { return },
            }
        }
    }

    async fn fetch(&self) -> Result<(Vec<Key>, Duration), FetchError> {
        let fetched = fetch::get(&self.client, self.url.expose()).await?;
        let keys = read_set(&fetched.body)?;
        if keys.is_empty() {
            tracing::warn!(url = %self.url, "the JWK Set has no key that tokens can be verified with");
        }
        let Timing { youngest, oldest, usual, .. } = self.timing;
        Ok((keys, fetched.max_age.unwrap_or(usual).clamp(youngest, oldest)))
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").field("url", &self.url).finish_non_exhaustive()
    }
}
