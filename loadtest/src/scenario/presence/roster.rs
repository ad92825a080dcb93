//! What one client shows of a topic, by the rules of phoenix.js (a diff that comes before the state waits for it; joins are
//! applied before leaves), and which of its expectations were broken.

use std::collections::HashMap;

use serde::Serialize;

use super::heard::Mention;

/// A reference, by the order in which this tool first heard of it in a topic.
pub(super) type Number = u32;

/// The references of one topic, so that each client need keep a bit for each only.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Box<str>, Number>,
    keys: Vec<Box<str>>,
}

impl Names {
    /// Numbers those who are mentioned. A reference that stands under two keys counts as reused.
    pub(super) fn number(&mut self, people: &[Mention<'_>], faults: &mut Faults) -> Vec<Number> {
        people.iter().map(|one| self.one(one, faults)).collect()
    }

    fn one(&mut self, one: &Mention<'_>, faults: &mut Faults) -> Number {
        if let Some(number) = self.numbers.get(&*one.phx_ref) {
            faults.reused_refs += u64::from(*self.keys[*number as usize] != *one.key);
            return *number;
        }
        let number = self.keys.len() as Number;
        self.keys.push((&*one.key).into());
        self.numbers.insert((&*one.phx_ref).into(), number);
        number
    }
}

/// What must not happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Faults {
    /// Leaves of somebody whom the client did not hold.
    pub(super) stray_leaves: u64,
    /// Joins of somebody whom the client held already.
    pub(super) repeated_joins: u64,
    /// References that came back after they had left, or stood twice in a state, or under two keys.
    pub(super) reused_refs: u64,
}

/// A set of numbers.
#[derive(Debug, Clone, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn has(&self, number: Number) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Whether it is new.
    fn insert(&mut self, number: Number) -> bool {
        let word = number as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let new = !self.has(number);
        self.0[word] |= 1 << (number % 64);
        new
    }

    /// Whether it was there.
    fn remove(&mut self, number: Number) -> bool {
        let had = self.has(number);
        if had {
            self.0[number as usize / 64] &= !(1 << (number % 64));
        }
        had
    }

    fn is_same(&self, other: &Self) -> bool {
        let (long, short) = if self.0.len() < other.0.len() { (other, self) } else { (self, other) };
        long.0.iter().zip(short.0.iter().chain(std::iter::repeat(&0))).all(|(one, other)| one == other)
    }
}

/// What one client shows of one topic.
#[derive(Debug, Default)]
pub(super) struct Roster {
    held: Bits,
    /// All that was ever held, in former joins too.
    seen: Bits,
    count: usize,
    has_state: bool,
    /// Joins and leaves of diffs that came before the state.
    waiting: Vec<(Vec<Number>, Vec<Number>)>,
}

impl Roster {
    /// How many clients it shows.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether it shows the same clients.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.held.is_same(&other.held)
    }

    /// The client joins (again) and waits for the state.
    pub(super) fn clear(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        *self = Self { seen, ..Self::default() };
    }

    /// Takes a whole state.
    pub(super) fn state(&mut self, all: &[Number], faults: &mut Faults) {
        self.held = Bits::default();
        for number in all {
            faults.reused_refs += u64::from(!self.held.insert(*number));
            self.seen.insert(*number);
        }
        self.count = self.held.0.iter().map(|word| word.count_ones() as usize).sum();
        self.has_state = true;
        for (joins, leaves) in std::mem::take(&mut self.waiting) {
            self.diff(joins, leaves, faults);
        }
    }

    /// Takes a diff.
    pub(super) fn diff(&mut self, joins: Vec<Number>, leaves: Vec<Number>, faults: &mut Faults) {
        if !self.has_state {
            return self.waiting.push((joins, leaves));
        }
        for number in joins {
            let is_new = self.held.insert(number);
            let was_seen = !self.seen.insert(number);
            faults.repeated_joins += u64::from(!is_new);
            faults.reused_refs += u64::from(is_new && was_seen);
            self.count += usize::from(is_new);
        }
        for number in leaves {
            let held = self.held.remove(number);
            faults.stray_leaves += u64::from(!held);
            self.count -= usize::from(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_replaced_and_diffs_join_before_they_leave() {
        let (mut roster, mut faults) = (Roster::default(), Faults::default());
        roster.state(&[0, 1, 70], &mut faults);
        roster.diff(vec![2], vec![2, 0], &mut faults);
        assert_eq!((roster.count(), faults), (2, Faults::default()));
        roster.clear();
        roster.state(&[70], &mut faults);
        assert_eq!((roster.count(), faults), (1, Faults::default()));
    }

    #[test]
    fn diffs_wait_for_the_state() {
        let (mut roster, mut faults) = (Roster::default(), Faults::default());
        roster.diff(vec![1], vec![0], &mut faults);
        assert_eq!(roster.count(), 0);
        roster.state(&[0], &mut faults);
        assert_eq!((roster.count(), faults), (1, Faults::default()));
    }

    #[test]
    fn broken_promises_are_counted() {
        let (mut roster, mut faults) = (Roster::default(), Faults::default());
        roster.state(&[0, 0], &mut faults);
        roster.diff(vec![0], vec![5], &mut faults);
        roster.diff(vec![], vec![0], &mut faults);
        roster.diff(vec![0], vec![], &mut faults);
        assert_eq!(faults, Faults { stray_leaves: 1, repeated_joins: 1, reused_refs: 2 });

        let mention = |key: &'static str| Mention { key: key.into(), phx_ref: "r".into() };
        let (mut names, mut faults) = (Names::default(), Faults::default());
        assert_eq!(names.number(&[mention("a"), mention("a"), mention("b")], &mut faults), [0, 0, 0]);
        assert_eq!(faults.reused_refs, 1);
    }

    #[test]
    fn rosters_are_compared_whatever_their_history() {
        let mut faults = Faults::default();
        let (mut one, mut other) = (Roster::default(), Roster::default());
        one.state(&[0, 500], &mut faults);
        one.diff(vec![], vec![500], &mut faults);
        other.state(&[0], &mut faults);
        assert!(one.is_same(&other) && other.is_same(&one));
        other.diff(vec![1], vec![], &mut faults);
        assert!(!one.is_same(&other));
    }
}
