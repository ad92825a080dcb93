//! Round trips of one client, without and beside a flood of attempts to connect from another address.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use super::echo::Side;
use super::take::{self, Take};
use super::target::Target;
use super::valve::Load;
use crate::cli::FloodArgs;
use crate::error::Error;
use crate::fleet::{FloodOutcome, Flooder, ensure_descriptors};
use crate::measure::Spread;
use crate::report::{Progress, Report, Section};

/// The echo's own address, where none is named: not that of the flood.
const ECHO_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A flood of which less was refused was no flood for this server.
const LEAST_REFUSED: f64 = 0.9;

#[derive(Debug, Serialize)]
struct Figures {
    quiet: Vec<Take>,
    flooded: Vec<Take>,
    quiet_p99_ms: Option<Spread>,
    flooded_p99_ms: Option<Spread>,
    /// Round by round.
    p99_ratio: Option<Spread>,
    flood: FloodOutcome,
}

/// Runs all rounds, each without and with the flood, and reports.
pub(super) fn run(args: &FloodArgs) -> Result<bool, Error> {
    let mut args = args.clone();
    ensure_descriptors(args.echo.connections)?;
    if args.echo.common.target.sources.is_empty() {
        args.echo.common.target.sources.push(ECHO_SOURCE);
    }
    if args.echo.common.target.sources.contains(&args.flood_source) {
        return Err(Error::Usage("the flood and the echo must come from different addresses".to_owned()));
    }
    let mut progress = Progress::new(&args.echo.common.output);
    let mut report = Report::new("flood", &args);
    let load = Load::Paced(args.echo.rate.unwrap_or(1000.0));
    report.done(format!(
        "{} connections sent messages and waited for the replies, {}; in every second stretch another address tried to connect {} \
         times a second, which the server is to refuse. {}.",
        args.echo.connections,
        load.words(),
        args.flood_rate,
        take::rounds(&args.echo.takes, false)
    ));
    let target = Target::server(&args.echo.common.target, &args.echo.common.watch)?;
    let endpoint = target.fleet.config().endpoints.of(0).clone();
    if !endpoint.address.ip().is_loopback() || !args.flood_source.is_loopback() {
        return Err(Error::Usage("a flood is only for a server on the loopback of this machine".to_owned()));
    }
    let mut side = Side::join(target, &args.echo, &mut progress)?;
    side.take(0, load, args.echo.takes.warmup, &args.echo)?;
    let (mut quiet, mut flooded, mut flood) = (Vec::new(), Vec::new(), FloodOutcome::default());
    for round in 1..=args.echo.takes.rounds {
        progress.step(&format!("round {round} of {}: without the flood", args.echo.takes.rounds));
        quiet.push(side.take(round, load, args.echo.takes.duration, &args.echo)?);
        progress.step(&format!("round {round} of {}: beside the flood", args.echo.takes.rounds));
        let flooder = Flooder::start(&endpoint, args.flood_source, args.flood_rate);
        let taken = side.take(round, load, args.echo.takes.duration, &args.echo);
        let outcome = flooder.stop();
        flood.seconds += outcome.seconds;
        flood.add(&outcome);
        flooded.push(taken?);
    }
    summarize(quiet, flooded, flood, &args, &mut report)
}

fn summarize(
    quiet: Vec<Take>,
    flooded: Vec<Take>,
    flood: FloodOutcome,
    args: &FloodArgs,
    report: &mut Report,
) -> Result<bool, Error> {
    let p99 = |takes: &[Take]| Spread::of(takes.iter().map(|take| take.latency.p99_ms));
    let ratios = quiet.iter().zip(&flooded).map(|(quiet, flooded)| flooded.latency.p99_ms / quiet.latency.p99_ms);
    let p99_ratio = Spread::of(ratios);
    let figures =
        Figures { quiet_p99_ms: p99(&quiet), flooded_p99_ms: p99(&flooded), p99_ratio, quiet, flooded, flood };
    for (title, takes) in [("Without the flood", &figures.quiet), ("Beside the flood", &figures.flooded)] {
        let mut section = take::table(takes, "echo");
        title.clone_into(&mut section.title);
        report.section(section);
        take::judge(takes, report);
    }
    let text = |spread: Option<Spread>| spread.map_or("-".to_owned(), |spread| spread.to_string());
    let mut summary = Section::new("Summary (median of the rounds)");
    summary.row(["p99 without the flood, ms", &text(figures.quiet_p99_ms)]);
    summary.row(["p99 beside the flood, ms", &text(figures.flooded_p99_ms)]);
    summary.row(["ratio", &text(p99_ratio)]);
    report.section(summary);
    report.section(outcome_table(&figures.flood));
    if let Some(ratio) = p99_ratio {
        let meaning = "how much longer the slowest 1 % of round trips took beside the flood";
        report.headline("p99 beside the flood", format!("{:.2} ×", ratio.median), meaning);
    }
    judge_flood(&figures.flood, args, report);
    report.check_at_most("max-p99-ratio", p99_ratio.map(|spread| spread.median), args.max_p99_ratio);
    report.figures(&figures);
    report.finish(&args.echo.common.output)
}

fn outcome_table(flood: &FloodOutcome) -> Section {
    let mut section = Section::new("The flood");
    section.row(["attempts", &flood.attempts.to_string()]);
    section.row(["per second", &format!("{:.0}", flood.rate())]);
    for (status, count) in &flood.answered {
        section.row([format!("answered {status}"), count.to_string()]);
    }
    section.row(["closed without an answer", &flood.cut.to_string()]);
    section.row(["neither", &flood.hung.to_string()]);
    section
}

/// The ratio says nothing about a flood that was not there, or that was let in.
fn judge_flood(flood: &FloodOutcome, args: &FloodArgs, report: &mut Report) {
    let (rate, asked) = (flood.rate(), args.flood_rate);
    report.check("flood rate", rate >= asked * 0.9, format!("{rate:.0} per second of the {asked:.0} asked"));
    let refused = 1.0 - (flood.let_in() + flood.hung) as f64 / flood.attempts.max(1) as f64;
    report.check("flood refused", refused >= LEAST_REFUSED, format!("{:.1} % of the attempts", refused * 100.0));
}
