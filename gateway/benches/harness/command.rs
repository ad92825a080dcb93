#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program whose output is its purpose")]

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use super::callgrind;
use super::machine;
use super::meter::{Bench, Meter};
use super::table::Table;
use super::tracked::{Comparison, Counts};

const TRACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.toml");

const HEAD: &str = "\
# Instructions for each operation, as `make bench` counts them. `make bench-accept` writes this file; what changed the
# counts belongs into the same commit.

";

/// What is asked for.
enum Order<'a> {
    /// One operation, under callgrind.
    Count(&'a str),
    /// All in which one of these occurs, or all: counted and compared.
    Compare(Vec<&'a str>),
    /// All, counted and written to the file.
    Accept,
    /// All, once, without counting: `cargo test --benches`.
    Try,
}

/// Does what the arguments say.
pub(crate) fn run(benches: &[Bench]) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match order(&arguments) {
        Order::Count(name) => measure(benches, name),
        Order::Compare(filters) => compare(benches, &filters),
        Order::Accept => accept(benches),
        Order::Try => {
            benches.iter().for_each(|bench| (bench.run)(&Meter { counts: false }));
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// Cargo adds `--bench` when it is asked for benches, and not when it tests.
fn order<'a>(arguments: &[&'a str]) -> Order<'a> {
    match arguments {
        ["--count", name] => Order::Count(name),
        _ if arguments.contains(&"--accept") => Order::Accept,
        _ if arguments.contains(&"--bench") => {
            Order::Compare(arguments.iter().copied().filter(|argument| !argument.starts_with('-')).collect())
        }
        _ => Order::Try,
    }
}

fn measure(benches: &[Bench], name: &str) -> Result<ExitCode, String> {
    let bench = benches.iter().find(|bench| bench.name == name).ok_or_else(|| format!("no bench `{name}`"))?;
    (bench.run)(&Meter { counts: true });
    Ok(ExitCode::SUCCESS)
}

fn compare(benches: &[Bench], filters: &[&str]) -> Result<ExitCode, String> {
    let is_chosen = |bench: &&Bench| filters.is_empty() || filters.iter().any(|filter| bench.name.contains(filter));
    let chosen: Vec<&Bench> = benches.iter().filter(is_chosen).collect();
    let text = fs::read_to_string(TRACKED).map_err(|error| format!("{TRACKED}: {error}"))?;
    let tracked: Counts = toml::from_str(&text).map_err(|error| format!("{TRACKED}: {error}"))?;
    let comparison = Comparison::new(&tracked, &count(&chosen)?, filters.is_empty());
    print!("{}", Table(&comparison));
    Ok(if comparison.fails() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn accept(benches: &[Bench]) -> Result<ExitCode, String> {
    let counted = count(&benches.iter().collect::<Vec<_>>())?;
    let text = toml::to_string(&counted).map_err(|error| error.to_string())?;
    fs::write(TRACKED, format!("{HEAD}{text}")).map_err(|error| format!("{TRACKED}: {error}"))?;
    let here = Path::new(TRACKED).file_name().unwrap_or_default().display();
    println!("{here}: {} counts written", benches.len());
    Ok(ExitCode::SUCCESS)
}

fn count(benches: &[&Bench]) -> Result<Counts, String> {
    let mut counts = Counts::none(machine::here());
    for bench in benches {
        counts.insert(bench.name, callgrind::count(bench)?);
    }
    Ok(counts)
}
