//! What a pod remembers of what it has told.

use super::super::record::{RecordId, Write};
use super::super::store::Ledger;
use super::super::truth::{Former, Truth};
use super::pod::meta;
use crate::ids::NodeId;
use crate::pubsub::SubscriberId;

#[test]
fn what_was_lost_while_it_was_written_is_told_again() {
    let (node, mut truth, mut ledger) = (NodeId::from("a"), Truth::default(), Ledger::default());
    truth.track(SubscriberId::for_tests(1), "u", meta("m"), Former::default()).unwrap();
    let batch = truth.begin(&node, 0, 0);
    let write = Write { node, epoch: None, complete: true, delta: batch.delta.clone(), claims: Vec::new() };
    let written = ledger.write(&write).unwrap();
    // The store is flushed, and this pod hears of that before it hears that its write was done.
    truth.doubt();
    truth.taken(batch, written);
    assert!(truth.is_dirty() && truth.epoch.is_none());
}

#[test]
fn who_lingers_is_told_together_with_the_leave() {
    let (node, mut truth, mut ledger) = (NodeId::from("a"), Truth::default(), Ledger::default());
    for n in 0..2000 {
        truth.track(SubscriberId::for_tests(n), "u", meta("m"), Former::default()).unwrap();
    }
    let mut tell = |truth: &mut Truth| {
        let batch = truth.begin(&node, 0, 1000);
        let mut epoch = truth.epoch.clone();
        let mut written = None;
        for (delta, complete) in batch.delta.chunks(epoch.is_none()) {
            let claims = Vec::new();
            let taken = ledger.write(&Write { node: node.clone(), epoch, complete, delta, claims }).unwrap();
            epoch = Some(taken.epoch.clone());
            written = Some(taken);
        }
        truth.taken(batch, written.unwrap());
        ledger.snapshot()
    };
    assert_eq!(tell(&mut truth).records.len(), 2000);
    for n in 0..1000 {
        truth.end(SubscriberId::for_tests(n), true);
    }
    // Everything is told again, in parts.
    truth.doubt();
    let snapshot = tell(&mut truth);
    let lingering = snapshot.records.iter().filter(|record| RecordId::is_lingering(&record.id)).count();
    assert_eq!((snapshot.records.len(), lingering, snapshot.complete), (2000, 1000, vec![NodeId::from("a")]));
}
