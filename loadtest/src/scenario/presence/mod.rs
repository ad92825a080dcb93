//! Everybody joins at once and sees everybody; then everybody leaves, or a node dies.
//!
//! Each client keeps its own list, as phoenix.js does. The sockets are open before the clock starts: what is counted is
//! joining. One client on each node (of each topic) stays when the others leave, and says when it sees that they have.

mod crowd;
mod figures;
mod heard;
mod layout;
mod roster;
mod stretch;

use crate::cli::PresenceArgs;
use crate::error::Error;
use crate::fleet::{ensure_descriptors, open};
use crate::report::{Progress, Report};
use crate::scenario::target::Target;

use figures::Figures;
use layout::Layout;
use stretch::Run;

/// Runs all rounds and reports.
pub(super) fn run(args: &PresenceArgs) -> Result<bool, Error> {
    let layout = Layout::new(args)?;
    ensure_descriptors(layout.connections())?;
    let mut progress = Progress::new(&args.common.output);
    let mut report = Report::new("presence", args);
    let end = if args.kill_pid.is_some() { "one node was killed" } else { "all but one left" };
    report.done(format!(
        "{} clients joined a topic at once, each with a list of who else is there{}; then {end}. It is over when all lists are right.",
        args.clients,
        if args.topics > 1 { format!(", in each of {} topics", args.topics) } else { String::new() },
    ));
    let mut target = Target::server(&args.common.target, &args.common.watch)?;
    progress.step(&format!("opening {} connections", layout.connections()));
    let asked = &args.common.target;
    open(&mut target.fleet, layout.connections(), asked.window, asked.patience)?;

    let mut run = Run::new(target, layout, args);
    let (mut stretches, mut differing) = (Vec::new(), 0);
    for round in 1..=args.rounds {
        progress.step(&format!("round {round} of {}: {} joins", args.rounds, layout.channels()));
        stretches.push(run.join(round)?);
        differing += run.differing();
        if !args.hold.is_zero() {
            progress.step(&format!("round {round} of {}: holding for {:?}", args.rounds, args.hold));
            stretches.push(run.hold(round)?);
        }
        if let Some(pid) = args.kill_pid {
            progress.step(&format!("killing process {pid}"));
            stretches.push(run.kill(round, pid)?);
            break;
        }
        progress.step(&format!("round {round} of {}: leaving", args.rounds));
        stretches.push(run.leave(round)?);
        run.end_round(round)?;
    }
    Figures::new(stretches, run.faults(), differing).fill(&mut report, args);
    report.finish(&args.common.output)
}
