//! A floor for the tool to measure, which ends with its test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

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
        let json = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.json", std::process::id()));
        let pid = self.child.id().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
        command.args(arguments.split(' ')).args(["--url", &self.url, "--pid", &pid, "--quiet", "--json"]).arg(&json);
        let output = command.output().unwrap();
        let report = std::fs::read_to_string(json).ok().and_then(|text| serde_json::from_str(&text).ok());
        (output, report.unwrap_or_default())
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
