//! All commands.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use super::flood::FloodArgs;
use super::population::{MixedArgs, ReconnectArgs, SoakArgs};
use super::scenarios::{EchoArgs, FanoutArgs, FloorArgs, IdleArgs, PresenceArgs, StormArgs};
use super::summary::{ModelArgs, TableArgs};

/// Measures a server that speaks Phoenix Channels.
///
/// Exit code: 0 when all is well, 1 when a check failed (each is named), 64 for wrong usage, 69 when the server is not there
/// or refuses.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// Compares two results that --json has written, in place of a run.
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], required = true)]
    pub(crate) compare: Vec<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What a scenario does, as its help says.
pub(crate) fn purpose(scenario: &str) -> String {
    let cli = Cli::command();
    cli.find_subcommand(scenario).and_then(|command| command.get_about()).map(ToString::to_string).unwrap_or_default()
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Opens N joined connections, holds them, and reports the server's memory per connection.
    Idle(IdleArgs),
    /// One publisher, S subscribers of one topic: CPU per delivery, latency, loss, duplicates and order.
    Fanout(FanoutArgs),
    /// Push and reply: CPU per round trip and latency.
    Echo(EchoArgs),
    /// Connects and joins, at a fixed rate or with many on their way at once: CPU per join and latency.
    Storm(StormArgs),
    /// Everybody joins a topic at once, then leaves it: when everyone sees everyone, what it costs, and whether it is right.
    Presence(PresenceArgs),
    /// Push and reply beside a flood of refused attempts to connect: how much one address can disturb the others.
    Flood(FloodArgs),
    /// Many connections held for long under steady traffic: loss, order, memory over time, CPU per delivery.
    Soak(SoakArgs),
    /// Waves of connections are cut and come back: what they missed, in which order it comes, and how long it takes.
    Reconnect(ReconnectArgs),
    /// A chat-like day: topics of all sizes, members that come and go, messages, and events that nobody waits for.
    Mixed(MixedArgs),
    /// Puts the results of several runs into one table, and holds them against goals.
    Table(TableArgs),
    /// Says from fleets of several sizes what larger ones need, and by how much such a model errs.
    Model(ModelArgs),
    /// A process of those above, told what to do by its standard input.
    #[command(hide = true)]
    Worker,
    /// Runs the floor: the least a server can do, to compare others with.
    Floor(FloorArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::shared::Pin;
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pin_without_a_value_takes_the_first_two_cores() {
        let cli = Cli::try_parse_from(["loadtest", "idle", "--pin", "--connections", "5"]).unwrap();
        let Some(Command::Idle(args)) = cli.command else { panic!("another command") };
        assert_eq!((args.common.watch.pin, args.spread.connections), (Some(Pin { server: 0, client: 1 }), 5));
    }

    #[test]
    fn two_results_are_compared_and_nothing_else_is_done() {
        let cli = Cli::try_parse_from(["loadtest", "--compare", "a.json", "b.json"]).unwrap();
        assert!(cli.command.is_none() && cli.compare.len() == 2);
        assert!(Cli::try_parse_from(["loadtest", "--compare", "a.json"]).is_err());
        assert!(Cli::try_parse_from(["loadtest"]).is_err());
        assert!(!purpose("fanout").is_empty());
    }

    #[test]
    fn a_threshold_that_could_never_be_checked_is_refused() {
        assert!(Cli::try_parse_from(["loadtest", "fanout", "--max-ratio", "1.3"]).is_err());
        assert!(Cli::try_parse_from(["loadtest", "fanout", "--rate", "20", "--min-coalescing-gain", "2.5"]).is_err());
    }
}
