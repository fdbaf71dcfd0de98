//! How many files this process may have open, and how many of them inputs may take.
//!
//! The default limit of most systems is low, and a list of inputs may have more files than any limit allows.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Files set aside for short uses and for libraries: PROJ's database for each thread, a module, a journal.
const RESERVED: usize = 48;
/// Limit for inputs kept open at a time. Each takes some 50 KiB of GDAL's memory, and only saves opening it again.
const MOST: usize = 4096;

/// Raises this process's limit to the hard limit. Child processes inherit it.
pub fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the number of open files can't be raised: {e}");
    }
}

/// How many more files may be opened and stay open.
pub fn room() -> usize {
    let limit = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let open = std::fs::read_dir("/proc/self/fd").map_or(RESERVED, Iterator::count);
    limit.saturating_sub(open).saturating_sub(RESERVED)
}

/// How many inputs each of `threads` threads may keep open. All threads together get half of the files that may still be
/// opened: an input may have a second file (a mask, overviews), and workers that come later need connections.
pub fn inputs_for_each(threads: usize) -> usize {
    (room() / 2).min(MOST) / threads.max(1)
}
