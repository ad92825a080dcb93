//! What is done to a server and what is counted. One file (or room) per scenario; each fills one report.

mod echo;
mod fanout;
mod flood;
mod idle;
mod population;
mod presence;
mod storm;
mod take;
mod target;
mod valve;

use crate::cli::{Command, FloorArgs};
use crate::error::Error;
use crate::{floor, model, report, table};

/// Runs a command; `Ok(false)` means that a check failed.
pub(crate) fn run(command: Command) -> Result<bool, Error> {
    match command {
        Command::Idle(args) => idle::run(&args),
        Command::Fanout(args) => fanout::run(&args),
        Command::Echo(args) => echo::run(&args),
        Command::Flood(args) => flood::run(&args),
        Command::Storm(args) => storm::run(&args),
        Command::Presence(args) => presence::run(&args),
        Command::Soak(args) => population::soak(&args),
        Command::Reconnect(args) => population::reconnect(&args),
        Command::Mixed(args) => population::mixed(&args),
        Command::Table(args) => table::run(&args),
        Command::Model(args) => model::run(&args),
        Command::Worker => population::work(),
        Command::Floor(args) => serve_floor(&args),
    }
}

fn serve_floor(args: &FloorArgs) -> Result<bool, Error> {
    if args.until_stdin_closes {
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
    }
    let powers = floor::Powers { coalesce: args.coalesce, presence: args.presence };
    floor::run(args.listen, powers, |address| report::say(&format!("listening {address}")))?;
    Ok(true)
}
