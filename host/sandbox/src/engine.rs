//! The sandbox: one wasmtime engine, configured for one job's tiles.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails, WasmFeatures};

use super::cache;
use super::error::{Error, Result};
use super::limits::Limits;

/// Interval at which running code checks whether it may go on.
const TICK: Duration = Duration::from_millis(10);
/// Instances beside those of the compute threads: a description, a merge, a finish, and one that is being written out.
const SPARE_INSTANCES: u32 = 4;

/// Parts of WebAssembly that a module can't use.
pub(super) const REFUSED_FEATURES: WasmFeatures = WasmFeatures::RELAXED_SIMD
    .union(WasmFeatures::THREADS)
    .union(WasmFeatures::SHARED_EVERYTHING_THREADS)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::CUSTOM_PAGE_SIZES)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::STACK_SWITCHING);

/// Compiles modules and runs them under limits. Ends with its last module, function and instance.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) engine: Engine,
    pub(super) limits: Arc<Limits>,
    pub(super) interrupt: Interrupt,
    warnings: Vec<String>,
}

/// Stops everything that runs in a sandbox, for good: at the next tick (10 ms) all calls end with
/// [`Error::Interrupted`].
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Stops all calls, running and future ones. May be called from any thread.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`stop`](Self::stop) was called.
    pub(super) fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Sandbox {
    /// A sandbox for `concurrency` tiles at a time (and four instances more, for merges and the like), each with about `tile_bytes` of pixels in its memory. That much
    /// memory is kept between tiles and cleared, which is many times faster than to fetch it from the system again.
    ///
    /// # Errors
    /// [`Error::Engine`] when this machine can't run WebAssembly.
    pub fn new(limits: &Limits, concurrency: usize, tile_bytes: u64) -> Result<Self> {
        Self::with_cache(limits, concurrency, tile_bytes, None)
    }

    /// As [`new`](Self::new), with a directory for compiled modules ([`user_cache_dir`](super::user_cache_dir)): a
    /// module that this machine has compiled before is ready in a millisecond instead of some hundred.
    ///
    /// # Errors
    /// [`Error::Engine`] when this machine can't run WebAssembly. A directory that can't be used is a warning.
    pub fn with_cache(limits: &Limits, concurrency: usize, tile_bytes: u64, cache: Option<&Path>) -> Result<Self> {
        let limits = Arc::new(limits.clone());
        let mut warnings = Vec::new();
        let mut config = config(&limits);
        if let Some(dir) = cache {
            match cache::open(dir) {
                Ok(cache) => _ = config.cache(Some(cache)),
                Err(reason) => {
                    warnings.push(format!("compiled modules aren't kept in {}: {reason}", dir.display()));
                }
            }
        }
        let instances = u32::try_from(concurrency).unwrap_or(u32::MAX).saturating_add(SPARE_INSTANCES);
        let pooled = Engine::new(config.clone().allocation_strategy(pool(&limits, instances, tile_bytes)));
        let engine = match pooled {
            Ok(engine) => engine,
            Err(reason) => {
                warnings.push(format!(
                    "address space for {instances} function instances can't be reserved, so each tile's memory comes \
                     from the system anew, which is slower: {reason:#}"
                ));
                Engine::new(&config).map_err(engine_error)?
            }
        };
        start_ticks(&engine)?;
        Ok(Self { engine, limits, interrupt: Interrupt::default(), warnings })
    }

    /// A handle that stops whatever runs in this sandbox.
    pub fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Warnings for the user: reasons why something will be slower than it should.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

pub(super) fn engine_error(error: wasmtime::Error) -> Error {
    Error::Engine(format!("{error:#}"))
}

/// The configuration for all modules: plain WebAssembly 2 with SIMD, the same on every processor, and interruptible.
/// Traps by signals and guard pages stay as they are by default: explicit bounds checks cost up to 1.8 times the time.
fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .consume_fuel(limits.fuel.is_some())
        .max_wasm_stack(limits.stack)
        // Set because the default asks an environment variable. Debug information is looked into here (`debug_info`).
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // A Rust panic alone takes twelve frames.
        .wasm_backtrace_max_frames(NonZeroUsize::new(40))
        // Relaxed SIMD's results differ between processors; nothing needs the others, and off they can't be attacked.
        .wasm_features(REFUSED_FEATURES, false)
        .gc_support(false)
        // NaN bits: canonicalised in outputs, which is far cheaper than after every operation.
        .cranelift_nan_canonicalization(false);
    config
}

/// Memory slots that are reused from tile to tile.
fn pool(limits: &Limits, instances: u32, tile_bytes: u64) -> PoolingAllocationConfig {
    // On a 64-bit machine nothing is cut here.
    let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(instances)
        .total_memories(instances)
        .total_tables(instances)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(limits.table_elements)
        .linear_memory_keep_resident(bytes(tile_bytes.min(limits.memory)))
        // Never: the kernel doesn't count a page as written while it is in swap or being moved, and what a tile left there
        // would survive (docs/decisions/0022).
        .pagemap_scan(Enabled::No)
        .table_keep_resident(64 << 10);
    pool
}

/// Starts the clock that running code is interrupted by; it stops when the engine is gone.
pub(super) fn start_ticks(engine: &Engine) -> Result<()> {
    let engine = engine.weak();
    let ticks = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    match std::thread::Builder::new().name("tilefn-ticks".to_owned()).spawn(ticks) {
        Ok(_) => Ok(()),
        Err(reason) => Err(Error::Engine(format!("can't start a thread: {reason}"))),
    }
}
