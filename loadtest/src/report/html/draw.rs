//! A plot as SVG.

use std::fmt::{self, Write};

use super::Escaped;
use crate::report::plot::{Axis, Plot, Scale, Series, Shape};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 344.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 56.0;

/// As many colours as the style has.
const COLOURS: usize = 4;

/// Nearer to 1 than this is drawn as this.
const LAST_QUANTILE: f64 = 0.99999;

/// Writes a plot, unless it has no point.
pub(super) fn figure(out: &mut String, plot: &Plot) -> fmt::Result {
    if plot.series.iter().all(|series| series.points.is_empty()) {
        return Ok(());
    }
    let (title, note) = (Escaped(&plot.title), Escaped(&plot.note));
    write!(out, "<figure><figcaption><b>{title}</b><span>{note}</span></figcaption>")?;
    write!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">")?;
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let y = Ruler::new(&plot.y, points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
    match plot.shape {
        Shape::Lines => {
            let x = Ruler::new(&plot.x, points().map(|point| point.0), LEFT, WIDTH - RIGHT);
            grid(out, &y, Some(&x))?;
            for (index, series) in plot.series.iter().enumerate() {
                curve(out, series, index, &x, &y)?;
            }
        }
        Shape::Bars => {
            grid(out, &y, None)?;
            bars(out, &plot.series, &y)?;
        }
    }
    let (middle, low) = (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 8.0);
    write!(out, "<text x=\"{middle:.0}\" y=\"{low:.0}\" text-anchor=\"middle\">{}</text>", Escaped(&plot.x.label))?;
    write!(out, "<text x=\"4\" y=\"16\">{}</text></svg>", Escaped(&plot.y.label))?;
    key(out, &plot.series)?;
    out.push_str("</figure>");
    Ok(())
}

/// Turns values into places along one axis.
struct Ruler {
    scale: Scale,
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl Ruler {
    fn new(axis: &Axis, values: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        let (low, high) = match axis.scale {
            Scale::Linear => (0.0, if high > 0.0 { high * 1.05 } else { 1.0 }),
            Scale::Log => {
                let (low, high) = (low.max(0.001), high.max(0.01));
                (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil()))
            }
            Scale::Quantile => (0.0, LAST_QUANTILE),
        };
        Self { scale: axis.scale, low, high, start, end }
    }

    fn measure(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(self.low).log10(),
            Scale::Quantile => -(1.0 - value.min(LAST_QUANTILE)).log10(),
        }
    }

    fn place(&self, value: f64) -> f64 {
        let (low, high) = (self.measure(self.low), self.measure(self.high));
        let share = if high > low { (self.measure(value) - low) / (high - low) } else { 0.0 };
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// Where lines are drawn, and what stands there.
    fn ticks(&self) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Linear => {
                let step = round_step(self.high / 5.0);
                let count = (self.high / step) as u32;
                (0..=count).map(|number| f64::from(number) * step).map(|value| (value, short(value))).collect()
            }
            Scale::Log => {
                let decades = self.low.log10().round() as i32..=self.high.log10().round() as i32;
                decades.map(|power| 10_f64.powi(power)).map(|value| (value, short(value))).collect()
            }
            Scale::Quantile => {
                let shares = [(0.0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")];
                let shares = shares.into_iter().chain([(0.9999, "99.99 %"), (LAST_QUANTILE, "max")]);
                shares.map(|(share, text)| (share, text.to_owned())).collect()
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|round| *round >= step * 0.999).unwrap_or(step)
}

fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn grid(out: &mut String, y: &Ruler, x: Option<&Ruler>) -> fmt::Result {
    for (value, text) in y.ticks() {
        let (at, right) = (y.place(value), WIDTH - RIGHT);
        write!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>")?;
        write!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>", LEFT - 8.0, at + 4.0)?;
    }
    for (value, text) in x.map(Ruler::ticks).unwrap_or_default() {
        let at = x.map_or(0.0, |x| x.place(value));
        // There is no room for it on a phone.
        let class = if text == "50 %" { " class=\"minor\"" } else { "" };
        let low = HEIGHT - BOTTOM + 20.0;
        write!(out, "<text{class} x=\"{at:.1}\" y=\"{low}\" text-anchor=\"middle\">{text}</text>")?;
    }
    Ok(())
}

fn curve(out: &mut String, series: &Series, index: usize, x: &Ruler, y: &Ruler) -> fmt::Result {
    write!(out, "<polyline class=\"curve c{}\" style=\"fill:none\" points=\"", index % COLOURS)?;
    for (across, up) in &series.points {
        write!(out, "{:.1},{:.1} ", x.place(*across), y.place(*up))?;
    }
    out.push_str("\"/>");
    Ok(())
}

fn bars(out: &mut String, series: &[Series], y: &Ruler) -> fmt::Result {
    let groups = series.iter().flat_map(|series| &series.points).map(|point| point.0).fold(1.0, f64::max);
    let group = (WIDTH - LEFT - RIGHT) / groups;
    let width = (group * 0.7 / series.len() as f64).min(60.0);
    let floor = HEIGHT - BOTTOM;
    for number in 1..=groups as u32 {
        let middle = LEFT + group * (f64::from(number) - 0.5);
        write!(out, "<text x=\"{middle:.1}\" y=\"{}\" text-anchor=\"middle\">{number}</text>", floor + 18.0)?;
    }
    for (index, one) in series.iter().enumerate() {
        for (number, value) in &one.points {
            let middle = LEFT + group * (number - 0.5);
            let left = middle + width * (index as f64 - series.len() as f64 / 2.0);
            let (top, class) = (y.place(*value), index % COLOURS);
            let (inner, height) = (width - 2.0, floor - top);
            write!(
                out,
                "<rect class=\"c{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{inner:.1}\" height=\"{height:.1}\">\
                 <title>{}: {}</title></rect>",
                Escaped(&one.name),
                short(*value)
            )?;
        }
    }
    Ok(())
}

fn key(out: &mut String, series: &[Series]) -> fmt::Result {
    out.push_str("<div class=\"key\">");
    for (index, one) in series.iter().enumerate() {
        write!(out, "<span><i class=\"c{}\"></i>{}</span>", index % COLOURS, Escaped(&one.name))?;
    }
    out.push_str("</div>");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruler(scale: Scale, values: &[f64]) -> Ruler {
        Ruler::new(&Axis::new("", scale), values.iter().copied(), 0.0, 100.0)
    }

    #[test]
    fn a_linear_axis_starts_at_zero_and_has_round_ticks() {
        let ruler = ruler(Scale::Linear, &[40.0, 95.0]);
        let texts: Vec<_> = ruler.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0", "20", "40", "60", "80"]);
        assert!(ruler.place(0.0).abs() < 1e-9 && ruler.place(95.0) < 100.0);
    }

    #[test]
    fn a_decade_is_as_long_as_any_other() {
        let ruler = ruler(Scale::Log, &[0.2, 90.0]);
        let texts: Vec<_> = ruler.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0.1", "1", "10", "100"]);
        assert!((ruler.place(1.0) - 100.0 / 3.0).abs() < 1e-6, "{}", ruler.place(1.0));
    }

    #[test]
    fn each_nine_of_a_quantile_has_the_same_room() {
        let ruler = ruler(Scale::Quantile, &[1.0]);
        assert!((ruler.place(0.9) - 20.0).abs() < 0.01 && (ruler.place(0.99) - 40.0).abs() < 0.01);
        assert!((ruler.place(1.0) - 100.0).abs() < 0.01, "the slowest stands at the end");
    }

    #[test]
    fn nothing_measured_is_no_division_by_zero() {
        for scale in [Scale::Linear, Scale::Log, Scale::Quantile] {
            let ruler = ruler(scale, &[0.0]);
            assert!(ruler.ticks().iter().all(|(value, _)| ruler.place(*value).is_finite()), "{scale:?}");
        }
    }
}
