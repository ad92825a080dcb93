use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use ring::hmac;
use tokio::sync::watch;

use crate::pubsub::PubSub;

/// What the secret is for, in Redis.
const PURPOSE: &str = "longpoll";

/// How often it is looked whether all pods still share the secret: Redis may have lost it, and then whichever pod asks
/// first decides.
const LOOK: Duration = Duration::from_secs(10);

/// How soon it is tried again while Redis is away.
const RETRY: Duration = Duration::from_millis(250);

/// How long a request waits for the secret of a pod that has just begun.
const PATIENCE: Duration = Duration::from_secs(2);

/// What tokens are signed with, and what else they may be.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) current: hmac::Key,
    /// What was current before Redis lost it.
    pub(super) former: Option<hmac::Key>,
}

/// The secret of the deployment: random, made by the first pod and kept in Redis. Who can read it there can do anything
/// anyway. Embedded, it is this process' own.
#[derive(Debug)]
pub(super) struct Secret(watch::Sender<Option<Arc<Keys>>>);

impl Secret {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// The keys, once the pods have agreed on them; none when that takes too long.
    pub(super) async fn keys(&self) -> Option<Arc<Keys>> {
        let mut agreed = self.0.subscribe();
        let agreed = tokio::time::timeout(PATIENCE, agreed.wait_for(Option::is_some)).await.ok()?.ok()?;
        agreed.clone()
    }

    /// Agrees with the other pods, again and again. Runs until it is dropped.
    pub(super) async fn agree(&self, pubsub: &PubSub) {
        let mut secret = Bytes::copy_from_slice(&rand::rng().random::<[u8; 32]>());
        loop {
            let Ok(shared) = pubsub.shared_secret(PURPOSE, secret.clone()).await else {
                tokio::time::sleep(RETRY).await;
                continue;
            };
            let known = self.0.borrow().is_some();
            if !known || shared != secret {
                let key = |secret: &Bytes| hmac::Key::new(hmac::HMAC_SHA256, secret);
                let former = known.then(|| key(&secret));
                self.0.send_replace(Some(Arc::new(Keys { current: key(&shared), former })));
                secret = shared;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
