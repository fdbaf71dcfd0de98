//! The engines for the Python runtime. Not the one for modules: CPython needs exceptions, which a job's module doesn't get.

use wasmtime::{Collector, Config, Engine, OptLevel, RegallocAlgorithm, WasmFeatures};

use crate::engine::{REFUSED_FEATURES, engine_error, start_ticks};
use crate::error::Result;

/// Stack of the machine code, bytes: CPython's own limit on recursion comes before this one.
pub(crate) const STACK: usize = 8 << 20;

/// The configuration that the runtime is compiled with and runs with; it must be the same.
fn config() -> Result<Config> {
    let mut config = Config::new();
    level(&mut config).map_err(engine_error)?;
    config
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .max_wasm_stack(STACK)
        // Not used, but it must be more than the other.
        .async_stack_size(STACK.saturating_mul(2))
        // The snapshot's memory is mapped copy-on-write, however many zeros are in it.
        .memory_guaranteed_dense_image_size(1 << 30)
        .wasm_features(REFUSED_FEATURES, false)
        .wasm_features(WasmFeatures::EXCEPTIONS, true)
        .gc_support(true)
        // Exceptions are counted and freed: a loop that throws for ever needs no more memory.
        .collector(Collector::DeferredReferenceCounting)
        // Python's traceback says where; what these are for doubles the size.
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None);
    Ok(config)
}

/// Compiles for the processors of the last ten years, and not for this very one, so that an image runs on any. On an older
/// one, for that.
#[cfg(target_arch = "x86_64")]
fn level(config: &mut Config) -> wasmtime::Result<()> {
    /// What makes x86-64-v3, in the compiler's words.
    const V3: [&str; 12] = [
        "has_sse3",
        "has_ssse3",
        "has_sse41",
        "has_sse42",
        "has_cmpxchg16b",
        "has_popcnt",
        "has_avx",
        "has_avx2",
        "has_fma",
        "has_bmi1",
        "has_bmi2",
        "has_lzcnt",
    ];
    if compiles_for_others() {
        config.target("x86_64-unknown-linux-gnu")?;
        for flag in V3 {
            enable(config, flag);
        }
    }
    Ok(())
}

/// Whether what is compiled here is what other machines of this kind look for: not on a processor of more than ten years, or one
/// that looks like it, as some emulators' do.
#[cfg(target_arch = "x86_64")]
pub(super) fn compiles_for_others() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("cmpxchg16b")
}

#[cfg(target_arch = "aarch64")]
pub(super) fn compiles_for_others() -> bool {
    true
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the compiler's own flags")]
fn enable(config: &mut Config, flag: &str) {
    // SAFETY: the flags say which instructions there are; the engine refuses those that this processor doesn't have.
    unsafe { config.cranelift_flag_enable(flag) };
}

#[cfg(target_arch = "aarch64")]
fn level(config: &mut Config) -> wasmtime::Result<()> {
    config.target("aarch64-unknown-linux-gnu").map(|_| ())
}

/// The engine that runs Python functions; its clock ticks.
pub(super) fn engine() -> Result<Engine> {
    let engine = Engine::new(&config()?).map_err(engine_error)?;
    start_ticks(&engine)?;
    Ok(engine)
}

/// The engine that compiles the runtime.
pub(super) fn compiler() -> Result<Engine> {
    Engine::new(&config()?).map_err(engine_error)
}

/// An engine for a module that runs once, which is compiled in the shortest time.
pub(super) fn throw_away() -> Result<Engine> {
    let mut config = config()?;
    config.cranelift_opt_level(OptLevel::None).cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    config.epoch_interruption(false);
    Engine::new(&config).map_err(engine_error)
}
