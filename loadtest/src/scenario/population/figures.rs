//! What a population shows.

use std::time::Duration;

use serde::Serialize;

use super::plan::Life;
use super::tally::{Second, Tally, latency};
use super::watch::{Sample, Watch};
use crate::cli::PopulationArgs;
use crate::measure::{Integrity, LatencySummary};
use crate::report::{Axis, Plot, Report, Scale, Section, Series, Shape};

/// With more processes than this the smallest, the mean and the largest are drawn.
const LINES: usize = 4;

#[derive(Debug, Serialize)]
pub(super) struct Figures {
    connections: usize,
    topics: usize,
    joined_in_s: f64,
    asked_per_second: f64,
    sent: u64,
    unsent: u64,
    deliveries: u64,
    deliveries_per_second: f64,
    replayed: u64,
    other_frames: u64,
    refused: u64,
    lost_connections: u64,
    ended_channels: u64,
    gone: u64,
    returned: u64,
    recovered: u64,
    not_recovered: u64,
    unanswered_recoveries: u64,
    missing: u64,
    integrity: Integrity,
    max_send_lag_ms: f64,
    resident_bytes: Option<u64>,
    resident_per_connection: Option<f64>,
    memory_growth_percent: Option<f64>,
    cpu_us_per_delivery: Option<f64>,
    redis_cpu_us_per_message: Option<f64>,
    server_cores: Option<f64>,
    redis_cores: Option<f64>,
    redis_resident_bytes: Option<u64>,
    tool_cpu_s: f64,
    join_latency: LatencySummary,
    delivery_latency: LatencySummary,
    comeback_latency: LatencySummary,
    #[serde(skip)]
    plots: Vec<Plot>,
    #[serde(skip)]
    first_refusal: Option<String>,
    #[serde(skip)]
    first_loss: Option<String>,
    #[serde(skip)]
    first_end: Option<String>,
}

impl Figures {
    pub(super) fn new(
        args: &PopulationArgs,
        topics: usize,
        asked_per_second: f64,
        joined_in: Duration,
        tally: Tally,
        mut seconds: Vec<Second>,
        watch: &Watch,
    ) -> Self {
        seconds.sort_by_key(|second| second.number);
        let (connections, duration) = (args.spread.connections, args.duration.as_secs_f64());
        let last = watch.samples.last();
        let resident = last.filter(|_| watch.sees_server()).map(|sample| sample.resident.iter().sum::<u64>());
        let grown = resident.map(|bytes| bytes as f64 - watch.resident_before as f64);
        let (server, redis) = watch.used();
        let server = watch.sees_server().then_some(server);
        let redis = (!args.redis_pids.is_empty()).then_some(redis);
        let per = |cpu: Option<f64>, units: u64| cpu.filter(|_| units > 0).map(|cpu| cpu * 1e6 / units as f64);
        let delivery_latency = latency(&tally.delivery).summary();
        Self {
            connections,
            topics,
            joined_in_s: joined_in.as_secs_f64(),
            asked_per_second,
            deliveries_per_second: tally.deliveries as f64 / duration,
            resident_bytes: resident,
            resident_per_connection: grown.map(|bytes| bytes / connections as f64),
            memory_growth_percent: watch.memory_growth().filter(|_| watch.sees_server()),
            cpu_us_per_delivery: per(server, tally.deliveries),
            redis_cpu_us_per_message: per(redis, tally.sent),
            server_cores: server.map(|cpu| cpu / duration),
            redis_cores: redis.map(|cpu| cpu / duration),
            redis_resident_bytes: last.filter(|_| redis.is_some()).map(|sample| sample.redis_resident),
            plots: plots(&seconds, &watch.samples, &delivery_latency, redis.is_some()),
            join_latency: latency(&tally.join).summary(),
            comeback_latency: latency(&tally.comeback).summary(),
            delivery_latency,
            sent: tally.sent,
            unsent: tally.unsent,
            deliveries: tally.deliveries,
            replayed: tally.replayed,
            other_frames: tally.other_frames,
            refused: tally.refused,
            lost_connections: tally.lost_connections,
            ended_channels: tally.ended_channels,
            gone: tally.gone,
            returned: tally.returned,
            recovered: tally.recovered,
            not_recovered: tally.not_recovered,
            unanswered_recoveries: tally.unanswered_recoveries,
            missing: tally.missing,
            integrity: tally.integrity,
            max_send_lag_ms: tally.max_lag_ms,
            tool_cpu_s: tally.tool_cpu_s,
            first_refusal: tally.first_refusal,
            first_loss: tally.first_loss,
            first_end: tally.first_end,
        }
    }

    /// Puts everything into the report, and checks what was asked.
    pub(super) fn fill(&mut self, report: &mut Report, args: &PopulationArgs, life: Life) {
        report.section(self.table());
        std::mem::take(&mut self.plots).into_iter().for_each(|plot| report.plot(plot));
        self.headlines(report);
        self.judge(report, life);
        if self.resident_bytes.is_none() {
            report.notice("memory and CPU are not known; name the server's processes with --pid and --redis-pid");
        }
        report.check_at_most("max-memory-growth (%)", self.memory_growth_percent, args.max_memory_growth);
        report.check_at_most("max-cpu-per-delivery (µs)", self.cpu_us_per_delivery, args.max_cpu_per_delivery);
        report.figures(self);
    }

    fn judge(&self, report: &mut Report, life: Life) {
        let detail = format!("{} of {} connections, {}", self.integrity, self.connections, self.first_loss());
        let clean = self.integrity.is_clean();
        report.check("deliveries", clean, detail);
        let detail = format!("{} ended by themselves", self.lost_connections);
        report.check("connections held", self.lost_connections == 0, detail);
        let first = self.first_end.as_ref().map_or(String::new(), |how| {
            format!(", the first with {how}; does its application handle the events that are pushed?")
        });
        let detail = format!("{} were ended by the server{first}", self.ended_channels);
        report.check("channels held", self.ended_channels == 0, detail);
        report.check("everybody is there in the end", self.missing == 0, format!("{} are not", self.missing));
        let refusal = self.first_refusal.as_deref().map_or(String::new(), |reason| format!(", the first: {reason}"));
        report.check("pushes", self.refused == 0, format!("{} refused{refusal}", self.refused));
        // Late by more than a second is another load than the one that was asked for.
        let reached = self.unsent == 0 && self.max_send_lag_ms < 1000.0;
        let detail = format!(
            "{} of the asked {:.1}/s were sent at most {:.0} ms late, {} could not be",
            self.sent, self.asked_per_second, self.max_send_lag_ms, self.unsent
        );
        report.check("rate", reached, detail);
        if let Life::Waves { recover: true, .. } = life {
            let Self { recovered, not_recovered, unanswered_recoveries, .. } = self;
            let detail = format!(
                "{recovered} got all they missed, {not_recovered} could not, {unanswered_recoveries} were told nothing"
            );
            report.check("recovery", *not_recovered == 0 && *unanswered_recoveries == 0, detail);
        }
    }

    fn first_loss(&self) -> String {
        self.first_loss.clone().unwrap_or_else(|| "none ended by itself".to_owned())
    }

    fn headlines(&self, report: &mut Report) {
        let Integrity { lost, duplicated, reordered } = self.integrity;
        let faults = (lost + duplicated + reordered).to_string();
        report.headline("lost, twice or out of order", faults, "of all deliveries, each of which was checked");
        report.headline("connections", self.connections.to_string(), "held at once");
        let rate = format!("{:.0}/s", self.deliveries_per_second);
        report.headline("deliveries", rate, "messages that reached a client");
        let p99 = format!("{:.1} ms", self.delivery_latency.p99_ms);
        report.headline("p99 of a delivery", p99, "from the time the message was meant to leave");
        if let Some(bytes) = self.resident_per_connection {
            let meaning = "resident memory of all processes of the server";
            report.headline("memory per connection", format!("{:.2} KiB", bytes / 1024.0), meaning);
        }
        if let Some(cpu) = self.cpu_us_per_delivery {
            report.headline("CPU per delivery", format!("{cpu:.2} µs"), "of the server, everything included");
        }
        if self.returned > 0 {
            let p99 = format!("{:.1} ms", self.comeback_latency.p99_ms);
            report.headline("p99 of a return", p99, "from the connect to the answer to the join");
        }
    }

    fn table(&self) -> Section {
        let mut section = Section::new("Figures");
        let optional = |value: Option<f64>, unit: &str| value.map_or("-".to_owned(), |v| format!("{v:.2}{unit}"));
        let mib = |bytes: Option<u64>| optional(bytes.map(|bytes| bytes as f64 / 1_048_576.0), " MiB");
        let each = self.resident_per_connection.map(|bytes| bytes / 1024.0);
        for (name, value) in [
            ("connections", format!("{} in {} topics", self.connections, self.topics)),
            ("joined in", format!("{:.1} s", self.joined_in_s)),
            ("join latency", self.join_latency.to_string()),
            ("messages", format!("{} sent, {:.1}/s asked", self.sent, self.asked_per_second)),
            ("deliveries", format!("{}, {:.0}/s", self.deliveries, self.deliveries_per_second)),
            ("delivery latency", self.delivery_latency.to_string()),
            ("checked", self.integrity.to_string()),
            ("other frames", self.other_frames.to_string()),
            ("went and came back", format!("{} and {}, {} replayed", self.gone, self.returned, self.replayed)),
            ("comeback latency", self.comeback_latency.to_string()),
            ("RSS of the server", mib(self.resident_bytes)),
            ("RSS per connection", optional(each, " KiB")),
            ("growth of the RSS", optional(self.memory_growth_percent, " %")),
            ("RSS of Redis", mib(self.redis_resident_bytes)),
            ("cores of the server", optional(self.server_cores, "")),
            ("CPU per delivery", optional(self.cpu_us_per_delivery, " µs")),
            ("cores of Redis", optional(self.redis_cores, "")),
            ("CPU of Redis per message", optional(self.redis_cpu_us_per_message, " µs")),
            ("CPU of the tool", format!("{:.1} s", self.tool_cpu_s)),
        ] {
            section.row([name, &value]);
        }
        section
    }
}

fn plots(seconds: &[Second], samples: &[Sample], latency: &LatencySummary, redis: bool) -> Vec<Plot> {
    let over_time = |title: &str, note: &str, unit: &str, series: Vec<Series>| Plot {
        title: title.to_owned(),
        note: note.to_owned(),
        shape: Shape::Lines,
        x: Axis::new("seconds since the start", Scale::Linear),
        y: Axis::new(unit, Scale::Linear),
        series,
    };
    let mut before = 0;
    let rate = seconds.iter().map(|second| {
        let rate = second.deliveries.saturating_sub(std::mem::replace(&mut before, second.deliveries));
        (second.number as f64, rate as f64)
    });
    let rate = Series::new("deliveries per second", rate);
    let p99 = Series::new("p99 of each second", seconds.iter().map(|second| (second.number as f64, second.p99_ms)));
    let mut cores = vec![Series::new("server", samples.iter().map(|sample| (sample.at, sample.cores)))];
    if redis {
        cores.push(Series::new("Redis", samples.iter().map(|sample| (sample.at, sample.redis_cores))));
    }
    vec![
        Plot::latencies("Latency of a delivery", vec![Series::new("all deliveries", latency.curve.clone())]),
        over_time(
            "Latency over time",
            "The 99th percentile of each second, of the process of the tool that saw the worst.",
            "milliseconds",
            vec![p99],
        ),
        over_time("Deliveries over time", "Of each second, all clients together.", "deliveries per second", vec![rate]),
        over_time("Memory over time", "Resident, of each process of the server. Flat is good.", "MiB", memory(samples)),
        over_time("CPU over time", "Of each second; 1 is one core that does nothing else.", "cores", cores),
    ]
}

fn memory(samples: &[Sample]) -> Vec<Series> {
    let processes = samples.first().map_or(0, |sample| sample.resident.len());
    let mib = |bytes: f64| bytes / 1_048_576.0;
    let line = |name: String, of: &dyn Fn(&[u64]) -> f64| {
        Series::new(name, samples.iter().map(|sample| (sample.at, mib(of(&sample.resident)))))
    };
    if processes <= LINES {
        let each = |number: usize| line(format!("process {}", number + 1), &|all| all[number] as f64);
        return (0..processes).map(each).collect();
    }
    vec![
        line("largest".to_owned(), &|all| all.iter().max().copied().unwrap_or_default() as f64),
        line("mean".to_owned(), &|all| all.iter().sum::<u64>() as f64 / all.len() as f64),
        line("smallest".to_owned(), &|all| all.iter().min().copied().unwrap_or_default() as f64),
    ]
}
