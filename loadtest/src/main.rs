//! `loadtest` measures any server that speaks Phoenix Channels.
//!
//! Rooms, from the ground up: `websocket` and `client` (bytes and messages), `measure` (figures), `fleet` (many connections
//! in one thread), `floor` (the least a server can do, to compare with), `cli` (what can be asked), `report` (table, JSON,
//! page, checks, comparison), `table` and `model` (what several results say together), `scenario` (what is done and counted).
//! Nothing here knows the gateway.

mod cli;
mod client;
mod error;
mod fleet;
mod floor;
mod measure;
mod model;
mod report;
mod scenario;
mod table;
mod websocket;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows where to print each.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    fleet::raise_descriptor_limit();
    match run(cli) {
        Ok(passed) => ExitCode::from(u8::from(!passed)),
        Err(error) => {
            report::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// `Ok(false)` means that a check failed.
fn run(cli: cli::Cli) -> Result<bool, error::Error> {
    if let [before, after] = cli.compare.as_slice() {
        report::say(&report::compare(before, after)?);
        return Ok(true);
    }
    cli.command.map_or(Ok(true), scenario::run)
}
