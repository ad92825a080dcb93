use std::hint::black_box;

/// How often an operation runs before it counts: the allocator and the caches of the rooms are as they are in daily work.
const WARM_UP: usize = 16;

/// How often an operation is counted; its mean is the result, for the seeds of hash tables are random.
pub(crate) const ROUNDS: u64 = 64;

/// One operation.
#[derive(Clone, Copy)]
pub(crate) struct Bench {
    /// `room.operation`.
    pub(crate) name: &'static str,
    /// Sets the room up and lets the meter measure.
    pub(crate) run: fn(&Meter),
}

/// Runs an operation again and again.
pub(crate) struct Meter {
    /// Whether callgrind watches. If not, the operation runs once, to see that it works.
    pub(crate) counts: bool,
}

impl Meter {
    /// Measures `work`. What it gets, `prepare` has made, and what it returns is dropped: neither is counted. Both see the
    /// `room`, in which `prepare` puts back what `work` has changed.
    pub(crate) fn measure<S, I, O>(
        &self,
        mut room: S,
        mut prepare: impl FnMut(&mut S) -> I,
        mut work: impl FnMut(&mut S, I) -> O,
    ) {
        let rounds = if self.counts { WARM_UP..WARM_UP + ROUNDS as usize } else { 1..1 };
        for round in 0..rounds.end {
            let (mut input, mut output) = (Some(black_box(prepare(&mut room))), None);
            let mut step = || output = input.take().map(|input| work(&mut room, input));
            if rounds.contains(&round) {
                counted_by_callgrind(&mut step);
            } else {
                step();
            }
            drop(black_box(output));
        }
    }
}

/// The name that callgrind is told: what runs inside is counted, and nothing else.
#[inline(never)]
fn counted_by_callgrind(step: &mut dyn FnMut()) {
    step();
    // Something to come back for: a jump in place of the call would leave the function too early.
    black_box(step);
}
