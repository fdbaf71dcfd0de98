//! A function of a module: starts instances, and joins and finishes accumulated states.

use std::sync::Arc;

use tilefn_abi::{FINISH_PREFIX, MERGE_PREFIX};

use super::description::Description;
use super::error::{Error, Result};
use super::guest_range::GuestRange;
use super::instance::Instance;
use super::module::{Inner, Module};
use super::running::Running;
use types::LogLine;

/// Bytes of JSON that `finish` may make: read, it takes up to eighty times as much memory.
const MAX_JSON: u64 = 4 << 20;
/// Bytes in inputs until they are filled, in debug builds: nobody takes them for pixels.
const UNFILLED: u8 = 0xa5;

/// A function, ready to run from any number of threads. Cheap to clone.
#[derive(Clone)]
pub struct Function {
    module: Arc<Inner>,
    description: Arc<Description>,
}

/// A result of `merge` or `finish`, and what the function logged on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduced<T> {
    /// The joined state, or the finished value.
    pub value: T,
    /// Log lines.
    pub log: Vec<LogLine>,
}

impl Module {
    /// The function with this name.
    ///
    /// # Errors
    /// [`Error::UnknownFunction`], with the names there are.
    pub fn function(&self, name: &str) -> Result<Function> {
        match self.inner.compiled.functions.iter().find(|f| f.name == name) {
            Some(description) => Ok(Function { module: Arc::clone(&self.inner), description: Arc::clone(description) }),
            None => Err(Error::UnknownFunction {
                name: name.to_owned(),
                available: self.inner.compiled.functions.iter().map(|f| f.name.clone()).collect(),
            }),
        }
    }
}

impl Function {
    /// The function's description of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// A fresh instance.
    ///
    /// # Errors
    /// All that running code can do: a module may run some before it is asked to. [`Error::Engine`] when there are more
    /// instances at a time than the sandbox was made for.
    pub fn instance(&self) -> Result<Instance> {
        Ok(Instance::new(Arc::clone(&self.description), self.start()?))
    }

    /// A fresh instance with memory for inputs of these lengths, each at a multiple of `align`, a power of two. The caller
    /// fills them, completely, before it runs the function; debug builds put garbage there, so that a gap shows.
    ///
    /// # Errors
    /// As [`instance`](Self::instance) and [`Instance::alloc`].
    pub fn instance_for(&self, lens: &[usize], align: usize) -> Result<(Instance, Vec<GuestRange>)> {
        let mut running = self.start()?;
        let inputs = running.alloc_all(lens, align)?;
        if cfg!(debug_assertions) {
            for input in &inputs {
                running.memory_mut().get_mut(input.bounds()).into_iter().for_each(|input| input.fill(UNFILLED));
            }
        }
        Ok((Instance::new(Arc::clone(&self.description), running), inputs))
    }

    /// Joins the states of two parts of the grid, `a` from the earlier tiles.
    ///
    /// # Errors
    /// [`Error::Guest`] when the function reports an error, and all that running code can do.
    pub fn merge(&self, a: &[u8], b: &[u8]) -> Result<Reduced<Vec<u8>>> {
        self.reduce(MERGE_PREFIX, "the state", |running, name| {
            let (a, b) = (running.put(a)?, running.put(b)?);
            running.merge(name, a, b)
        })
    }

    /// Turns the state of the whole grid into the reduced result.
    ///
    /// # Errors
    /// [`Error::Guest`] when the function reports an error, [`Error::AbiViolation`] when what it returns isn't JSON,
    /// [`Error::TooBig`] for more than 4 MiB of it, unless it is one text, and all that running code can do.
    pub fn finish(&self, state: &[u8]) -> Result<Reduced<serde_json::Value>> {
        let Reduced { value, log } = self.reduce(FINISH_PREFIX, "the result", |running, name| {
            let state = running.put(state)?;
            running.finish(name, state)
        })?;
        // One text, such as a table, takes no more memory than its bytes: it may be as long as a state.
        if value.len() as u64 > MAX_JSON && value.first() != Some(&b'"') {
            let what = format!("the result of `{}`", self.entry(FINISH_PREFIX));
            return Err(Error::TooBig { what, bytes: value.len() as u64, limit: MAX_JSON });
        }
        match serde_json::from_slice(&value) {
            Ok(value) => Ok(Reduced { value, log }),
            Err(error) => Err(Error::violation(&self.entry(FINISH_PREFIX), format!("its result isn't JSON: {error}"))),
        }
    }

    fn reduce(
        &self,
        prefix: &str,
        what: &str,
        call: impl FnOnce(&mut Running, &str) -> Result<u32> + Send,
    ) -> Result<Reduced<Vec<u8>>> {
        let entry = self.entry(prefix);
        if !self.description().reduce {
            return Err(Error::Engine(format!("there is no `{entry}`: the function doesn't accumulate")));
        }
        self.module.compiled.program.kind.on_its_stack(|| {
            let mut running = self.start()?;
            let pointer = call(&mut running, &self.description.name)?;
            let value = running.reader(&entry).state(what, pointer)?.to_vec();
            Ok(Reduced { value, log: running.take_log() })
        })
    }

    fn start(&self) -> Result<Running> {
        let sandbox = &self.module.sandbox;
        Running::start(sandbox, &self.module.compiled.program, sandbox.limits.time)
    }

    fn entry(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.description().name)
    }
}
