use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs, io};

use super::meter::{Bench, ROUNDS};

/// Nothing by the number of cores, nothing by the clock: jemalloc gives memory back, and tidies the caches of its threads,
/// after some time.
const STEADY_ALLOCATOR: &str = "narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1,tcache_gc_incr_bytes:1073741824";

/// Runs this program again, under callgrind, to count one operation.
///
/// # Errors
/// When valgrind is not there or fails; the text says what to do.
pub(super) fn count(bench: &Bench) -> Result<u64, String> {
    let profile = profile(bench)?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--toggle-collect=*counted_by_callgrind*"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(env::current_exe().map_err(|error| error.to_string())?)
        .args(["--count", bench.name])
        // What stands in the environment lies on the stack, and moves what comes after it.
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .env("_RJEM_MALLOC_CONF", STEADY_ALLOCATOR)
        .stdin(Stdio::null());
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "valgrind is missing: run `.ci/deps bench`".to_owned(),
        _ => error.to_string(),
    })?;
    if !output.status.success() {
        return Err(format!("{}: {}\n{}", bench.name, output.status, String::from_utf8_lossy(&output.stderr)));
    }
    let total = total(&fs::read_to_string(&profile).map_err(|error| error.to_string())?);
    let total = total.filter(|&total| total > 0).ok_or("callgrind has counted nothing: is it too old?")?;
    Ok((total + ROUNDS / 2) / ROUNDS)
}

/// Version of valgrind.
pub(super) fn version() -> Option<String> {
    let output = Command::new("valgrind").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("valgrind-").to_owned())
}

/// Where the profile of a bench is left, for `callgrind_annotate`.
fn profile(bench: &Bench) -> Result<PathBuf, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("callgrind");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    Ok(folder.join(bench.name))
}

/// Instructions in all, from a profile.
fn total(profile: &str) -> Option<u64> {
    profile.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}
