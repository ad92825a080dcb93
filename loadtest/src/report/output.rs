//! The only file that prints: results to stdout, everything else to stderr.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its user here and nowhere else"
)]

use std::time::{Duration, Instant};

use super::result::Report;
use crate::cli::OutputArgs;
use crate::error::Error;

impl Report {
    /// Prints the report, writes the files that were asked for, and returns whether all checks passed.
    pub(crate) fn finish(&self, output: &OutputArgs) -> Result<bool, Error> {
        println!("{}", self.text());
        self.write(output)?;
        Ok(self.passed())
    }

    /// Writes the files that were asked for, and prints nothing.
    pub(crate) fn write(&self, output: &OutputArgs) -> Result<(), Error> {
        if let Some(path) = &output.json {
            self.write_json(path)?;
        }
        if let Some(path) = &output.html {
            self.write_html(path)?;
        }
        Ok(())
    }
}

/// Prints an error as one line.
pub(crate) fn complain(error: &Error) {
    eprintln!("loadtest: {error}");
}

/// Prints a line of a contract, such as the floor's address.
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Lines about what goes on, unless the user wants none.
#[derive(Debug)]
pub(crate) struct Progress {
    quiet: bool,
    last: Option<Instant>,
}

impl Progress {
    /// Silent if the user asked for that.
    pub(crate) fn new(output: &OutputArgs) -> Self {
        Self { quiet: output.quiet, last: None }
    }

    /// Says that something begins.
    pub(crate) fn step(&mut self, line: &str) {
        self.last = Some(Instant::now());
        if !self.quiet {
            eprintln!("{line}");
        }
    }

    /// Says how far it is, every two seconds at most.
    pub(crate) fn tick(&mut self, line: impl FnOnce() -> String) {
        if self.last.is_none_or(|last| last.elapsed() > Duration::from_secs(2)) {
            self.step(&line());
        }
    }
}
