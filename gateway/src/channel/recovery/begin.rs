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
