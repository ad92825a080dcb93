//! Micro-benchmarks of the rooms through which every message goes, counted in instructions.
//!
//! `make bench` runs them, or `cargo bench --package gateway --features bench --bench rooms [-- NAME…]`: each operation runs
//! alone under callgrind, which counts what the processor would execute. The counts hardly differ between two runs, so that
//! a regression is seen on a busy machine too. They are compared with `instructions.toml`; more than a few percent above it
//! fails. `make bench-accept` writes that file anew; commit it together with what changed the counts.
//!
//! One file for each room; `harness/` counts, compares and prints. Why not gungraun (formerly iai-callgrind): its baselines
//! lie in `target/`, so the file and the comparison would be ours all the same, and its runner has to be built first.
//! Here valgrind is all that is needed.

mod fanout;
mod harness;
mod presence;
mod session;
mod topics;
mod websocket;
mod wire;

use std::process::ExitCode;

use harness::Bench;

/// As in the binary: the allocator's instructions are counted, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let benches: Vec<Bench> =
        [websocket::BENCHES, wire::BENCHES, session::BENCHES, topics::BENCHES, fanout::BENCHES, presence::BENCHES]
            .concat();
    harness::run(&benches)
}
