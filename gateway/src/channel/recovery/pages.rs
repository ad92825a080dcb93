use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::history::{Epoch, Limit, Page, Position, Stored};
use crate::outbox::Packet;
use crate::pubsub::Unavailable;
use crate::wire::{Encoding, Outgoing};

/// How many messages a page holds. Pages end at multiples of it, so that clients which were cut off at different times
/// soon need the same ones.
const PAGE: u64 = 128;

/// How many bytes of messages a page holds at most, beside its first one.
const PAGE_BYTES: usize = 256 * 1024;

/// How many pages are noted before those that nobody holds any more are forgotten.
const SWEEP: usize = 64;

/// A page under way or read. The first who needs it reads; if that one goes, the next does.
type Cell = OnceCell<Ready>;

/// A page that is being read.
pub(super) type Reading = Pin<Box<dyn Future<Output = Result<Shared, Unavailable>> + Send>>;

/// The pages that clients of this pod are reading at the moment. Clients that come back together read one page once, and
/// share the bytes of its frames.
#[derive(Default)]
pub(in super::super) struct Pages(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    cells: HashMap<(Arc<str>, Epoch, u64), Weak<Cell>>,
    sweep_at: usize,
}

/// A page, for as long as somebody needs it.
#[derive(Clone)]
pub(in super::super) struct Shared(Arc<Cell>);

struct Ready {
    topic: Arc<str>,
    page: Page,
    /// The frames of its messages, made when the first one needs them.
    packets: [OnceLock<Box<[Option<Packet>]>>; Encoding::COUNT],
}

impl Pages {
    /// The page behind a position. `read` begins the reading, unless somebody has.
    pub(super) fn after<F>(&self, topic: &Arc<str>, position: &Position, read: impl FnOnce(Limit) -> F) -> Reading
    where
        F: Future<Output = Result<Page, Unavailable>> + Send + 'static,
    {
        let cell = self.cell(topic, position);
        let messages = usize::try_from(PAGE - position.offset % PAGE).unwrap_or(1);
        let reading = read(Limit { messages, bytes: PAGE_BYTES });
        let topic = Arc::clone(topic);
        Box::pin(async move {
            cell.get_or_try_init(|| async { reading.await.map(|page| Ready::new(topic, page)) }).await?;
            Ok(Shared(cell))
        })
    }

    fn cell(&self, topic: &Arc<str>, position: &Position) -> Arc<Cell> {
        let mut noted = self.0.lock();
        let Noted { cells, sweep_at } = &mut *noted;
        if cells.len() >= *sweep_at {
            cells.retain(|_, cell| cell.strong_count() > 0);
            *sweep_at = SWEEP.max(2 * cells.len());
        }
        let place = cells.entry((Arc::clone(topic), position.epoch.clone(), position.offset)).or_default();
        // One without messages was read before there was what is asked for now.
        let useful = |cell: &Arc<Cell>| cell.get().is_none_or(|ready| !ready.page.messages.is_empty());
        place.upgrade().filter(useful).unwrap_or_else(|| {
            let cell = Arc::new(Cell::new());
            *place = Arc::downgrade(&cell);
            cell
        })
    }
}

impl Shared {
    pub(super) fn page(&self) -> Option<&Page> {
        self.0.get().map(|ready| &ready.page)
    }

    pub(super) fn message(&self, index: usize) -> Option<&Stored> {
        self.page()?.messages.get(index)
    }

    /// The frame of a message; none where the encoding cannot carry it.
    pub(super) fn packet(&self, encoding: Encoding, index: usize) -> Option<Packet> {
        let Ready { topic, page, packets } = self.0.get()?;
        let frame = |Stored { event, payload, offset }: &Stored| {
            let broadcast = Outgoing::Broadcast { topic, event, payload, offset: Some(*offset) };
            Packet::encode(encoding, broadcast).ok()
        };
        packets[encoding.index()].get_or_init(|| page.messages.iter().map(frame).collect()).get(index)?.clone()
    }
}

impl Ready {
    fn new(topic: Arc<str>, page: Page) -> Self {
        Self { topic, page, packets: [const { OnceLock::new() }; Encoding::COUNT] }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}
