//! The last messages of topics that keep a history: what a stream of them is, where it is kept, and what a reader can
//! prove about it.
//!
//! Called by `pubsub`, which appends a message in the same step as it publishes it, and which alone knows what the bytes
//! of a message mean. It knows neither subscribers nor channels, and publishes nothing.
//!
//! Invariants: within an epoch the messages of a topic are numbered from 1 without a gap; whatever may have lost
//! messages (expiry, a flush, a replica that took over) begins another epoch; what cannot be proved to be complete is
//! reported as lost, never passed over.

#[cfg(test)]
mod contract;
mod memory;
mod page;
mod position;
mod redis;
mod sequence;
mod store;

pub use memory::Memory;
pub use page::{Limit, Page, Raw, Stored};
pub use position::{EMPTY_RENEWAL, Epoch, Policy, Position, RENEWAL, Retention};
pub use redis::Redis;
pub use sequence::{CHUNK, Caught, Sequence, Verdict};
pub use store::{Read, Reading, Store, StoreUnavailable};
