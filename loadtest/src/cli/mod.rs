//! The command line: what can be asked, with its help. It decides nothing.

mod args;
mod values;

pub(crate) use args::{
    Cli, Command, EchoArgs, FanoutArgs, FloorArgs, IdleArgs, OutputArgs, StormArgs, TargetArgs, Via, WatchArgs,
};
