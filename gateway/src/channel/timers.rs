use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::Sleep;

use super::outcome::Info;

/// What a channel has sent itself for later. Few have any: the others hold one word for it.
#[derive(Default)]
pub(super) struct Timers(Option<Box<Running>>);

#[derive(Default)]
struct Running(Vec<(Pin<Box<Sleep>>, Info)>);

impl Timers {
    pub(super) fn push(&mut self, delay: Duration, info: Info) {
        self.0.get_or_insert_default().0.push((Box::pin(tokio::time::sleep(delay)), info));
    }

    /// Takes something that is due.
    pub(super) fn poll_next(&mut self, task: &mut Context<'_>) -> Option<Info> {
        let Running(timers) = &mut **self.0.as_mut()?;
        let due = timers.iter_mut().position(|(timer, _)| timer.as_mut().poll(task).is_ready())?;
        let (_, info) = timers.remove(due);
        if timers.is_empty() {
            self.0 = None;
        }
        Some(info)
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |running| running.0.len())
    }
}
