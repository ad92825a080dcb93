use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::Sleep;

use super::outcome::Info;

/// What a channel has sent itself for later.
#[derive(Default)]
pub(super) struct Timers(Vec<(Pin<Box<Sleep>>, Info)>);

impl Timers {
    pub(super) fn push(&mut self, delay: Duration, info: Info) {
        self.0.push((Box::pin(tokio::time::sleep(delay)), info));
    }

    /// Takes something that is due.
    pub(super) fn poll_next(&mut self, task: &mut Context<'_>) -> Option<Info> {
        let due = self.0.iter_mut().position(|(timer, _)| timer.as_mut().poll(task).is_ready())?;
        Some(self.0.remove(due).1)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
