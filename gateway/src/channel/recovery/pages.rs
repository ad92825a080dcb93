use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::history::{Epoch, Limit, Page, Position, Stored};
use crate::outbox::Packet;
use crate::pubsub::Unavailable;
use crate::wire::{Encoding, Outgoing};

/// How many messages a page holds. Pages end at multiples of it, so that clients which were cut off at different times
/// soon need the same ones.
const PAGE: u64 = 128;

/// How many bytes of messages a page holds at most, beside its first one.
const PAGE_BYTES: usize = 256 * 1024;

/// How long a page may take, the wait for another one who reads it included: when Redis is away, those who wait for one
/// page do not fail one after the other.
const TIMEOUT: Duration = Duration::from_secs(3);

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
            let read = async { reading.await.map(|page| Ready::new(topic, page)) };
            timeout(TIMEOUT, cell.get_or_try_init(|| read)).await.map_err(|_| Unavailable)??;
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::wire::{Payload, Vsn};

    fn position(offset: u64) -> Position {
        Position { epoch: Epoch::from("e"), offset }
    }

    fn page(offsets: &[u64]) -> Page {
        let stored = |&offset| Stored { offset, event: "e".into(), payload: Payload::empty() };
        Page { position: position(9), first: Some(1), messages: offsets.iter().map(stored).collect() }
    }

    /// Reads, and counts it.
    async fn read(count: Arc<AtomicUsize>, page: Result<Page, Unavailable>) -> Result<Page, Unavailable> {
        count.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        page
    }

    #[tokio::test]
    async fn clients_at_one_position_share_a_page_and_its_frames() {
        let count = Arc::new(AtomicUsize::new(0));
        let (pages, topic) = (Pages::default(), Arc::from("room:1"));
        let reading = |_| pages.after(&topic, &position(3), |_| read(Arc::clone(&count), Ok(page(&[4, 5]))));
        let shared = join_all((0..10).map(reading)).await;
        assert_eq!(count.load(Ordering::Relaxed), 1);
        let frames: Vec<_> =
            shared.iter().map(|page| page.as_ref().unwrap().packet(Vsn::V2.into(), 1).unwrap()).collect();
        assert_eq!(frames[0].payload(), br#"[null,null,"room:1","e",{}]"#);
        assert!(
            frames.iter().all(|frame| frame.frame().as_ptr() == frames[0].frame().as_ptr()),
            "the bytes are shared"
        );
        drop(shared);
        reading(0).await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2, "it was kept only as long as somebody needed it");
    }

    #[tokio::test]
    async fn a_page_that_failed_or_is_empty_is_read_again() {
        let count = Arc::new(AtomicUsize::new(0));
        let (pages, topic) = (Pages::default(), Arc::from("room:1"));
        let after = |result| pages.after(&topic, &position(3), |_| read(Arc::clone(&count), result));
        let (failed, good) = tokio::join!(after(Err(Unavailable)), after(Ok(page(&[]))));
        assert!(failed.is_err() && good.is_ok(), "one who fails does not fail the others");
        let again = after(Ok(page(&[4]))).await.unwrap();
        assert_eq!((again.message(0).map(|message| message.offset), count.load(Ordering::Relaxed)), (Some(4), 3));
        drop(good);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_does_not_come_is_given_up_after_3_seconds_by_all_who_wait_for_it() {
        let (pages, topic) = (Pages::default(), Arc::from("room:1"));
        let never = || pages.after(&topic, &position(3), |_| std::future::pending::<Result<Page, Unavailable>>());
        let began = tokio::time::Instant::now();
        let all = join_all([never(), never(), never()]).await;
        assert!(all.iter().all(|page| matches!(page, Err(Unavailable))));
        assert!((TIMEOUT..TIMEOUT * 2).contains(&began.elapsed()), "not one after the other: {:?}", began.elapsed());
    }

    #[tokio::test]
    async fn pages_end_where_others_begin() {
        let (pages, topic) = (Pages::default(), Arc::from("room:1"));
        for (offset, expected) in [(0, 128), (1, 127), (127, 1), (128, 128), (300, 84)] {
            let mut asked = None;
            let reading = pages.after(&topic, &position(offset), |limit| {
                asked = Some(limit.messages);
                std::future::ready(Ok(page(&[])))
            });
            assert_eq!(asked, Some(expected));
            reading.await.unwrap();
        }
    }
}
