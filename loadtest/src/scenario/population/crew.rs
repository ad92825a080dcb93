//! The workers, from their start to the sum of what they counted.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::tally::{Line, Second, Tally};
use super::watch::Watch;
use crate::cli::PopulationArgs;
use crate::error::Error;
use crate::report::Progress;

/// How much longer than asked the workers may take before they are given up.
const GRACE: Duration = Duration::from_secs(30);

/// The workers; they end with this value, or with this process.
pub(super) struct Crew {
    workers: Vec<Child>,
    lines: Receiver<(usize, Line)>,
}

impl Crew {
    /// Starts a worker for each plan.
    pub(super) fn start(plans: &[Plan]) -> Result<Self, Error> {
        let (sender, lines) = channel();
        let mut crew = Self { workers: Vec::new(), lines };
        for (number, plan) in plans.iter().enumerate() {
            let failed = |error: std::io::Error| Error::Worker { number, reason: error.to_string() };
            let mut command = Command::new(std::env::current_exe().map_err(failed)?);
            let spawned = command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let mut worker = spawned.map_err(failed)?;
            let (stdin, stdout) = (worker.stdin.as_mut(), worker.stdout.take());
            let plan = serde_json::to_string(plan).unwrap_or_default();
            let told = stdin.map_or(Ok(()), |stdin| writeln!(stdin, "{plan}"));
            crew.workers.push(worker);
            told.map_err(failed)?;
            let sender = sender.clone();
            std::thread::spawn(move || listen(number, stdout.map(BufReader::new), &sender));
        }
        Ok(crew)
    }

    /// Waits until all have joined. How long it took.
    pub(super) fn join(
        &mut self,
        members: usize,
        patience: Duration,
        progress: &mut Progress,
    ) -> Result<Duration, Error> {
        let (started, mut joined) = (Instant::now(), vec![0; self.workers.len()]);
        let mut progressed = Instant::now();
        while joined.iter().sum::<usize>() < members {
            match self.next(Duration::from_millis(500))? {
                Some((number, Line::Joined(count))) if joined[number] != count => {
                    (joined[number], progressed) = (count, Instant::now());
                }
                Some((_, Line::Joined(_))) => {}
                Some((number, line)) => return Err(unexpected(number, &line)),
                None if progressed.elapsed() > patience + GRACE => {
                    let (done, seconds) = (joined.iter().sum(), progressed.elapsed().as_secs());
                    return Err(Error::Stuck { done, wanted: members, seconds });
                }
                None => {}
            }
            progress.tick(|| format!("  {} of {members} joined", joined.iter().sum::<usize>()));
        }
        Ok(started.elapsed())
    }

    /// Has all begin.
    pub(super) fn go(&mut self) -> Result<(), Error> {
        for (number, worker) in self.workers.iter_mut().enumerate() {
            let told = worker.stdin.as_mut().map_or(Ok(()), |stdin| writeln!(stdin, "go"));
            told.map_err(|error| Error::Worker { number, reason: error.to_string() })?;
        }
        Ok(())
    }

    /// Waits for the end, and watches the server meanwhile. The sum of all counts, and what each second brought.
    pub(super) fn finish(
        &mut self,
        args: &PopulationArgs,
        watch: &mut Watch,
        progress: &mut Progress,
    ) -> Result<(Tally, Vec<Second>), Error> {
        let end = Instant::now() + args.duration + args.drain + GRACE;
        let (mut sum, mut done, mut latest) = (Tally::default(), 0, vec![Second::default(); self.workers.len()]);
        let mut seconds: Vec<Second> = Vec::new();
        while done < self.workers.len() {
            match self.next(watch.until_next())? {
                Some((number, Line::Second(second))) => {
                    latest[number] = second;
                    add(&mut seconds, second);
                }
                Some((_, Line::Done(tally))) => {
                    sum.add(*tally);
                    done += 1;
                }
                Some((number, line)) => return Err(unexpected(number, &line)),
                None if Instant::now() > end => {
                    let (number, reason) = (done, "it did not end in time".to_owned());
                    return Err(Error::Worker { number, reason });
                }
                None => {}
            }
            watch.sample_if_due(args.duration)?;
            let deliveries = || latest.iter().map(|second| second.deliveries).sum::<u64>();
            progress.tick(|| format!("  {:.0} s of {:?}, {} deliveries", watch.elapsed(), args.duration, deliveries()));
        }
        Ok((sum, seconds))
    }

    fn next(&self, limit: Duration) -> Result<Option<(usize, Line)>, Error> {
        match self.lines.recv_timeout(limit) {
            Ok((number, Line::Failed(reason))) => Err(Error::Worker { number, reason }),
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::Worker { number: 0, reason: "all workers ended without a result".to_owned() })
            }
        }
    }
}

/// Adds up the same second of several workers; of latencies the worst tells.
fn add(seconds: &mut Vec<Second>, one: Second) {
    match seconds.iter_mut().find(|second| second.number == one.number) {
        Some(second) => {
            second.joined += one.joined;
            second.deliveries += one.deliveries;
            second.p99_ms = second.p99_ms.max(one.p99_ms);
        }
        None => seconds.push(one),
    }
}

fn unexpected(number: usize, line: &Line) -> Error {
    Error::Worker { number, reason: format!("it said {line:?} out of turn") }
}

fn listen(number: usize, stdout: Option<impl BufRead>, sender: &Sender<(usize, Line)>) {
    let mut last = false;
    for line in stdout.into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
        let line = serde_json::from_str(&line).unwrap_or(Line::Failed(line));
        last = matches!(line, Line::Done(_) | Line::Failed(_));
        if sender.send((number, line)).is_err() {
            return;
        }
    }
    if !last {
        // Nobody hears it when the crew has gone.
        let _ = sender.send((number, Line::Failed("it ended without a result".to_owned())));
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // They hold nothing worth an orderly stop; both calls only fail if one has ended already.
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}
