//! CPU time, memory and cores of other processes, from /proc.

use std::collections::BTreeMap;
use std::time::Duration;

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

/// CPU time that some processes use between two moments.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    start: Vec<(u32, Sample)>,
}

#[derive(Debug)]
struct Sample {
    /// Nanoseconds on a CPU, and waiting for one, per thread.
    threads: BTreeMap<u32, (u64, u64)>,
    /// Of the whole process, ended threads included, but in steps of a clock tick.
    ticks: u64,
}

/// USER_HZ is 100 on every Linux that can run this.
const NANOS_PER_TICK: u64 = 10_000_000;

impl CpuMeter {
    /// Starts to measure.
    pub(crate) fn start(pids: &[u32]) -> Result<Self, Error> {
        let start = pids.iter().map(|pid| Ok((*pid, Sample::take(*pid)?))).collect::<Result<_, Error>>()?;
        Ok(Self { start })
    }

    /// What was used since the start.
    pub(crate) fn used(&self) -> Result<CpuUse, Error> {
        self.start.iter().try_fold(CpuUse::default(), |sum, (pid, before)| {
            let one = Sample::take(*pid)?.since(before);
            Ok(CpuUse { ran: sum.ran + one.ran, waited: sum.waited + one.waited })
        })
    }
}

impl Sample {
    fn take(pid: u32) -> Result<Self, Error> {
        let threads = threads(pid)?.into_iter().filter_map(|thread| {
            // A thread may end while the list is read.
            let text = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
            let mut fields = text.split(' ').map(str::parse);
            Some((thread, (fields.next()?.ok()?, fields.next()?.ok()?)))
        });
        Ok(Self { threads: threads.collect(), ticks: ticks(&read(pid, "stat")?).unwrap_or_default() })
    }

    /// Exact while no thread ended in between (a thread takes its account with it), else to the clock tick.
    fn since(&self, before: &Self) -> CpuUse {
        let ended = before.threads.keys().any(|thread| !self.threads.contains_key(thread));
        if ended || self.threads.is_empty() {
            let ran = Duration::from_nanos(self.ticks.saturating_sub(before.ticks) * NANOS_PER_TICK);
            return CpuUse { ran, waited: Duration::ZERO };
        }
        let ran = |sample: &Self| Duration::from_nanos(sample.threads.values().map(|(ran, _)| ran).sum());
        let waited = |sample: &Self| Duration::from_nanos(sample.threads.values().map(|(_, waited)| waited).sum());
        CpuUse { ran: ran(self).saturating_sub(ran(before)), waited: waited(self).saturating_sub(waited(before)) }
    }
}

/// utime + stime; the name before them may hold spaces and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
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
    fn cpu_ticks_are_found_behind_any_process_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(200));
        assert_eq!(ticks("nonsense"), None);
    }

    #[test]
    fn an_ended_thread_falls_back_to_ticks() {
        let sample =
            |threads: &[(u32, (u64, u64))], ticks| Sample { threads: threads.iter().copied().collect(), ticks };
        let used = |ran, waited| CpuUse { ran: Duration::from_nanos(ran), waited: Duration::from_nanos(waited) };
        let before = sample(&[(1, (100, 1)), (2, (50, 2))], 10);
        assert_eq!(sample(&[(1, (150, 4)), (2, (50, 2)), (3, (7, 0))], 10).since(&before), used(57, 3));
        assert_eq!(sample(&[(1, (150, 9))], 12).since(&before), used(2 * NANOS_PER_TICK, 0));
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
