//! What workers count and tell.

use serde::{Deserialize, Serialize};

use crate::measure::{Integrity, Latency};

/// A line that a worker writes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Line {
    /// So many have joined; with all of them the worker waits for its start.
    Joined(usize),
    /// A second is over.
    Second(Second),
    /// The end.
    Done(Box<Tally>),
    /// The end, with the reason in plain words.
    Failed(String),
}

/// What one second brought.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Second {
    pub(super) number: usize,
    pub(super) joined: usize,
    pub(super) deliveries: u64,
    pub(super) p99_ms: f64,
}

/// All counts of a worker, or of several.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) sent: u64,
    /// Not sent, because the publisher was not there.
    pub(super) unsent: u64,
    pub(super) deliveries: u64,
    /// Of these, what was sent while the member was away.
    pub(super) replayed: u64,
    pub(super) other_frames: u64,
    pub(super) refused: u64,
    pub(super) first_refusal: Option<String>,
    /// Connections that ended though nobody cut them.
    pub(super) lost_connections: u64,
    pub(super) first_loss: Option<String>,
    /// Channels that the server ended.
    pub(super) ended_channels: u64,
    pub(super) first_end: Option<String>,
    /// Members that were cut or went, and that came back or came in their place.
    pub(super) gone: u64,
    pub(super) returned: u64,
    /// Of those who asked for what they had missed: who got all of it, who was told that it cannot be proved, and who was told
    /// nothing.
    pub(super) recovered: u64,
    pub(super) not_recovered: u64,
    pub(super) unanswered_recoveries: u64,
    /// Members that were not joined at the end.
    pub(super) missing: u64,
    pub(super) integrity: Integrity,
    /// How late a worker itself was with a message, at worst.
    pub(super) max_lag_ms: f64,
    pub(super) join: Buckets,
    pub(super) delivery: Buckets,
    pub(super) comeback: Buckets,
    pub(super) tool_cpu_s: f64,
}

/// The values of a histogram that occur, in nanoseconds, each with its count.
pub(super) type Buckets = Vec<(u64, u64)>;

impl Tally {
    /// Adds the counts of another worker.
    pub(super) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.unsent += other.unsent;
        self.deliveries += other.deliveries;
        self.replayed += other.replayed;
        self.other_frames += other.other_frames;
        self.refused += other.refused;
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
        self.lost_connections += other.lost_connections;
        self.first_loss = self.first_loss.take().or(other.first_loss);
        self.ended_channels += other.ended_channels;
        self.first_end = self.first_end.take().or(other.first_end);
        self.gone += other.gone;
        self.returned += other.returned;
        self.recovered += other.recovered;
        self.not_recovered += other.not_recovered;
        self.unanswered_recoveries += other.unanswered_recoveries;
        self.missing += other.missing;
        self.integrity = [self.integrity, other.integrity].into_iter().sum();
        self.max_lag_ms = self.max_lag_ms.max(other.max_lag_ms);
        self.join.extend(other.join);
        self.delivery.extend(other.delivery);
        self.comeback.extend(other.comeback);
        self.tool_cpu_s += other.tool_cpu_s;
    }
}

/// The histogram of these values.
pub(super) fn latency(buckets: &Buckets) -> Latency {
    let mut latency = Latency::new();
    buckets.iter().for_each(|(value, count)| latency.add(*value, *count));
    latency
}
