use std::time::Duration;

use super::error::ConfigError;
use super::mode::Mode;
use super::print::Printer;
use super::section::Section;

pub(super) const KEYS: &[&str] = &["batch", "delay", "interval", "timeout"];

/// How long balancers usually need until they send nobody new to a pod that is not ready.
const DELAY: Duration = Duration::from_secs(5);

/// `[drain]`: the orderly stop on SIGTERM or SIGINT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// How long a pod that is told to stop, and is not ready any more, still takes new clients: until the balancers know.
    /// Default 5 s, a quarter of `timeout` where that is less, and 0 in `dev`; `GATEWAY_DRAIN__DELAY`.
    pub delay: Duration,
    /// How many sockets are closed at once, at least: more if the time would not suffice. Default 100;
    /// `GATEWAY_DRAIN__BATCH`.
    pub batch: usize,
    /// The pause between two batches, more or less a quarter at random. Default 100 ms; `GATEWAY_DRAIN__INTERVAL`.
    pub interval: Duration,
    /// How long a stop may take from the signal on before what is left is cut. Default 25 s: Kubernetes kills a pod after
    /// 30; `0s` cuts at once; `GATEWAY_DRAIN__TIMEOUT`.
    pub timeout: Duration,
}

impl Drain {
    pub(super) fn read(section: &Section, mode: Mode) -> Result<Self, ConfigError> {
        let timeout = section.duration("timeout", Duration::from_secs(25))?;
        let delay = match mode {
            Mode::Dev => Duration::ZERO,
            Mode::Serve | Mode::Client => DELAY.min(timeout / 4),
        };
        Ok(Self {
            delay: section.duration("delay", delay)?,
            batch: section.count("batch", 100)?,
            interval: section.period("interval", Duration::from_millis(100))?,
            timeout,
        })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[drain]");
        out.duration("delay", self.delay);
        out.number("batch", self.batch);
        out.duration("interval", self.interval);
        out.duration("timeout", self.timeout);
    }
}
