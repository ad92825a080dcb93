//! Loss, duplicates and order of numbered messages at one receiver.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What one receiver has seen of a series that counts up from 0.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    next: u64,
    /// Numbers that were jumped over. Stays empty, and without memory, as long as all is well.
    missing: BTreeSet<u64>,
    duplicates: u64,
    reordered: u64,
}

/// The sum over all receivers; all zero is the only good result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Integrity {
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
}

impl Sequence {
    /// Notes that `number` came. False if it had come before.
    pub(crate) fn note(&mut self, number: u64) -> bool {
        if number >= self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
            return true;
        }
        let late = self.missing.remove(&number);
        if late {
            self.reordered += 1;
        } else {
            self.duplicates += 1;
        }
        late
    }

    /// Nothing before `number` is awaited any more, nor counted as lost.
    pub(crate) fn resume_at(&mut self, number: u64) {
        self.missing.clear();
        self.next = self.next.max(number);
    }

    /// The number after the highest that came.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The verdict once `sent` numbers have been sent and nothing more is awaited.
    pub(crate) fn integrity(&self, sent: u64) -> Integrity {
        Integrity {
            lost: self.missing.len() as u64 + sent.saturating_sub(self.next),
            duplicated: self.duplicates,
            reordered: self.reordered,
        }
    }
}

impl Integrity {
    /// Nothing lost, doubled or out of order.
    pub(crate) fn is_clean(self) -> bool {
        self == Self::default()
    }
}

impl std::iter::Sum for Integrity {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            lost: sum.lost + one.lost,
            duplicated: sum.duplicated + one.duplicated,
            reordered: sum.reordered + one.reordered,
        })
    }
}

impl std::fmt::Display for Integrity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} lost, {} duplicated, {} out of order", self.lost, self.duplicated, self.reordered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(sent: u64, numbers: &[u64]) -> (u64, u64, u64) {
        let mut sequence = Sequence::default();
        numbers.iter().for_each(|number| {
            sequence.note(*number);
        });
        let Integrity { lost, duplicated, reordered } = sequence.integrity(sent);
        (lost, duplicated, reordered)
    }

    #[test]
    fn a_whole_series_is_clean() {
        assert_eq!(verdict(4, &[0, 1, 2, 3]), (0, 0, 0));
        assert_eq!(verdict(0, &[]), (0, 0, 0));
    }

    #[test]
    fn loss_is_seen_at_the_start_in_the_middle_and_at_the_end() {
        assert_eq!(verdict(6, &[1, 2, 4]), (3, 0, 0));
        assert_eq!(verdict(3, &[]), (3, 0, 0));
    }

    #[test]
    fn a_duplicate_is_not_taken_for_a_late_one() {
        assert_eq!(verdict(3, &[0, 1, 1, 2, 0]), (0, 2, 0));
        assert_eq!(verdict(3, &[0, 2, 1]), (0, 0, 1));
        assert_eq!(verdict(3, &[0, 2, 1, 1]), (0, 1, 1));
    }

    #[test]
    fn what_was_missed_before_a_fresh_start_is_not_lost() {
        let mut sequence = Sequence::default();
        sequence.note(0);
        sequence.resume_at(5);
        assert!(sequence.note(5) && sequence.next() == 6);
        assert!(sequence.integrity(6).is_clean());
        assert_eq!(sequence.integrity(7).lost, 1);
    }

    #[test]
    fn sums_add_up() {
        let one = Integrity { lost: 1, duplicated: 2, reordered: 3 };
        assert_eq!([one, one].into_iter().sum::<Integrity>(), Integrity { lost: 2, duplicated: 4, reordered: 6 });
        assert!(!one.is_clean() && Integrity::default().is_clean());
    }
}
