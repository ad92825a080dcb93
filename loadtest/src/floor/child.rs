//! The floor as a process of its own, beside the server that is measured.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::error::Error;

/// A running floor; it ends with this value, or with this process.
#[derive(Debug)]
pub(crate) struct FloorProcess {
    child: Child,
    address: String,
}

impl FloorProcess {
    /// Starts this same program as a floor on a free port, and waits until it listens.
    pub(crate) fn start(coalesce: bool) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Floor(error.to_string());
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.args(["floor", "--listen", "127.0.0.1:0", "--until-stdin-closes"]);
        if coalesce {
            command.arg("--coalesce");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let stdout = child.stdout.take().ok_or_else(|| Error::Floor("its output is not there".to_owned()))?;
        let mut floor = Self { child, address: String::new() };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(failed)?;
        line.trim().strip_prefix("listening ").unwrap_or_default().clone_into(&mut floor.address);
        if floor.address.is_empty() {
            return Err(Error::Floor("it ended without listening".to_owned()));
        }
        Ok(floor)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where a client connects.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/socket/websocket", self.address)
    }
}

impl Drop for FloorProcess {
    fn drop(&mut self) {
        // It holds nothing worth an orderly stop; both calls only fail if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
