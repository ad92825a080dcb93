//! A floor for the tool to measure, which ends with its test.

mod tool;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub(crate) use tool::text;

pub(crate) struct Floor {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Floor {
    pub(crate) fn start(extra: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
        command.args(["floor", "--until-stdin-closes"]).args(extra).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening ").unwrap();
        let url = format!("ws://{address}/socket/websocket");
        Self { child, url }
    }

    /// Runs a scenario against this floor and returns its output and its JSON report.
    pub(crate) fn run(&self, name: &str, arguments: &str) -> (Output, Value) {
        tool::run(std::slice::from_ref(&self.url), self.child.id(), name, arguments)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
