//! The flags of `flood`.

use std::net::{IpAddr, Ipv4Addr};

use clap::Args;
use serde::Serialize;

use super::scenarios::EchoArgs;
use super::values::positive;

/// More would measure the load tool.
const HIGHEST_RATE: f64 = 20_000.0;

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct FloodArgs {
    /// The client that the flood must not disturb. Without --source it connects from 127.0.0.2.
    #[command(flatten)]
    pub(crate) echo: EchoArgs,
    /// Attempts to connect per second, from one address, which the server (the first, if there are several) is to refuse.
    #[arg(long, value_parser = flood_rate, default_value = "2000")]
    pub(crate) flood_rate: f64,
    /// The address that the flood comes from.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) flood_source: IpAddr,
    /// Fails if the echo's 99th percentile beside the flood is more than this many times the one without (median of the
    /// rounds).
    #[arg(long, value_parser = positive)]
    pub(crate) max_p99_ratio: Option<f64>,
}

fn flood_rate(text: &str) -> Result<f64, String> {
    let rate = positive(text)?;
    if rate > HIGHEST_RATE { Err(format!("at most {HIGHEST_RATE} a second")) } else { Ok(rate) }
}
