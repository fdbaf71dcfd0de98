//! A module compiled for a worker's tiles, perhaps before the worker knows its task.

use super::runner::KEPT_MEMORY;
use super::task::Task;
use crate::sandbox::{Error, Limits, Module, Sandbox};
use std::path::PathBuf;
use tokio::task::{JoinHandle, spawn_blocking};

/// A module that can be compiled before the controller sends the task.
pub struct Expected {
    /// Its bytes.
    pub module: Vec<u8>,
    /// What its function may use.
    pub limits: Limits,
}

/// A module on its way to be compiled, beside the connection.
pub(super) type Compiling = JoinHandle<Result<Compiled, Error>>;

/// A compiled module.
pub(super) struct Compiled {
    /// Where it's at home.
    pub sandbox: Sandbox,
    /// The module.
    pub module: Module,
    limits: Limits,
}

impl Compiled {
    /// Compiles a module to run so many tiles at a time.
    pub fn begin(Expected { module, limits }: Expected, threads: usize, cache: Option<PathBuf>) -> Compiling {
        // Results keep their instance until they have been sent.
        let instances = threads.saturating_mul(2).saturating_add(2);
        spawn_blocking(move || {
            let sandbox = Sandbox::with_cache(&limits, instances, KEPT_MEMORY, cache.as_deref())?;
            let module = sandbox.compile(&module)?;
            Ok(Self { sandbox, module, limits })
        })
    }

    /// Whether it's what the task is to be done with.
    pub fn suits(&self, task: &Task) -> bool {
        self.module.sha256() == task.module_sha256 && self.limits == task.limits
    }
}
