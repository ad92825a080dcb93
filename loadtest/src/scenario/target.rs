//! A server under measurement, with the fleet that is connected to it.

use crate::cli::{TargetArgs, WatchArgs};
use crate::client::{Endpoint, Endpoints, TopicPattern};
use crate::error::Error;
use crate::fleet::{Fleet, FleetConfig, Ramp, RampResult, open_and_join};
use crate::floor::FloorProcess;
use crate::measure::{pin_process, pin_self};
use crate::report::Progress;

/// The user's server, or a floor.
pub(super) struct Target {
    /// `server` or `floor`, as the report calls it.
    pub(super) name: &'static str,
    pub(super) fleet: Fleet,
    pub(super) pids: Vec<u32>,
    /// Of a Redis behind the server.
    pub(super) redis_pids: Vec<u32>,
    /// Ends the floor together with its target.
    _floor: Option<FloorProcess>,
}

impl Target {
    /// The server that the user named. Nothing is connected yet.
    pub(super) fn server(args: &TargetArgs, watch: &WatchArgs) -> Result<Self, Error> {
        if let Some(pin) = watch.pin {
            pin_self(pin.client)?;
            watch.pids.iter().try_for_each(|pid| pin_process(*pid, pin.server))?;
        }
        let fleet = Fleet::new(fleet_config(args, &args.urls)?)?;
        Ok(Self { name: "server", fleet, pids: watch.pids.clone(), redis_pids: Vec::new(), _floor: None })
    }

    /// A floor, started for this run and kept on the same core as the server.
    pub(super) fn floor(args: &TargetArgs, watch: &WatchArgs, coalesce: bool) -> Result<Self, Error> {
        let floor = FloorProcess::start(coalesce)?;
        if let Some(pin) = watch.pin {
            pin_process(floor.pid(), pin.server)?;
        }
        let fleet = Fleet::new(fleet_config(args, &[floor.url()])?)?;
        let pids = vec![floor.pid()];
        Ok(Self { name: "floor", fleet, pids, redis_pids: Vec::new(), _floor: Some(floor) })
    }

    /// Opens and joins `count` connections.
    pub(super) fn join(
        &mut self,
        args: &TargetArgs,
        topics: &TopicPattern,
        count: usize,
        per_second: Option<f64>,
        progress: &mut Progress,
    ) -> Result<RampResult, Error> {
        progress.step(&format!("{}: joining {count} connections", self.name));
        let ramp = Ramp {
            topics: topics.clone(),
            join_payload: args.join_payload.clone(),
            window: args.window,
            per_second,
            patience: args.patience,
        };
        open_and_join(&mut self.fleet, &ramp, count, |joined| progress.tick(|| format!("  {joined} of {count} joined")))
    }
}

fn fleet_config(args: &TargetArgs, urls: &[String]) -> Result<FleetConfig, Error> {
    let mut parsed = urls.iter().map(|url| Endpoint::parse(url, args.vsn));
    let first = parsed.next().ok_or_else(|| Error::Usage("a server needs a --url".to_owned()))??;
    let endpoints = parsed.try_fold(Endpoints::one(first), |all, next| Ok::<_, Error>(all.and(next?)))?;
    Ok(FleetConfig { endpoints, vsn: args.vsn, heartbeat: args.heartbeat, sources: args.sources.clone() })
}
