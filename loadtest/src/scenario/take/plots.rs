//! What takes look like.

use super::Take;
use crate::report::{Axis, Plot, Scale, Series, Shape};

/// Who was under which load.
type Side = (&'static str, &'static str);

/// Latencies, and CPU by the round. A unit is what CPU is counted by.
pub(in crate::scenario) fn plots(takes: &[Take], unit: &str) -> Vec<Plot> {
    let mut sides: Vec<Side> = Vec::new();
    for take in takes {
        if !sides.contains(&(take.target, take.load)) {
            sides.push((take.target, take.load));
        }
    }
    let of = |side: Side| takes.iter().filter(move |take| (take.target, take.load) == side);
    let name = |(target, load): Side| format!("{target}, {load}");
    // The round in the middle: neither the luckiest nor the one that something else disturbed.
    let middle = |side| {
        let mut rounds: Vec<&Take> = of(side).collect();
        rounds.sort_by(|a, b| a.latency.p99_ms.total_cmp(&b.latency.p99_ms));
        rounds.get(rounds.len() / 2).map(|take| take.latency.curve.clone()).unwrap_or_default()
    };
    let latencies = sides.iter().map(|side| Series::new(name(*side), middle(*side)));
    let title = format!("Latency of a {unit}, the round with the median p99");
    let cpu = |side| of(side).filter_map(|take| Some((take.round as f64, take.cpu_us_per_unit?)));
    vec![
        Plot::latencies(&title, latencies.collect()),
        Plot {
            title: format!("CPU of the server for a {unit}"),
            note: "One group of bars for each round; rounds of all sides took turns on the same cores, so what differs within a \
                   group is the server's own doing."
                .to_owned(),
            shape: Shape::Bars,
            x: Axis::new("round", Scale::Linear),
            y: Axis::new("microseconds of CPU time", Scale::Linear),
            series: sides.iter().map(|side| Series::new(name(*side), cpu(*side))).collect(),
        },
    ]
}
