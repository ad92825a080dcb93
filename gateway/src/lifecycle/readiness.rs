use tokio::sync::watch;

/// Ready when no latch is held. Clones share the state.
#[derive(Debug, Clone)]
pub struct Readiness(watch::Sender<usize>);

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Readiness {
    /// Ready, until a latch is taken.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the pod unready until the latch is dropped.
    pub fn latch(&self) -> Latch {
        self.0.send_modify(|held| *held += 1);
        Latch(self.clone())
    }

    /// Whether traffic should be sent here.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Resolves when the pod is ready.
    pub async fn ready(&self) {
        // The sender is here, so the channel cannot be closed.
        let mut held = self.0.subscribe();
        let _closed = held.wait_for(|&held| held == 0).await;
    }
}

/// Holds the pod unready while it exists.
#[derive(Debug)]
pub struct Latch(Readiness);

impl Drop for Latch {
    fn drop(&mut self) {
        self.0.0.send_modify(|held| *held -= 1);
    }
}
