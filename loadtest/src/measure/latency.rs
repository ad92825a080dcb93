//! Latencies in an HDR histogram.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Three digits from one microsecond to ten minutes; what lies outside counts as the nearest bound.
#[derive(Debug)]
pub(crate) struct Latency {
    histogram: Histogram<u64>,
}

const LOWEST: u64 = 1_000;
const HIGHEST: u64 = 600_000_000_000;

impl Latency {
    /// An empty histogram.
    pub(crate) fn new() -> Self {
        Self {
            histogram: Histogram::new_with_bounds(LOWEST, HIGHEST, 3).expect("the bounds are constant and in order"),
        }
    }

    /// Records one value. For an open loop it is counted from the intended time of sending, not the real one, so a stall
    /// shows in all messages it held up (no coordinated omission).
    pub(crate) fn record(&mut self, latency: Duration) {
        self.histogram.saturating_record(latency.as_nanos().min(u128::from(HIGHEST)) as u64);
    }

    /// Adds `count` values of so many nanoseconds.
    pub(crate) fn add(&mut self, nanos: u64, count: u64) {
        self.histogram.saturating_record_n(nanos.min(HIGHEST), count);
    }

    /// The values that occur, in nanoseconds, each with its count: what [`Latency::add`] takes elsewhere.
    pub(crate) fn buckets(&self) -> Vec<(u64, u64)> {
        let recorded = self.histogram.iter_recorded();
        recorded.map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
    }

    /// The usual quantiles.
    pub(crate) fn summary(&self) -> LatencySummary {
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1e6;
        LatencySummary {
            count: self.histogram.len(),
            min_ms: self.histogram.min() as f64 / 1e6,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: self.histogram.max() as f64 / 1e6,
            curve: if self.histogram.is_empty() { Vec::new() } else { curve(at).collect() },
        }
    }
}

/// The latency at shares of the messages that come ever nearer to all of them, in even steps of what is left.
fn curve(at: impl Fn(f64) -> f64) -> impl Iterator<Item = (f64, f64)> {
    (0..=STEPS_OF_CURVE).map(move |step| {
        let share = 1.0 - 10_f64.powf(-f64::from(step) / STEPS_PER_NINE);
        // What the last step stands for is the slowest of all.
        if step == STEPS_OF_CURVE { (1.0, at(1.0)) } else { (share, at(share)) }
    })
}

/// Down to the slowest of 100,000.
const STEPS_OF_CURVE: u32 = 40;
const STEPS_PER_NINE: f64 = 8.0;

/// Quantiles in milliseconds; all zero without a value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LatencySummary {
    pub(crate) count: u64,
    pub(crate) min_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
    /// Share of the messages, and how long the slowest of them took in milliseconds.
    pub(crate) curve: Vec<(f64, f64)>,
}

impl std::fmt::Display for LatencySummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50_ms, p90_ms, p99_ms, p999_ms, max_ms, .. } = self;
        write!(f, "p50 {p50_ms:.2}  p90 {p90_ms:.2}  p99 {p99_ms:.2}  p99.9 {p999_ms:.2}  max {max_ms:.2} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_three_digits() {
        let mut latency = Latency::new();
        (1..=1000).for_each(|ms| latency.record(Duration::from_millis(ms)));
        let summary = latency.summary();
        assert_eq!(summary.count, 1000);
        for (quantile, expected) in [(summary.p50_ms, 500.0), (summary.p99_ms, 990.0), (summary.max_ms, 1000.0)] {
            assert!((quantile - expected).abs() <= expected * 0.002, "{quantile} is not {expected}");
        }
        assert!(summary.curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{:?}", summary.curve);
        assert_eq!(summary.curve.last().map(|last| last.1), Some(summary.max_ms));
        assert!(Latency::new().summary().curve.is_empty());
    }

    #[test]
    fn what_is_added_up_is_as_if_it_had_been_recorded_here() {
        let (mut whole, mut sum) = (Latency::new(), Latency::new());
        for part in 0..3 {
            let mut one = Latency::new();
            for ms in 1..=100 {
                one.record(Duration::from_millis(ms * (part + 1)));
                whole.record(Duration::from_millis(ms * (part + 1)));
            }
            one.buckets().into_iter().for_each(|(value, count)| sum.add(value, count));
        }
        assert_eq!((sum.summary().count, sum.summary().p99_ms), (300, whole.summary().p99_ms));
    }

    #[test]
    fn what_lies_outside_is_kept_at_the_bound() {
        let mut latency = Latency::new();
        latency.record(Duration::from_secs(100_000));
        latency.record(Duration::ZERO);
        let summary = latency.summary();
        assert_eq!(summary.count, 2);
        assert!(summary.max_ms >= 600_000.0 && summary.max_ms < 601_000.0);
    }
}
