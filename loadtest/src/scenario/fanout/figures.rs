//! What the takes of a fan-out show.

use serde::Serialize;

use super::side::Side;
use crate::cli::FanoutArgs;
use crate::measure::{Integrity, Spread};
use crate::report::{Report, Section};
use crate::scenario::take::{self, PerMessage, Take};

#[derive(Debug, Serialize)]
pub(super) struct Figures {
    takes: Vec<Take>,
    paced: Option<Spread>,
    saturated: Option<Spread>,
    floor_paced: Option<Spread>,
    floor_saturated: Option<Spread>,
    /// Ours to one write per delivery, round by round.
    paced_ratio: Option<Spread>,
    /// Ours to a floor that coalesces, round by round.
    saturated_ratio: Option<Spread>,
    /// How many times cheaper a saturated delivery is than a paced one, by the medians.
    coalescing_gain: Option<f64>,
    /// CPU of server and Redis for a message, by load; where several processes are watched.
    per_message: Vec<PerMessage>,
    integrity: Integrity,
    other_frames: u64,
}

impl Figures {
    /// `server` is the side of the user's server.
    pub(super) fn new(takes: Vec<Take>, server: &Side) -> Self {
        let paced = take::cpu_spread(&takes, "server", "paced");
        let saturated = take::cpu_spread(&takes, "server", "saturated");
        Self {
            paced,
            saturated,
            floor_paced: take::cpu_spread(&takes, "floor", "paced"),
            floor_saturated: take::cpu_spread(&takes, "floor", "saturated"),
            paced_ratio: take::ratio_to_floor(&takes, "paced"),
            saturated_ratio: take::ratio_to_floor(&takes, "saturated"),
            coalescing_gain: paced.zip(saturated).map(|(paced, saturated)| paced.median / saturated.median),
            per_message: ["paced", "saturated"].into_iter().filter_map(|load| PerMessage::of(&takes, load)).collect(),
            integrity: server.integrity(),
            other_frames: server.other_frames(),
            takes,
        }
    }

    /// Puts everything into the report, and checks what was asked.
    pub(super) fn fill(&self, report: &mut Report, args: &FanoutArgs) {
        report.section(take::table(&self.takes, "delivery"));
        take::plots(&self.takes, "delivery").into_iter().for_each(|plot| report.plot(plot));
        self.headlines(report);
        report.section(self.summary());
        take::judge(&self.takes, report);
        report.check("deliveries", self.integrity.is_clean(), self.integrity.to_string());
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        report.check_at_most("max-ratio", median(self.paced_ratio), args.max_ratio);
        report.check_at_most("max-saturated-ratio", median(self.saturated_ratio), args.max_saturated_ratio);
        if args.max_cpu_per_message.is_some() && self.per_message.is_empty() {
            report.check_at_most("max-cpu-per-message (µs)", None, args.max_cpu_per_message);
        }
        for PerMessage { load, cpu_us, .. } in &self.per_message {
            report.check_at_most(
                &format!("max-cpu-per-message (µs), {load}"),
                Some(cpu_us.median),
                args.max_cpu_per_message,
            );
        }
        report.check_at_least("min-coalescing-gain", self.coalescing_gain, args.min_coalescing_gain);
        report.figures(self);
    }

    fn headlines(&self, report: &mut Report) {
        let spreads = [
            ("CPU per delivery, paced", self.paced, " µs", "messages one at a time"),
            ("times the floor, paced", self.paced_ratio, " ×", "a bare server that does one write per subscriber is 1"),
            ("CPU per delivery, saturated", self.saturated, " µs", "several messages at once"),
            (
                "times the floor, saturated",
                self.saturated_ratio,
                " ×",
                "a bare server that writes several frames at once is 1",
            ),
        ];
        for (name, spread, unit, meaning) in spreads {
            if let Some(spread) = spread {
                report.headline(name, format!("{:.2}{unit}", spread.median), meaning);
            }
        }
        for PerMessage { load, cpu_us, .. } in &self.per_message {
            let name = format!("CPU per message, {load}");
            report.headline(&name, format!("{:.1} µs", cpu_us.median), "of all processes of the server and of Redis");
        }
        let Integrity { lost, duplicated, reordered } = self.integrity;
        let faults = (lost + duplicated + reordered).to_string();
        report.headline("lost, twice or out of order", faults, "of all deliveries, each of which was checked");
    }

    fn summary(&self) -> Section {
        let mut section = Section::new("Summary (median of the rounds)");
        let spreads = [
            ("server paced, CPU per delivery, µs", self.paced),
            ("floor paced (one write each), µs", self.floor_paced),
            ("ratio", self.paced_ratio),
            ("server saturated, CPU per delivery, µs", self.saturated),
            ("floor saturated (coalesced), µs", self.floor_saturated),
            ("saturated ratio", self.saturated_ratio),
        ];
        for (name, spread) in spreads {
            if let Some(spread) = spread {
                section.row([name.to_owned(), spread.to_string()]);
            }
        }
        for PerMessage { load, cpu_us, shares } in &self.per_message {
            section.row([format!("CPU per message, {load}, µs"), cpu_us.to_string()]);
            for share in shares {
                section.row([format!("  of that {}", share.process), format!("{:.2}", share.cpu_us_per_message)]);
            }
        }
        if let Some(gain) = self.coalescing_gain {
            section.row(["coalescing gain".to_owned(), format!("{gain:.2}")]);
        }
        section.row(["deliveries".to_owned(), self.integrity.to_string()]);
        section.row(["other frames".to_owned(), self.other_frames.to_string()]);
        section
    }
}
