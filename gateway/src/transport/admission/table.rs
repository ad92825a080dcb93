use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use parking_lot::Mutex;

use super::address::ClientKey;
use crate::socket::{Bucket, Rate};

/// The addresses are spread over so many locks.
const SHARDS: usize = 16;

/// How many addresses without a connection a shard remembers: 65,536 in all, some 3 MB. Who has more addresses than
/// that is not held back by limits per address; `limits.connections` still holds.
pub(super) const MAX_REMEMBERED: usize = 4096;

/// A full shard is searched for what can be forgotten at most this often.
const PURGE_PAUSE_MS: u64 = 100;

/// Why an address may not connect now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableRefusal {
    /// It has as many connections as it may.
    Full,
    /// It tries too often; how long until it may again.
    TooFast(Duration),
}

/// The limits of one address.
#[derive(Debug, Clone, Copy)]
pub(super) struct PerAddress {
    pub(super) connections: Option<u32>,
    pub(super) connects: Option<Rate>,
}

impl PerAddress {
    pub(super) fn any(&self) -> bool {
        self.connections.is_some() || self.connects.is_some()
    }
}

#[derive(Debug, Default)]
struct Use {
    open: u32,
    connects: Bucket,
}

impl Use {
    fn is_idle(&self, now_ms: u64) -> bool {
        self.open == 0 && self.connects.is_full(now_ms)
    }
}

#[derive(Debug, Default)]
struct Shard {
    uses: HashMap<ClientKey, Use>,
    /// How many of them have a connection.
    held: usize,
    purged_ms: u64,
}

/// What each client address has open, and how fast it came.
#[derive(Debug)]
pub(super) struct Table {
    limits: PerAddress,
    shards: [Mutex<Shard>; SHARDS],
}

impl Table {
    pub(super) fn new(limits: PerAddress) -> Self {
        Self { limits, shards: Default::default() }
    }

    /// Counts an attempt, and a connection if it may be opened. Whether the connection is in the table, and has to be
    /// released when it ends.
    pub(super) fn open(&self, key: ClientKey, now_ms: u64) -> Result<bool, TableRefusal> {
        self.attempt(key, now_ms, true)
    }

    /// Counts a further attempt on a connection that is in the table.
    pub(super) fn again(&self, key: ClientKey, now_ms: u64) -> Result<(), TableRefusal> {
        self.attempt(key, now_ms, false).map(|_| ())
    }

    fn attempt(&self, key: ClientKey, now_ms: u64, opens: bool) -> Result<bool, TableRefusal> {
        let shard = &mut *self.shard(key).lock();
        if !shard.has_room_for(key, now_ms) {
            return Ok(false);
        }
        let found = shard.uses.entry(key).or_default();
        if let Some(rate) = self.limits.connects {
            found.connects.take(rate, now_ms).map_err(TableRefusal::TooFast)?;
        }
        if !opens {
            return Ok(false);
        }
        if self.limits.connections.is_some_and(|limit| found.open >= limit) {
            return Err(TableRefusal::Full);
        }
        shard.held += usize::from(found.open == 0);
        found.open += 1;
        Ok(true)
    }

    /// A connection has ended.
    pub(super) fn release(&self, key: ClientKey, now_ms: u64) {
        let shard = &mut *self.shard(key).lock();
        let Entry::Occupied(mut found) = shard.uses.entry(key) else { return };
        found.get_mut().open -= 1;
        if found.get().open == 0 {
            shard.held -= 1;
            if found.get().is_idle(now_ms) {
                found.remove();
            }
        }
    }

    /// Forgets addresses that have nothing open and may do again all that a new one may.
    pub(super) fn purge(&self, now_ms: u64) {
        self.shards.iter().for_each(|shard| shard.lock().purge(now_ms));
    }

    fn shard(&self, key: ClientKey) -> &Mutex<Shard> {
        // Neighbouring networks differ in the lower bits.
        &self.shards[(key.0 ^ (key.0 >> 16) ^ (key.0 >> 32)) as usize % SHARDS]
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().uses.len()).sum()
    }
}

impl Shard {
    fn has_room_for(&mut self, key: ClientKey, now_ms: u64) -> bool {
        let is_full = |shard: &Self| shard.uses.len() - shard.held >= MAX_REMEMBERED;
        if !is_full(self) || self.uses.contains_key(&key) {
            return true;
        }
        if now_ms.saturating_sub(self.purged_ms) < PURGE_PAUSE_MS {
            return false;
        }
        self.purge(now_ms);
        !is_full(self)
    }

    fn purge(&mut self, now_ms: u64) {
        self.purged_ms = now_ms;
        self.uses.retain(|_, found| !found.is_idle(now_ms));
        if self.uses.capacity() > 4 * self.uses.len() {
            self.uses.shrink_to_fit();
        }
    }
}
