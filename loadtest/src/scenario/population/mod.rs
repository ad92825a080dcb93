//! A population that lives on a server for a while: members in topics, one of whom speaks in each.
//!
//! The work is done by processes of their own (`worker`), each with some of the topics and all of their members, so that more
//! connections are possible than one process may have descriptors. The first process (`crew`) deals out the plans, has all
//! begin together, watches the server meanwhile, and adds up what they counted. Every delivery to a listener is checked
//! against the numbers of its topic.

mod crew;
mod figures;
mod members;
mod plan;
mod tally;
mod watch;
mod worker;

use rand::random;

use crate::cli::{MixedArgs, PopulationArgs, ReconnectArgs, SoakArgs};
use crate::error::Error;
use crate::report::{Progress, Report};

use crew::Crew;
use figures::Figures;
use plan::{Style, messages_per_second, plans};
use watch::Watch;

pub(super) use worker::work;

/// Holds connections under steady traffic.
pub(super) fn soak(args: &SoakArgs) -> Result<bool, Error> {
    run("soak", &args.population, &Style::STEADY, Report::new("soak", args))
}

/// Cuts waves of connections, which come back.
pub(super) fn reconnect(args: &ReconnectArgs) -> Result<bool, Error> {
    run("reconnect", &args.population, &Style::waves(args), Report::new("reconnect", args))
}

/// A chat-like day.
pub(super) fn mixed(args: &MixedArgs) -> Result<bool, Error> {
    run("mixed", &args.population, &Style::chat(args), Report::new("mixed", args))
}

fn run(name: &str, args: &PopulationArgs, style: &Style, mut report: Report) -> Result<bool, Error> {
    let seed = args.seed.unwrap_or_else(random);
    let plans = plans(args, style, seed)?;
    let topics = plans.iter().map(|plan| plan.sizes.len()).sum();
    report.done(format!(
        "{} clients lived in {topics} topics for {:?}; {:.1} messages a second were published, each to all members of its topic.",
        args.spread.connections,
        args.duration,
        messages_per_second(args, topics)
    ));
    let mut progress = Progress::new(&args.common.output);
    let mut watch = Watch::new(args)?;
    progress.step(&format!("{name}: {} connections in {topics} topics, seed {seed}", args.spread.connections));
    let mut crew = Crew::start(&plans)?;
    let joined_in = crew.join(args.spread.connections, args.common.target.patience, &mut progress)?;
    watch.begin()?;
    crew.go()?;
    let (tally, seconds) = crew.finish(args, &mut watch, &mut progress)?;
    let asked = messages_per_second(args, topics);
    report.notice(format!("--seed {seed} repeats the random decisions"));
    Figures::new(args, topics, asked, joined_in, tally, seconds, &watch).fill(&mut report, args, style.life);
    report.finish(&args.common.output)
}
