//! The built program.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs a scenario against a server of some nodes, in a process, and returns its output and its JSON report.
pub(crate) fn run(urls: &[String], pid: u32, name: &str, arguments: &str) -> (Output, Value) {
    let json = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.json", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(arguments.split(' ')).args(["--pid", &pid.to_string(), "--quiet", "--json"]).arg(&json);
    let output = command.args(urls.iter().flat_map(|url| ["--url", url])).output().unwrap();
    let report = std::fs::read_to_string(json).ok().and_then(|text| serde_json::from_str(&text).ok());
    (output, report.unwrap_or_default())
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
