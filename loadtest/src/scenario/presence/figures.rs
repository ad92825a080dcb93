//! What a run shows.

use serde::Serialize;

use super::roster::Faults;
use super::stretch::Stretch;
use crate::cli::PresenceArgs;
use crate::measure::Spread;
use crate::report::{Axis, Plot, Report, Scale, Section, Series, Shape};

#[derive(Debug, Serialize)]
pub(super) struct Figures {
    stretches: Vec<Stretch>,
    /// From the first join sent until everybody saw everybody.
    join_seconds: Option<Spread>,
    /// CPU of server and Redis for that.
    join_cpu_seconds: Option<Spread>,
    leave_seconds: Option<Spread>,
    leave_cpu_seconds: Option<Spread>,
    /// CPU of server and Redis per second in which nothing happened, in milliseconds.
    hold_cpu_ms_per_second: Option<Spread>,
    /// How long those of a killed node were shown.
    ghost_seconds: Option<f64>,
    /// Clients that showed others than their neighbours, when all had joined.
    differing: usize,
    faults: Faults,
}

impl Figures {
    pub(super) fn new(stretches: Vec<Stretch>, faults: Faults, differing: usize) -> Self {
        let of = |what: &'static str| stretches.iter().filter(move |stretch| stretch.what == what);
        let seconds = |what| Spread::of(of(what).map(|stretch| stretch.seconds));
        let cpu = |what| Spread::of(of(what).filter_map(Stretch::cpu_s));
        let idle = |stretch: &Stretch| Some(stretch.cpu_s()? * 1e3 / stretch.seconds);
        Self {
            join_seconds: seconds("join"),
            join_cpu_seconds: cpu("join"),
            leave_seconds: seconds("leave"),
            leave_cpu_seconds: cpu("leave"),
            hold_cpu_ms_per_second: Spread::of(of("hold").filter_map(idle)),
            ghost_seconds: of("node killed").map(|stretch| stretch.seconds).next(),
            differing,
            faults,
            stretches,
        }
    }

    /// Puts everything into the report, and checks what was asked.
    pub(super) fn fill(&self, report: &mut Report, args: &PresenceArgs) {
        report.section(self.table());
        self.picture(report);
        report.section(self.summary());
        self.judge(report, args);
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        report.check_at_most("max-seconds", median(self.join_seconds), args.max_seconds);
        report.check_at_most("max-cpu-seconds", median(self.join_cpu_seconds), args.max_cpu_seconds);
        report.check_at_most("max-ghost-seconds", self.ghost_seconds, args.max_ghost_seconds);
        report.figures(self);
    }

    fn judge(&self, report: &mut Report, args: &PresenceArgs) {
        if self.join_cpu_seconds.is_none() {
            report.notice("CPU is not known; name the server's processes with --pid and --redis-pid");
        }
        for (what, name) in [
            ("join", "everybody sees everybody"),
            ("hold", "everybody goes on seeing everybody"),
            ("leave", "those who left are gone"),
            ("node killed", "those of the killed node are gone"),
        ] {
            // The worst round tells.
            let of = self.stretches.iter().filter(|stretch| stretch.what == what && stretch.wanted > 0);
            if let Some(Stretch { round, complete, wanted, .. }) = of.max_by_key(|one| one.wanted - one.complete) {
                let detail = format!("round {round}: {complete} of {wanted} clients show what they should");
                report.check(name, complete == wanted, detail);
            }
        }
        let unanswered: usize = self.stretches.iter().map(|stretch| stretch.unanswered).sum();
        report.check("joins and leaves", unanswered == 0, format!("{unanswered} were not answered"));
        if self.stretches.iter().any(|stretch| stretch.tool_cpu_s > 0.9 * stretch.seconds) {
            report.notice("the load tool used a whole core in some stretch: the time includes its own work");
        }
        let Faults { stray_leaves, repeated_joins, reused_refs } = self.faults;
        report.check("all show the same", self.differing == 0, format!("{} clients differ", self.differing));
        let detail = format!("{stray_leaves} leaves of somebody who was not held");
        report.check("leaves", stray_leaves == 0, detail);
        let repeats = if args.allow_repeated_joins { 0 } else { repeated_joins };
        let detail = format!("{repeated_joins} joins of somebody who was held, {reused_refs} references used again");
        report.check("references", repeats + reused_refs == 0, detail);
    }

    fn table(&self) -> Section {
        let mut section = Section::new("Stretches");
        section.row([
            "round",
            "",
            "seconds",
            "CPU server",
            "Redis",
            "waited",
            "tool",
            "frames",
            "MB",
            "states",
            "diffs",
            "complete",
        ]);
        let cpu = |seconds: Option<f64>| seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.3} s"));
        for stretch in &self.stretches {
            let traffic = stretch.traffic;
            section.row([
                stretch.round.to_string(),
                stretch.what.to_owned(),
                format!("{:.3}", stretch.seconds),
                cpu(stretch.server_cpu_s),
                cpu(stretch.redis_cpu_s),
                cpu(Some(stretch.waited_s)),
                cpu(Some(stretch.tool_cpu_s)),
                traffic.frames.to_string(),
                format!("{:.1}", traffic.bytes as f64 / 1e6),
                traffic.states.to_string(),
                traffic.diffs.to_string(),
                format!("{}/{}", stretch.complete, stretch.wanted),
            ]);
        }
        section
    }

    fn picture(&self, report: &mut Report) {
        if let Some(seconds) = self.join_seconds {
            let meaning = "from the first join until every client shows every other";
            report.headline("all see all", format!("{:.2} s", seconds.median), meaning);
        }
        if let Some(cpu) = self.join_cpu_seconds {
            report.headline("CPU for that", format!("{:.3} s", cpu.median), "of server and Redis");
        }
        let of = |what: &'static str| {
            let stretches = self.stretches.iter().filter(move |stretch| stretch.what == what);
            Series::new(what, stretches.map(|stretch| (stretch.round as f64, stretch.seconds)))
        };
        report.plot(Plot {
            title: "Until everybody shows the same".to_owned(),
            note: "One group of bars for each round: all join at once, then all but one leave.".to_owned(),
            shape: Shape::Bars,
            x: Axis::new("round", Scale::Linear),
            y: Axis::new("seconds", Scale::Linear),
            series: vec![of("join"), of("leave")],
        });
    }

    fn summary(&self) -> Section {
        let mut section = Section::new("Summary (median of the rounds)");
        let spreads = [
            ("until everybody sees everybody, s", self.join_seconds),
            ("CPU of server and Redis for that, s", self.join_cpu_seconds),
            ("until those who left are gone, s", self.leave_seconds),
            ("CPU of server and Redis for that, s", self.leave_cpu_seconds),
            ("CPU of server and Redis while nothing happens, ms per second", self.hold_cpu_ms_per_second),
        ];
        for (name, spread) in spreads {
            if let Some(spread) = spread {
                section.row([name.to_owned(), spread.to_string()]);
            }
        }
        if let Some(seconds) = self.ghost_seconds {
            section.row(["clients of a killed node were shown for, s".to_owned(), format!("{seconds:.2}")]);
        }
        section
    }
}
