//! Threads: as many as there are processors, if the system gives them.

use super::fatal::Fatal;
use std::sync::Mutex;
use std::thread::JoinHandle;

/// Does `work` on a thread of its own.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fatal> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|e| Fatal::infrastructure(format!("the system gives no more threads: {e}")))
}

/// Whether as many threads can be had as `work` threads need, for themselves and for GDAL's and the compiler's: these panic, or wait for
/// ever, where the system gives none (`ulimit -u`, a container's limit of processes).
pub fn check_threads(work: usize) -> Result<(), Fatal> {
    /// Signals, progress, dashboard, what is compiled and cached, ticks, connections.
    const OTHERS: usize = 8;
    const STACK: usize = 64 << 10;
    let most = work.saturating_mul(2).saturating_add(usize::try_from(cores()).unwrap_or(1)).saturating_add(OTHERS);
    let gate = Mutex::new(());
    let refused = std::thread::scope(|scope| {
        // All threads wait here until the last has started, so that all exist at once.
        let _closed = gate.lock();
        let begin = || std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || drop(gate.lock()));
        (0..most).find_map(|_| begin().err())
    });
    refused.map_or(Ok(()), |e| {
        let text = format!("the system gives no {most} threads, which {work} for tiles need: {e}; use fewer, or raise its limit (ulimit -u)");
        Err(Fatal::infrastructure(text))
    })
}

/// The environment's default for the number of threads.
const THREADS: &str = "TILEFN_THREADS";
/// As many as `workers.threads` of a job may be.
const MOST: u32 = 1024;

/// Compute threads, or worker processes, when nobody says how many: the environment's, or as many as there are processors.
pub fn default_threads() -> Result<u32, Fatal> {
    let Some(text) = std::env::var_os(THREADS).filter(|text| !text.is_empty()) else { return Ok(cores()) };
    let number = text.to_str().and_then(|text| text.parse().ok()).filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| {
        Fatal::usage(format!("{THREADS} is {text:?}; expected a number of threads from 1 to {MOST}, or leave it unset"))
    })
}

/// The number of processors.
fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}
