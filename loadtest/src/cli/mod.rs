//! The command line: what can be asked, with its help. It decides nothing.

mod args;
mod flood;
mod population;
mod scenarios;
mod shared;
mod summary;
mod values;

pub(crate) use args::{Cli, Command, purpose};
pub(crate) use flood::FloodArgs;
pub(crate) use population::{MixedArgs, PopulationArgs, ReconnectArgs, Sizes, SoakArgs};
pub(crate) use scenarios::{EchoArgs, FanoutArgs, FloorArgs, IdleArgs, PresenceArgs, StormArgs, Via};
pub(crate) use shared::{OutputArgs, TakeArgs, TargetArgs, WatchArgs};
pub(crate) use summary::{ModelArgs, TableArgs};
