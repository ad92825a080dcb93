//! One publisher, many subscribers of one topic.
//!
//! The publisher's connection is the last one; it is joined as well, since only who is joined may push. If the server sends
//! it its own messages they count as deliveries for the CPU, but nobody waits for them. With several `--url` connections
//! take turns at the nodes: one subscriber and two nodes are a message that crosses from the second node to the first.

mod audience;
mod figures;
mod side;

use crate::cli::FanoutArgs;
use crate::error::Error;
use crate::fleet::ensure_descriptors;
use crate::report::{Progress, Report};
use crate::scenario::take;
use crate::scenario::target::Target;
use crate::scenario::valve::Load;

use figures::Figures;
use side::Side;

/// Runs all takes in turn and reports.
pub(super) fn run(args: &FanoutArgs) -> Result<bool, Error> {
    take::ensure_short_turns(args.with_floor, args.takes.duration, args.takes.drain)?;
    let mut progress = Progress::new(&args.common.output);
    let mut report = Report::new("fanout", args);
    let loads = loads(args);
    let words: Vec<String> = loads.iter().map(|load| load.words()).collect();
    report.done(format!(
        "One client published messages of {} bytes to a topic with {}: {}. {}.",
        args.payload_bytes,
        if args.subscribers == 1 { "one subscriber".to_owned() } else { format!("{} subscribers", args.subscribers) },
        words.join("; then "),
        take::rounds(&args.takes, args.with_floor)
    ));
    ensure_descriptors((args.subscribers + 1) * if args.with_floor { 1 + loads.len() } else { 1 })?;

    // A side and the loads it is put under.
    let mut server = Target::server(&args.common.target, &args.common.watch)?;
    server.redis_pids.clone_from(&args.redis_pids);
    let mut sides = vec![(Side::join(server, args, &mut progress)?, loads.clone())];
    if args.with_floor {
        for load in &loads {
            let coalesce = matches!(load, Load::InFlight(_));
            let floor = Target::floor(&args.common.target, &args.common.watch, coalesce)?;
            sides.push((Side::join(floor, args, &mut progress)?, vec![*load]));
        }
    }
    for (side, loads) in &mut sides {
        side.take(0, loads[0], args.takes.warmup, args)?;
    }
    let mut takes = Vec::new();
    for round in 1..=args.takes.rounds {
        for load in &loads {
            for (side, _) in sides.iter_mut().filter(|(_, loads)| loads.contains(load)) {
                progress.step(&format!("round {round} of {}: {} {}", args.takes.rounds, side.name(), load.name()));
                takes.push(side.take(round, *load, args.takes.duration, args)?);
            }
        }
    }
    let figures = Figures::new(takes, &sides[0].0);
    figures.fill(&mut report, args);
    report.finish(&args.common.output)
}

fn loads(args: &FanoutArgs) -> Vec<Load> {
    let paced = args.rate.or(if args.in_flight.is_none() { Some(20.0) } else { None });
    paced.map(Load::Paced).into_iter().chain(args.in_flight.map(Load::InFlight)).collect()
}
