//! A straight line through points.

use std::fmt;

/// `start + slope × n`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    start: f64,
    slope: f64,
}

impl Line {
    /// The line with the least squares; None when the points do not differ in x.
    pub(super) fn fit(points: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let points: Vec<(f64, f64)> = points.into_iter().collect();
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let both: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        (spread > 0.0).then(|| Self { start: y - both / spread * x, slope: both / spread })
    }

    pub(super) fn at(&self, x: f64) -> f64 {
        self.start + self.slope * x
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.slope < 0.0 { '-' } else { '+' };
        write!(f, "{:.2} {sign} {:.2} n", self.start, self.slope.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_points_lie_on_the_line_and_of_three_none_is_preferred() {
        let line = Line::fit([(2.0, 7.0), (5.0, 13.0)]).unwrap();
        assert!((line.at(10.0) - 23.0).abs() < 1e-9);
        assert_eq!(line.to_string(), "3.00 + 2.00 n");
        let line = Line::fit([(0.0, 0.0), (1.0, 3.0), (2.0, 0.0)]).unwrap();
        assert!((line.at(7.0) - 1.0).abs() < 1e-9);
        assert_eq!(Line::fit([(2.0, 1.0), (2.0, 3.0)]), None);
    }
}
