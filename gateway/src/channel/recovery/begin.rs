use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::cursor::{Cursor, Standing};
use super::pages::{Pages, Shared};
use super::request::Recover;
use crate::history::{Limit, Page, Position};
use crate::pubsub::{Interest, Unavailable};

/// How long all of it may take: with what a topic may take, a join stays below the 10 seconds of phoenix.js.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often is looked in between. Nothing tells that a topic has moved but being subscribed to it.
const LOOK: Duration = Duration::from_millis(5);

/// Where a client that asked to recover begins.
pub(in super::super) enum Start {
    /// Where the topic is: it asked for that, or nothing better can be proved.
    Here,
    /// Where it was: what follows can be replayed, beginning with this page if it has been read.
    At(Position, Option<Shared>),
}

/// Finds out where a client begins. None: the topic keeps no history.
///
/// # Errors
/// When the store cannot be read in time, or this pod does not come as far as the client.
pub(in super::super) async fn begin(
    interest: &Interest,
    topic: &Arc<str>,
    recover: &Recover,
    pages: &Pages,
) -> Result<Option<Start>, Unavailable> {
    timeout(PATIENCE, find(interest, topic, recover, pages)).await.map_err(|_| Unavailable)?
}

async fn find(
    interest: &Interest,
    topic: &Arc<str>,
    recover: &Recover,
    pages: &Pages,
) -> Result<Option<Start>, Unavailable> {
    let Some(mut subscribers) = interest.position() else { return Ok(None) };
    let Recover::From(client) = recover else { return Ok(Some(Start::Here)) };
    if Standing::of(client, &subscribers) == Standing::Ahead {
        // Of this epoch, and still there: read now, not shared.
        let page = interest.read_after(client.offset, Limit { messages: 1, bytes: 1 }).await?;
        if !page.follows(client) {
            return Ok(Some(Start::Here));
        }
        // What it has had was published: this pod's copy is on its way, or being read from the store.
        while Standing::of(client, &subscribers) == Standing::Ahead {
            sleep(LOOK).await;
            let Some(now) = interest.position() else { return Ok(None) };
            subscribers = now;
        }
    }
    Ok(Some(match Standing::of(client, &subscribers) {
        Standing::Level => Start::At(client.clone(), None),
        Standing::Behind => {
            let reading = pages.after(topic, client, |limit| interest.read_after(client.offset, limit));
            let shared = reading.await?;
            if shared.page().is_some_and(|page| is_proof(page, client)) {
                Start::At(client.clone(), Some(shared))
            } else {
                Start::Here
            }
        }
        Standing::Ahead | Standing::Elsewhere => Start::Here,
    }))
}

/// Whether a page brings a client further. One without messages, where some should be, holds only what this version
/// cannot read: its clients would come back for it for ever.
fn is_proof(page: &Page, client: &Position) -> bool {
    matches!(Cursor::new(client.clone()).take(page), Ok(next) if !next.is_empty())
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::history::{self, Retention};
    use crate::ids::NodeId;
    use crate::pubsub::{self, PubSub};

    /// A join that waited for ever would be asked for again by its client, and answered twice.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_ahead_of_its_pod_is_answered_after_3_seconds() {
        let (retention, store) = (Retention::new(10, Duration::from_secs(60)), history::Memory::new());
        let metrics = pubsub::Metrics::register(&prometheus::Registry::new()).unwrap();
        let policy: history::Policy = Arc::new(move |_| Some(retention));
        let handler = Arc::new(|_, _| {});
        let pubsub = PubSub::memory_over(store.clone(), NodeId::random(), handler, metrics, Some(policy));
        let topic = Arc::from("room:1");
        let interest = pubsub.interest(&topic).await.unwrap();
        // Another pod's, which does not come here.
        let position = store.appending(&topic).append(&topic, retention, "".into());
        let began = Instant::now();
        let start = begin(&interest, &topic, &Recover::From(position), &Pages::default()).await;
        assert!(start.is_err());
        assert!((PATIENCE..PATIENCE + 2 * LOOK).contains(&began.elapsed()), "{:?}", began.elapsed());
    }
}
