//! CPU time, memory and cores of other processes, from their clocks and /proc.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::time::clock_getcpuclockid;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::error::Error;

/// Resident memory of all `pids`, in bytes (VmRSS). Kernel memory, such as socket buffers, is not in it.
pub(crate) fn resident_bytes(pids: &[u32]) -> Result<u64, Error> {
    pids.iter().map(|pid| resident_of(*pid)).sum()
}

fn resident_of(pid: u32) -> Result<u64, Error> {
    let status = read(pid, "status")?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| Error::Process { pid, reason: "its status has no VmRSS (has it ended?)".into() })
}

/// What some processes got of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuUse {
    /// On a core.
    pub(crate) ran: Duration,
    /// Ready to run, while others had the cores: large on a machine that is not quiet.
    pub(crate) waited: Duration,
}

impl std::iter::Sum for CpuUse {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self { ran: sum.ran + one.ran, waited: sum.waited + one.waited })
    }
}

/// CPU time that some processes use between two moments.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    start: Vec<(u32, Sample)>,
}

#[derive(Debug)]
struct Sample {
    /// Of the whole process, threads that have ended included.
    ran: Duration,
    /// Nanoseconds that each thread waited for a core. A thread that ends takes its account with it.
    waited: BTreeMap<u32, u64>,
}

impl CpuMeter {
    /// Starts to measure.
    pub(crate) fn start(pids: &[u32]) -> Result<Self, Error> {
        let start = pids.iter().map(|pid| Ok((*pid, Sample::take(*pid)?))).collect::<Result<_, Error>>()?;
        Ok(Self { start })
    }

    /// What was used since the start.
    pub(crate) fn used(&self) -> Result<CpuUse, Error> {
        Ok(self.used_by_each()?.into_iter().sum())
    }

    /// What each process used since the start, in the order in which they were given.
    pub(crate) fn used_by_each(&self) -> Result<Vec<CpuUse>, Error> {
        self.start.iter().map(|(pid, before)| Ok(Sample::take(*pid)?.since(before))).collect()
    }
}

impl Sample {
    fn take(pid: u32) -> Result<Self, Error> {
        // First, so that a process which is not there is named before its number is taken for something else.
        let waited = threads(pid)?.into_iter().filter_map(|thread| {
            // A thread may end while the list is read.
            let text = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
            Some((thread, text.split(' ').nth(1)?.parse().ok()?))
        });
        let waited = waited.collect();
        let clock = clock_getcpuclockid(nix::unistd::Pid::from_raw(pid as i32)).and_then(nix::time::ClockId::now);
        let ran = clock.map_err(|error| Error::Process { pid, reason: format!("its CPU clock: {error}") })?;
        Ok(Self { ran: ran.into(), waited })
    }

    fn since(&self, before: &Self) -> CpuUse {
        let waited = self
            .waited
            .iter()
            .map(|(thread, waited)| waited.saturating_sub(before.waited.get(thread).copied().unwrap_or_default()));
        CpuUse { ran: self.ran.saturating_sub(before.ran), waited: Duration::from_nanos(waited.sum()) }
    }
}

/// Keeps all threads of a process, and those it starts later, on one core.
pub(crate) fn pin_process(pid: u32, core: usize) -> Result<(), Error> {
    threads(pid)?.into_iter().try_for_each(|thread| {
        pin(Pid::from_raw(thread as i32), core)
            .map_err(|error| Error::Process { pid, reason: format!("it can't be kept on core {core}: {error}") })
    })
}

/// Keeps this thread on one core.
pub(crate) fn pin_self(core: usize) -> Result<(), Error> {
    pin(None, core).map_err(Error::io(format!("the load tool can't be kept on core {core}")))
}

fn pin(thread: Option<Pid>, core: usize) -> std::io::Result<()> {
    let mut cores = CpuSet::new();
    if core >= CpuSet::MAX_CPU {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    cores.set(core);
    Ok(sched_setaffinity(thread, &cores)?)
}

fn threads(pid: u32) -> Result<Vec<u32>, Error> {
    let gone = |error: std::io::Error| Error::Process { pid, reason: format!("{error} (is the pid right?)") };
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(gone)?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

fn read(pid: u32, file: &str) -> Result<String, Error> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}"))
        .map_err(|error| Error::Process { pid, reason: format!("{error} (is the pid right?)") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_came_and_went_counts() {
        let meter = CpuMeter::start(&[std::process::id()]).unwrap();
        let work = Duration::from_millis(20);
        let spin = move || {
            let started = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from).unwrap();
            while nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from).unwrap() < started + work {
                std::hint::spin_loop();
            }
        };
        std::thread::spawn(spin).join().unwrap();
        assert!(meter.used().unwrap().ran >= work);
    }

    #[test]
    fn waiting_is_counted_by_thread() {
        let sample = |ran, waited: &[(u32, u64)]| Sample {
            ran: Duration::from_nanos(ran),
            waited: waited.iter().copied().collect(),
        };
        let used = sample(150, &[(1, 4), (3, 2)]).since(&sample(100, &[(1, 1), (2, 9)]));
        assert_eq!(used, CpuUse { ran: Duration::from_nanos(50), waited: Duration::from_nanos(5) });
    }

    #[test]
    fn this_process_can_be_watched_and_a_missing_one_is_named() {
        let own = std::process::id();
        assert!(resident_bytes(&[own]).unwrap() > 0);
        assert!(CpuMeter::start(&[own]).unwrap().used().is_ok());
        let error = resident_bytes(&[u32::MAX]).unwrap_err().to_string();
        assert!(error.contains("4294967295 can't be watched"), "{error}");
    }
}
