//! What a figure looks like: data only. `html` draws it, the JSON file keeps it.

use serde::Serialize;

/// A drawing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What it shows, for somebody who sees such a drawing for the first time.
    pub(crate) note: String,
    pub(crate) shape: Shape,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
}

/// How the points of a series are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    /// One line for each series.
    Lines,
    /// One group of bars for each x, which counts from 1.
    Bars,
}

/// One side of a drawing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
}

/// How values are laid out along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scale {
    /// From 0.
    Linear,
    /// Each step is ten times the one before.
    Log,
    /// Shares of 1: each step is ten times nearer to 1, so that the slowest few have room.
    Quantile,
}

/// The points of one name, in the order of x.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Axis {
    /// An axis with a label, which says the unit.
    pub(crate) fn new(label: &str, scale: Scale) -> Self {
        Self { label: label.to_owned(), scale }
    }
}

impl Series {
    /// A named series.
    pub(crate) fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { name: name.into(), points: points.into_iter().collect() }
    }
}

impl Plot {
    /// Latencies by the share of messages that were at least as fast.
    pub(crate) fn latencies(title: &str, series: Vec<Series>) -> Self {
        Self {
            title: title.to_owned(),
            note: "Read: at 99 % the line says how long the slowest message of the fastest 99 % took. Counted from the time it \
                   was meant to leave, so a stall shows in every message that it held up. Lower and flatter is better."
                .to_owned(),
            shape: Shape::Lines,
            x: Axis::new("share of the messages", Scale::Quantile),
            y: Axis::new("milliseconds", Scale::Log),
            series,
        }
    }
}
