use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use super::args::{Args, Command};
use super::exit::Failure;
use super::{check, doctor, join, members, migrate, presence, publish, serve, tail, token};
use crate::config::{Config, Mode, process_environment};

/// Runs the program: reads the command line and does what it says.
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let _closed_output = error.print();
            let clean = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if clean { ExitCode::SUCCESS } else { Failure::Usage(String::new()).code() };
        }
    };
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _closed_output = writeln!(std::io::stderr(), "gateway: {failure}");
            failure.code()
        }
    }
}

fn dispatch(args: &Args) -> Result<(), Failure> {
    let load = |mode| Config::load(mode, args.global.config.as_deref(), process_environment(), &args.global.flags());
    match &args.command {
        Command::Serve(options) => serve::serve(load(Mode::Serve)?, options, false),
        Command::Dev(options) => serve::serve(load(Mode::Dev)?, options, true),
        Command::Check => check::check(&load(Mode::Serve)?),
        Command::Doctor(options) => {
            // Without a file there is nothing that `serve` would take: then only what flags and environment name counts.
            let mode = if args.global.config.is_some() { Mode::Serve } else { Mode::Client };
            doctor::doctor(&load(mode)?, mode, options)
        }
        Command::Migrate(options) => migrate::run_migrations(&load(Mode::Client)?, options),
        Command::Members(options) => members::members(&load(Mode::Client)?, options),
        Command::Publish(options) => publish::publish(&load(Mode::Client)?, options),
        Command::Presence(options) => presence::print_presence(&load(Mode::Client)?, options),
        Command::Join(options) => join::join(&load(Mode::Client)?, options),
        Command::Token(options) => token::token(&load(Mode::Client)?, options),
        Command::Tail(options) => tail::tail(&load(Mode::Client)?, options),
    }
}
