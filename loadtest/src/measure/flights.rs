//! Numbered things that are under way, with the time each was meant to leave.

use std::collections::VecDeque;
use std::time::Instant;

/// Numbers count up from 0 and are launched in order; each must arrive a given number of times.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    flights: VecDeque<Flight>,
    /// Number of the front of the queue.
    first: u64,
    launched: u64,
    landed: u64,
}

#[derive(Debug)]
struct Flight {
    intended: Instant,
    remaining: usize,
}

impl Flights {
    /// Launches the next number, to arrive `arrivals` times, and returns it.
    pub(crate) fn launch(&mut self, intended: Instant, arrivals: usize) -> u64 {
        self.flights.push_back(Flight { intended, remaining: arrivals });
        self.launched += 1;
        self.launched - 1
    }

    /// Notes one arrival and returns the intended time of leaving; `None` if no arrival of this number is awaited.
    pub(crate) fn arrive(&mut self, number: u64) -> Option<Instant> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let flight = self.flights.get_mut(index).filter(|flight| flight.remaining > 0)?;
        flight.remaining -= 1;
        let intended = flight.intended;
        if flight.remaining == 0 {
            self.landed += 1;
            while self.flights.front().is_some_and(|flight| flight.remaining == 0) {
                self.flights.pop_front();
                self.first += 1;
            }
        }
        Some(intended)
    }

    /// How many numbers were launched in all.
    pub(crate) fn launched(&self) -> u64 {
        self.launched
    }

    /// How many are still under way.
    pub(crate) fn under_way(&self) -> u64 {
        self.launched - self.landed
    }

    /// Gives up on all that are under way, and returns how many that were.
    pub(crate) fn abandon(&mut self) -> u64 {
        let given_up = self.under_way();
        self.flights.clear();
        self.first = self.launched;
        self.landed = self.launched;
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lands_with_its_last_arrival_whatever_the_order() {
        let (mut flights, now) = (Flights::default(), Instant::now());
        assert_eq!((flights.launch(now, 2), flights.launch(now, 1)), (0, 1));
        assert_eq!(flights.arrive(1), Some(now));
        assert_eq!((flights.under_way(), flights.arrive(1)), (1, None));
        assert_eq!((flights.arrive(0), flights.under_way()), (Some(now), 1));
        assert_eq!((flights.arrive(0), flights.under_way()), (Some(now), 0));
        assert_eq!((flights.arrive(0), flights.arrive(9)), (None, None));
    }

    #[test]
    fn what_is_given_up_does_not_arrive() {
        let (mut flights, now) = (Flights::default(), Instant::now());
        flights.launch(now, 1);
        assert_eq!((flights.abandon(), flights.under_way(), flights.arrive(0)), (1, 0, None));
        assert_eq!((flights.launch(now, 1), flights.arrive(1)), (1, Some(now)));
    }
}
