//! Opens connections that join nothing yet.

use std::time::{Duration, Instant};

use super::event_loop::{ConnectionId, Event, Fleet, Handler};
use super::ramp::connection_error;
use crate::client::Endpoints;
use crate::error::Error;

/// Opens `count` connections in a fleet without any, `window` on their way at once, and waits until all are upgraded.
///
/// # Errors
/// The first connection that fails, or `patience` without any progress.
pub(crate) fn open(fleet: &mut Fleet, count: usize, window: usize, patience: Duration) -> Result<(), Error> {
    let mut opening = Opening { endpoints: fleet.config().endpoints.clone(), open: 0, failure: None };
    let (mut started, mut seen, mut seen_at) = (0, 0, Instant::now());
    while opening.open < count {
        while started < count && started - opening.open < window.max(1) {
            fleet.connect()?;
            started += 1;
        }
        fleet.turn(Instant::now() + Duration::from_millis(100), &mut opening)?;
        if let Some(error) = opening.failure.take() {
            return Err(error);
        }
        if opening.open > seen {
            (seen, seen_at) = (opening.open, Instant::now());
        } else if seen_at.elapsed() > patience {
            return Err(Error::Stuck { done: opening.open, wanted: count, seconds: patience.as_secs() });
        }
    }
    Ok(())
}

struct Opening {
    endpoints: Endpoints,
    open: usize,
    failure: Option<Error>,
}

impl Handler for Opening {
    fn on_event(&mut self, id: ConnectionId, event: Event<'_>, _: &mut Vec<String>) {
        match event {
            Event::Open => self.open += 1,
            Event::Text(_) => {}
            Event::Gone(reason) => {
                let error = connection_error(&self.endpoints, id, reason);
                self.failure.get_or_insert(error);
            }
        }
    }
}
