//! How many files this process may have open, and how many of them inputs may take.
//!
//! Systems allow few unless asked for more, and a list of inputs may have more files than any of them allows.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Files that are opened for a moment, or by libraries for themselves: PROJ's database for each thread, a module, a journal.
const RESERVED: usize = 48;
/// Most inputs that are kept open at a time. Each takes some 50 KiB of GDAL's memory; more only save opening them again.
const MOST: usize = 4096;

/// Asks for as many as the system allows to be asked for. Processes that this one starts may have as many.
pub fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the number of open files can't be raised: {e}");
    }
}

/// Files that may be opened yet, and stay open.
pub fn room() -> usize {
    let limit = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let open = std::fs::read_dir("/proc/self/fd").map_or(RESERVED, Iterator::count);
    limit.saturating_sub(open).saturating_sub(RESERVED)
}

/// Inputs that each of so many threads may keep open, if all of them share what may be opened yet. An input may have a second file
/// open (a mask, overviews), and workers that come later need connections: so it's half of that.
pub fn inputs_for_each(threads: usize) -> usize {
    (room() / 2).min(MOST) / threads.max(1)
}
