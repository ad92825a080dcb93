//! The gateway's binary: see `gateway --help`.

use std::process::ExitCode;

/// Tens of thousands of small objects that come and go: jemalloc keeps them dense, and gives memory back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gateway::cli::run()
}
