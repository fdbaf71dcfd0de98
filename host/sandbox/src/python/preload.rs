//! Runs the Python runtime once, before it is compiled for good, to have numpy and the package `tilefn` in its memory.

use std::path::Path;
use std::sync::Arc;

use wasmtime::{Instance, Linker, Module, Store, Val};

use super::engine;
use super::host::{ALLOC, PythonState, add_to_linker};
use super::sources::SOURCES;
use crate::engine::{Interrupt, engine_error};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::limits::Limits;

/// An instance whose memory becomes the snapshot. It is trusted: no limit holds for it.
pub struct Preload {
    store: Store<Host>,
    instance: Instance,
}

impl Preload {
    /// Starts the interpreter of `wasm`, which sees the two folders as it will in every tile.
    ///
    /// # Errors
    /// [`Error::Engine`] with what went wrong.
    pub fn start(wasm: &[u8], library: &Path, function: &Path) -> Result<Self> {
        let engine = engine::throw_away()?;
        let module = Module::from_binary(&engine, wasm).map_err(engine_error)?;
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker).map_err(engine_error)?;
        let mut host = Host::new(&Arc::new(Limits::default()), &Interrupt::default());
        host.python = Some(Box::new(PythonState::new(Arc::default(), library, function)?));
        let mut store = Store::new(&engine, host);
        let instance = linker.instantiate(&mut store, &module).map_err(engine_error)?;
        let mut this = Self { store, instance };
        for start in ["_initialize", "wizer.initialize"] {
            if this.instance.get_func(&mut this.store, start).is_some() {
                this.call::<(), ()>(start, ())?;
            }
        }
        Ok(this)
    }

    /// Imports what functions use, and the package `tilefn`.
    ///
    /// # Errors
    /// [`Error::Engine`] with Python's own words.
    pub fn preload(&mut self) -> Result<()> {
        let sources: serde_json::Map<_, _> =
            SOURCES.iter().map(|(name, source)| ((*name).to_owned(), serde_json::Value::from(*source))).collect();
        // JSON's texts are Python's too.
        let sources = serde_json::Value::from(sources);
        self.turn(&format!("import numpy, scipy.ndimage\n{MODELS}\n_sources = {sources}\n{IMPORT}"))
    }

    /// The value of an exported global; `None` if there is none, or of another type.
    pub fn global(&mut self, name: &str) -> Option<GlobalValue> {
        let global = self.instance.get_global(&mut self.store, name)?;
        match global.get(&mut self.store) {
            Val::I32(value) => Some(GlobalValue::I32(value)),
            Val::I64(value) => Some(GlobalValue::I64(value)),
            Val::F32(bits) => Some(GlobalValue::F32(bits)),
            Val::F64(bits) => Some(GlobalValue::F64(bits)),
            Val::V128(bits) => Some(GlobalValue::V128(bits.as_u128())),
            _ => None,
        }
    }

    /// The content of an exported memory.
    pub fn memory(&mut self, name: &str) -> Option<&[u8]> {
        Some(self.instance.get_memory(&mut self.store, name)?.data(&self.store))
    }

    fn turn(&mut self, source: &str) -> Result<()> {
        let len = u32::try_from(source.len()).map_err(|e| Error::Engine(e.to_string()))?;
        let at: u32 = self.call(ALLOC, len)?;
        let memory = self.instance.get_memory(&mut self.store, "memory");
        let written = memory.map(|memory| memory.write(&mut self.store, at as usize, source.as_bytes()));
        written
            .ok_or_else(|| Error::Engine("the runtime has no memory".to_owned()))?
            .map_err(|e| engine_error(e.into()))?;
        let status: u32 = self.call("turn", (at, len))?;
        let log = self.store.data_mut().log.take();
        if status == 0 {
            return Ok(());
        }
        let log: Vec<_> = log.into_iter().map(|line| line.text).collect();
        Err(Error::Engine(format!("the Python runtime can't be prepared: {}", log.join("\n"))))
    }

    fn call<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(&mut self, name: &str, params: P) -> Result<R> {
        let function = self.instance.get_typed_func::<P, R>(&mut self.store, name).map_err(engine_error)?;
        function.call(&mut self.store, params).map_err(engine_error)
    }
}

/// A global's value; of floats, the bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalValue {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128(u128),
}

/// Imports what fitted models are of, which would cost each tile seconds. A model of another version is refused: what it predicts may be
/// anything.
pub(super) const MODELS: &str = "
import warnings
import pandas, sklearn.cluster, sklearn.decomposition, sklearn.discriminant_analysis, sklearn.ensemble, sklearn.linear_model
import sklearn.mixture, sklearn.naive_bayes, sklearn.neighbors, sklearn.neural_network, sklearn.pipeline
import sklearn.preprocessing, sklearn.svm, sklearn.tree
from sklearn.exceptions import InconsistentVersionWarning
warnings.simplefilter('error', InconsistentVersionWarning)
# scikit-learn tells OpenMP something, which isn't there.
import os
os.environ.clear()
";

/// Imports the package `tilefn` from the table `_sources`, with lines that tracebacks can show.
pub(super) const IMPORT: &str = r#"
import importlib.util, linecache, sys

class _Sources:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in _sources:
            file = name.replace(".", "/") + ("/__init__.py" if name == "tilefn" else ".py")
            return importlib.util.spec_from_loader(name, _Sources, origin=file, is_package=name == "tilefn")

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        source, file = _sources[module.__name__], module.__spec__.origin
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)

sys.meta_path.insert(0, _Sources)
import tilefn._shim as _tilefn
_tilefn.prepare()
"#;
