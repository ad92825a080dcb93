//! Topics with history: what has come is delivered in the order of its numbers, and what has not is read from the store.
//!
//! The reading is done by a task, one at a time for each topic, while fan-out goes on. In embedded mode the store answers
//! at once, and nothing needs a task.
//!
//! What is handed out comes in chunks, between which the topic's lock is free and the connections write: a gap must not
//! cost the subscribers their queues. What is published meanwhile is parked.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::MutexGuard;
use tokio::time::Instant;

use super::backend::{Inbound, Kept, Taken};
use super::entry::{Entry, State};
use super::envelope;
use super::histories::Histories;
use super::metrics::{Dropped, Gap};
use super::topics::Topics;
use super::track::{Message, size};
use crate::history::{CHUNK, EMPTY_RENEWAL, Page, Position, RENEWAL, Raw, Read, Retention, Store, Verdict};
use crate::outbox::Outbox;

/// How long is waited between two chunks at least.
const PAUSE: Duration = Duration::from_millis(3);

/// How often the pause is repeated while many queues are filled: some 100 ms, since one who catches up has to be faster
/// than those who publish.
const PATIENCE: usize = 32;

/// Of how many subscribers one may be slow without the others waiting for it.
const CROWD: usize = 8;

/// How soon a store that did not answer is asked again.
const RETRY: Duration = Duration::from_millis(250);

impl Topics {
    /// How much of a topic is kept.
    pub(super) fn retention(&self, topic: &str) -> Option<Retention> {
        self.histories.as_ref().and_then(|histories| (histories.policy)(topic))
    }

    /// A message came on a topic with history.
    pub(super) fn received_kept(
        &self,
        entry: &Arc<Entry>,
        mut state: MutexGuard<'_, State>,
        message: &Inbound<'_>,
        Kept { epoch, offset }: Kept<'_>,
    ) -> Taken {
        let State { track: Some(track), subscribers, .. } = &mut *state else { return Taken::Done };
        match track.sequence.heard(epoch, offset) {
            Verdict::Next => {
                let mut delivered = track.deliver(subscribers, entry.topic(), offset, message);
                let (more, parked) = track.deliver_parked(subscribers, entry.topic());
                delivered += more;
                let behind = track.sequence.is_behind();
                drop(state);
                self.metrics.delivered(delivered);
                self.dealt_with(entry, &parked);
                if behind {
                    self.catch_up_later(entry);
                }
                Taken::Done
            }
            Verdict::Known => {
                self.metrics.dropped(Dropped::Duplicate);
                Taken::Done
            }
            verdict => {
                if verdict == Verdict::Early {
                    track.sequence.park(offset, size(message), Message::copy(message));
                }
                drop(state);
                self.catch_up_later(entry);
                Taken::Waits
            }
        }
    }

    /// As [`Topics::catch_up`], for whoever delivers.
    fn catch_up_later(&self, entry: &Arc<Entry>) {
        // In embedded mode this only happens while whoever made the topic reads its position, and goes on with this. The
        // publisher holds the stream.
        if self.paces() {
            self.catch_up(entry);
        }
    }

    /// Reads what is missing of a topic, if something is and nobody does so already.
    pub(super) fn catch_up(&self, entry: &Arc<Entry>) {
        let Some(histories) = &self.histories else { return };
        let Some(read) = entry.begin_reading() else { return };
        self.read_by_task(histories, entry, read);
    }

    /// As [`Topics::catch_up`], for whoever has just read.
    fn catch_up_again(&self, entry: &Arc<Entry>) {
        let Some(histories) = &self.histories else { return };
        if let Some(read) = entry.read_again() {
            self.read_by_task(histories, entry, read);
        }
    }

    fn read_by_task(&self, histories: &Histories, entry: &Arc<Entry>, read: Read) {
        let work = read_on(self.this.clone(), histories.store.clone(), entry.clone(), read);
        match &histories.tasks {
            Some(tasks) => tasks.spawn_until_stop(work),
            None => work.now_or_never().unwrap_or_default(),
        }
    }

    /// What was read of a topic goes to its subscribers.
    fn caught_up(&self, entry: &Arc<Entry>, page: Page<Raw>) {
        let Some(histories) = &self.histories else { return };
        let epoch = page.position.epoch.clone();
        let read = |raw: &Raw| match envelope::decode(entry.topic(), &raw.bytes, &histories.node) {
            Ok(message) => (raw.offset, Message::read(Some(&message))),
            Err(reason) => {
                self.metrics.dropped(reason);
                (raw.offset, Message::read(None))
            }
        };
        let messages = page.messages.iter().map(read).collect();
        let mut state = entry.state.lock();
        let State { track: Some(track), subscribers, .. } = &mut *state else { return };
        let caught = track.sequence.caught(page.position, messages);
        let detached = if caught.lost { track.lose(subscribers) } else { Vec::new() };
        let mut delivered = 0;
        for (offset, message) in &caught.messages {
            match message.inbound(entry.topic(), epoch.as_str(), *offset) {
                Some(message) => delivered += track.deliver(subscribers, entry.topic(), *offset, &message),
                None => track.forget_tail(),
            }
        }
        state.resolve_if_ready();
        drop(state);
        drop(detached);
        self.metrics.delivered(delivered);
        if caught.lost {
            histories.complain(entry.topic());
            self.metrics.gap(Gap::Lost);
        } else if !caught.messages.is_empty() {
            self.metrics.gap(Gap::Filled);
        }
        let messages: Vec<_> = caught.messages.into_iter().map(|(_, message)| message).collect();
        self.dealt_with(entry, &messages);
    }

    /// Hands out a chunk of what waited behind a gap. Whether there was something.
    fn hand_out_parked(&self, entry: &Entry) -> bool {
        let mut state = entry.state.lock();
        let State { track: Some(track), subscribers, .. } = &mut *state else { return false };
        let (delivered, parked) = track.deliver_parked(subscribers, entry.topic());
        drop(state);
        self.metrics.delivered(delivered);
        self.dealt_with(entry, &parked);
        !parked.is_empty()
    }

    /// Whether a task does the reading, and can wait between two chunks.
    fn paces(&self) -> bool {
        self.histories.as_ref().is_some_and(|histories| histories.tasks.is_some())
    }

    /// Tells the backend, without the topic's lock, that messages which it may wait for have been delivered.
    fn dealt_with(&self, entry: &Entry, messages: &[Message]) {
        for stamp in messages.iter().filter_map(Message::stamp) {
            self.backend().dealt_with(entry.topic(), stamp);
        }
    }

    /// Has the positions of all hosted topics remembered for longer, again and again: those without a message more often.
    pub(super) async fn renew(topics: Weak<Self>) {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(EMPTY_RENEWAL).await;
            let all = renewed.elapsed() >= RENEWAL;
            if all {
                renewed = Instant::now();
            }
            let Some(tracked) = topics.upgrade().map(|topics| topics.tracked()) else { return };
            for entry in tracked {
                if all || entry.is_empty() {
                    renew_one(&topics, entry).await;
                }
            }
        }
    }
}

/// Asks once. A topic that cannot be read must not keep the others waiting: a task of its own goes on with it.
async fn renew_one(topics: &Weak<Topics>, entry: Arc<Entry>) {
    let Some(store) = topics.upgrade().and_then(|topics| Some(topics.histories.as_ref()?.store.clone())) else {
        return;
    };
    entry.doubt();
    let Some(read) = entry.begin_reading() else { return };
    match store.read(entry.topic(), read).await {
        Ok(Some(page)) => hand_out(topics, &entry, page).await,
        _ => drop(entry.reading_failed()),
    }
    if let Some(topics) = topics.upgrade() {
        topics.catch_up_again(&entry);
    }
}

impl Entry {
    /// What to read, if something is missing; nobody else reads until [`Entry::read_again`] finds that nothing is.
    fn begin_reading(&self) -> Option<Read> {
        next_reading(&mut self.state.lock())
    }

    /// What to read next, for the one who reads.
    fn read_again(&self) -> Option<Read> {
        let mut state = self.state.lock();
        state.track.as_mut()?.sequence.end_reading();
        next_reading(&mut state)
    }

    fn is_behind(&self) -> bool {
        self.state.lock().track.as_ref().is_some_and(|track| track.sequence.is_behind())
    }

    /// Whether many of the subscribers' connections have much to write.
    fn is_crowded(&self) -> bool {
        let state = self.state.lock();
        let is_slow = |outbox: &Outbox| outbox.queued_bytes() > outbox.largest_charge() / 2;
        let slow = state.subscribers.iter().filter(|(_, listener)| listener.outbox().is_some_and(is_slow)).count();
        slow * CROWD > state.subscribers.len()
    }

    /// Lets the connections write before the next chunk.
    async fn pace(&self) {
        tokio::time::sleep(PAUSE).await;
        for _ in 0..PATIENCE {
            if !self.is_crowded() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether it is worth to try again.
    fn reading_failed(&self) -> bool {
        let mut state = self.state.lock();
        if let Some(track) = &mut state.track {
            track.sequence.failed();
        }
        !state.is_gone()
    }

    /// Whether nothing was published yet, as far as is known here.
    fn is_empty(&self) -> bool {
        self.position().is_none_or(|position| position.offset == 0)
    }

    fn doubt(&self) {
        if let Some(track) = &mut self.state.lock().track {
            track.sequence.doubt();
        }
    }

    /// Where the subscribers are.
    pub(super) fn position(&self) -> Option<Position> {
        self.state.lock().track.as_ref()?.sequence.position().cloned()
    }
}

fn next_reading(state: &mut State) -> Option<Read> {
    if !state.is_live() {
        // When it is received again, the reading begins.
        return None;
    }
    let track = state.track.as_mut()?;
    let (epoch, after) = track.sequence.begin_reading()?;
    Some(Read { after, epoch, limit: CHUNK, renew: Some(track.retention) })
}

/// Reads until nothing is known to be missing.
async fn read_on(topics: Weak<Topics>, store: Arc<dyn Store>, entry: Arc<Entry>, first: Read) {
    let mut next = Some(first);
    while let Some(read) = next {
        let page = store.read(entry.topic(), read).await;
        if topics.strong_count() == 0 {
            return;
        }
        if let Ok(Some(page)) = page {
            hand_out(&topics, &entry, page).await;
        } else if entry.reading_failed() {
            tokio::time::sleep(RETRY).await;
        } else {
            return;
        }
        next = entry.read_again();
    }
}

/// Hands out what was read and what waited behind it. When there is more to read, it is time for that when this ends.
async fn hand_out(topics: &Weak<Topics>, entry: &Arc<Entry>, page: Page<Raw>) {
    let Some(upgraded) = topics.upgrade() else { return };
    upgraded.caught_up(entry, page);
    let paces = upgraded.paces();
    drop(upgraded);
    while entry.is_behind() {
        if paces {
            entry.pace().await;
        }
        if !topics.upgrade().is_some_and(|topics| topics.hand_out_parked(entry)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
