use std::process::Command;

use super::callgrind;
use super::tracked::Machine;

/// What the counts depend on beside the code.
pub(super) fn here() -> Machine {
    let rustc = Command::new("rustc").arg("-vV").output().map(|output| output.stdout).unwrap_or_default();
    let rustc = String::from_utf8_lossy(&rustc);
    let line = |start: &str| rustc.lines().find_map(|line| line.strip_prefix(start)).unwrap_or("unknown").to_owned();
    Machine {
        rustc: line("rustc "),
        target: line("host: "),
        cpu: features().join(" "),
        valgrind: callgrind::version().unwrap_or_else(|| "unknown".to_owned()),
    }
}

/// By these the C library and `memchr` choose how they copy and search.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let features = [
        ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("bmi2", std::arch::is_x86_feature_detected!("bmi2")),
        ("ermsb", std::arch::is_x86_feature_detected!("ermsb")),
    ];
    features.into_iter().filter(|(_, here)| *here).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    Vec::new()
}
