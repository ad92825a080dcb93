//! The flags of what is said about results that others have written.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::shared::OutputArgs;
use super::values::positive;

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct TableArgs {
    /// The rows and their goals, a file of JSON.
    pub(crate) goals: PathBuf,
    /// The folder with the results that --json has written; the goals name them, without .json.
    pub(crate) results: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct ModelArgs {
    /// Results of `soak` on fleets of different sizes, with --pid of each node and --redis-pid. The model is fitted to all but
    /// the one with the most nodes, and that one checks it.
    #[arg(required = true, num_args = 3.., value_name = "FILE")]
    pub(crate) results: Vec<PathBuf>,
    /// How many nodes to speak about; repeat it.
    #[arg(long = "nodes", value_name = "N", default_values_t = [20, 50, 100])]
    pub(crate) nodes: Vec<usize>,
    /// Fails if the model errs by more than this percentage for memory or CPU of the fleet that checks it.
    #[arg(long, value_parser = positive, value_name = "PERCENT")]
    pub(crate) max_error: Option<f64>,
}
