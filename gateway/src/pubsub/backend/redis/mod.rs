//! Many pods: each message goes through Redis, and comes back to all pods that host its topic in one order.
//!
//! Publications leave by lanes: a topic always takes the same one, which numbers and sends them in the order of calls.
//! Messages come in by `crate::redis::Subscriber`, which calls the fan-out itself.
//!
//! Invariants: a publication is settled exactly once, within 3 seconds; what this pod reported as failed before it was
//! sent is not sent any more; locks of lanes are held while nothing else is called.

mod backend;
mod incoming;
mod lane;
mod letters;
mod orders;
mod scripts;
#[cfg(test)]
mod tests;
mod upkeep;
mod ways;

pub(in crate::pubsub) use backend::Redis;
