//! What tells the store, a topic at a time.

use std::sync::Arc;

use rand::RngExt;

use super::{CLOCKS, FIRST_DELAY, LONGEST_DELAY, Tracker, resolve};
use crate::presence::record::{RecordId, Write, Written};
use crate::presence::store::{Reap, Store, StoreError};

impl Tracker {
    /// Writes a topic until nothing is left to write.
    pub(super) async fn write(self: Arc<Self>, store: Arc<dyn Store>, topic: Arc<str>) {
        let mut delay = FIRST_DELAY;
        loop {
            tokio::time::sleep(self.coalesce).await;
            let done = match self.write_once(&store, &topic).await {
                Ok(()) => self.finish(&*store, &topic).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(true) => return,
                Ok(false) => delay = FIRST_DELAY,
                Err(StoreError::OtherEpoch) => {}
                Err(error) => {
                    tracing::debug!(%error, "presences could not be written");
                    let jittered = delay.mul_f64(rand::rng().random_range(0.5..1.0));
                    tokio::time::sleep(jittered).await;
                    delay = (delay * 2).min(LONGEST_DELAY);
                }
            }
        }
    }

    async fn write_once(self: &Arc<Self>, store: &Arc<dyn Store>, topic: &Arc<str>) -> Result<(), StoreError> {
        // The semaphore is never closed.
        let _permit = self.writes.acquire().await;
        let node = store.node();
        let (batch, mut epoch, waited) = {
            let mut topics = self.topics.lock();
            let Some(own) = topics.own.get_mut(topic) else { return Ok(()) };
            if !own.truth.is_dirty() {
                return Ok(());
            }
            let epoch = own.truth.epoch.clone();
            (own.truth.begin(&node, store.now(), self.grace_ms()), epoch, std::mem::take(&mut own.waiting))
        };
        let mut outcome = Err(StoreError::Unavailable);
        let mut failed = Vec::new();
        for (delta, complete) in batch.delta.chunks(epoch.is_none()) {
            let claims = batch.claims.iter().filter(|claim| delta.put.iter().any(|put| put.id.phx_ref == **claim));
            let claims = claims.cloned().collect();
            let write = Write { node: node.clone(), epoch: epoch.clone(), complete, delta, claims };
            outcome = store.write(topic, &write).await;
            match &mut outcome {
                Ok(written) => {
                    epoch = Some(written.epoch.clone());
                    failed.append(&mut written.failed);
                }
                Err(_) => break,
            }
        }
        let mut topics = self.topics.lock();
        let Some(own) = topics.own.get_mut(topic) else { return Ok(()) };
        if outcome.is_ok() && failed.is_empty() && store.node() == node {
            // Not when all is written: others may change the topic without end.
            resolve(waited);
        } else {
            own.waiting.extend(waited);
        }
        if store.node() != node {
            // All that was written stands under a name that is dead.
            own.truth.rebirth();
            return Ok(());
        }
        match outcome {
            Ok(written) => {
                if batch.delta.put.iter().any(|record| record.id.is_lingering()) {
                    self.tasks.spawn_until_stop(self.clone().expire(store.clone(), topic.clone()));
                }
                own.truth.taken(batch, Written { failed, ..written });
                Ok(())
            }
            Err(error) => {
                own.truth.refused(batch);
                if error != StoreError::Unavailable {
                    own.truth.doubt();
                }
                Err(error)
            }
        }
    }

    /// Drops what was left behind when its time has come: nobody else may watch the topic then. Who came back and left
    /// again meanwhile has a new time.
    async fn expire(self: Arc<Self>, store: Arc<dyn Store>, topic: Arc<str>) {
        tokio::time::sleep(self.grace + CLOCKS).await;
        let lingering = RecordId::topic_itself();
        loop {
            match store.reap(&topic, &lingering, Reap::Expired).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => tokio::time::sleep(LONGEST_DELAY).await,
            }
        }
    }

    /// Ends the writing of a topic, unless there is more to write.
    async fn finish(&self, store: &dyn Store, topic: &str) -> Result<bool, StoreError> {
        {
            let mut topics = self.topics.lock();
            let Some(own) = topics.own.get_mut(topic) else { return Ok(true) };
            if own.truth.is_dirty() {
                return Ok(false);
            }
            if !own.truth.is_empty() {
                own.end_writing();
                return Ok(true);
            }
        }
        let vacated = {
            // The semaphore is never closed.
            let _permit = self.writes.acquire().await;
            store.vacate(topic).await
        };
        let mut topics = self.topics.lock();
        let Some(own) = topics.own.get_mut(topic) else { return Ok(true) };
        if own.truth.is_empty() && vacated.is_ok() {
            own.end_writing();
            topics.own.remove(topic);
            return Ok(true);
        }
        // Whoever came meanwhile is in a topic that the store has been told to forget.
        own.truth.doubt();
        vacated.map(|()| false)
    }
}
