//! Memory and CPU of the server while the population lives on it.

use std::time::{Duration, Instant};

use crate::cli::PopulationArgs;
use crate::error::Error;
use crate::measure::{CpuMeter, resident_bytes};

const PERIOD: Duration = Duration::from_secs(1);

/// One look.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Since the beginning, in seconds.
    pub(super) at: f64,
    /// Of each process of the server, in bytes.
    pub(super) resident: Vec<u64>,
    pub(super) redis_resident: u64,
    /// Cores that were used since the look before.
    pub(super) cores: f64,
    pub(super) redis_cores: f64,
}

/// Looks once a second.
pub(super) struct Watch {
    pids: Vec<u32>,
    redis_pids: Vec<u32>,
    /// Before anybody connected.
    pub(super) resident_before: u64,
    started: Instant,
    next: Instant,
    meters: Option<(CpuMeter, CpuMeter)>,
    /// CPU seconds of server and Redis at the last look.
    used: (f64, f64),
    pub(super) samples: Vec<Sample>,
}

impl Watch {
    /// Notes what the server has before anybody connects.
    pub(super) fn new(args: &PopulationArgs) -> Result<Self, Error> {
        let (pids, redis_pids) = (args.common.watch.pids.clone(), args.redis_pids.clone());
        let resident_before = resident_bytes(&pids)?;
        let now = Instant::now();
        Ok(Self {
            pids,
            redis_pids,
            resident_before,
            started: now,
            next: now,
            meters: None,
            used: (0.0, 0.0),
            samples: Vec::new(),
        })
    }

    /// Everybody has joined: from now on it counts.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        self.meters = Some((CpuMeter::start(&self.pids)?, CpuMeter::start(&self.redis_pids)?));
        self.started = Instant::now();
        self.next = self.started;
        Ok(())
    }

    /// Whether any process of the server is watched.
    pub(super) fn sees_server(&self) -> bool {
        !self.pids.is_empty()
    }

    pub(super) fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    pub(super) fn until_next(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// CPU seconds of server and Redis at the last look.
    pub(super) fn used(&self) -> (f64, f64) {
        self.used
    }

    /// Looks, once a second, for as long as messages are sent.
    pub(super) fn sample_if_due(&mut self, duration: Duration) -> Result<(), Error> {
        let now = Instant::now();
        if now < self.next {
            return Ok(());
        }
        self.next = now + PERIOD;
        if now > self.started + duration + PERIOD {
            return Ok(());
        }
        let Some((server, redis)) = &self.meters else { return Ok(()) };
        let used = (server.used()?.ran.as_secs_f64(), redis.used()?.ran.as_secs_f64());
        let at = self.elapsed();
        let since = (at - self.samples.last().map_or(0.0, |sample| sample.at)).max(1e-3);
        let resident = self.pids.iter().map(|pid| resident_bytes(&[*pid])).collect::<Result<_, _>>()?;
        let redis_resident = resident_bytes(&self.redis_pids)?;
        let (cores, redis_cores) = ((used.0 - self.used.0) / since, (used.1 - self.used.1) / since);
        self.used = used;
        self.samples.push(Sample { at, resident, redis_resident, cores, redis_cores });
        Ok(())
    }

    /// By how many percent the server's memory grew, from the first tenth of the time to the last.
    pub(super) fn memory_growth(&self) -> Option<f64> {
        let tenth = (self.samples.len() / 10).max(1);
        let mean = |samples: &[Sample]| {
            let sum: u64 = samples.iter().flat_map(|sample| &sample.resident).sum();
            sum as f64 / samples.len() as f64
        };
        let first = self.samples.get(..tenth).map(mean)?;
        let last = self.samples.get(self.samples.len() - tenth..).map(mean)?;
        (first > 0.0).then(|| (last / first - 1.0) * 100.0)
    }
}
