//! Resident memory of this process.

/// Highest resident memory so far, bytes; 0 where the system doesn't tell.
pub fn peak() -> u64 {
    status("VmHWM:")
}

/// Resident memory now, bytes; 0 where the system doesn't tell.
pub fn resident() -> u64 {
    status("VmRSS:")
}

fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|l| l.strip_prefix(key))
        .and_then(|v| v.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
}
