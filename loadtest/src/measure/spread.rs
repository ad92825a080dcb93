//! Several takes of one figure.

use serde::Serialize;

/// Smallest, middle and largest of some takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` without a take. The median of an even number is the mean of the middle two.
    pub(crate) fn of(takes: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut takes: Vec<f64> = takes.into_iter().collect();
        takes.sort_by(f64::total_cmp);
        let (min, max) = (*takes.first()?, *takes.last()?);
        let middle = takes.len() / 2;
        let median =
            if takes.len().is_multiple_of(2) { f64::midpoint(takes[middle - 1], takes[middle]) } else { takes[middle] };
        Some(Self { min, median, max })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} (min {:.2}, max {:.2})", self.median, self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of([]), None);
    }
}
