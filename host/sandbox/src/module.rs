//! A function of any kind, ready to be run: its functions are known.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tilefn_abi::VERSION;

use super::bundle;
use super::description::Description;
use super::engine::Sandbox;
use super::error::{Error, Result};
use super::kinds;
use super::running::Program;
use super::text::sanitise;

/// Longest import or export name shown, in bytes.
const NAME_BYTES: usize = 200;

/// A module whose functions can be run. Cheap to clone.
#[derive(Clone)]
pub struct Module {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub sandbox: Sandbox,
    pub compiled: Compiled,
    size: usize,
    sha256: String,
}

/// What a kind of function makes of its bytes.
pub(super) struct Compiled {
    pub program: Arc<Program>,
    pub functions: Vec<Arc<Description>>,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// What a Python program was warned of while it was read.
    pub warnings: Vec<String>,
}

impl Sandbox {
    /// Compiles a module, or makes a Python function's bundle ready, and asks it for its functions; nothing of a module runs before its ABI
    /// version, imports and exports are checked.
    ///
    /// # Errors
    /// Whatever is wrong with the module; [`Error::TooBig`] and [`Error::CompileTime`] for the limits.
    pub fn compile(&self, wasm: &[u8]) -> Result<Module> {
        Module::compile(self, wasm)
    }
}

impl Module {
    fn compile(sandbox: &Sandbox, wasm: &[u8]) -> Result<Self> {
        let limits = &sandbox.limits;
        if wasm.len() > limits.module_bytes {
            let (bytes, limit) = (wasm.len() as u64, limits.module_bytes as u64);
            return Err(Error::TooBig { what: "the module".to_owned(), bytes, limit });
        }
        let compiled = if bundle::is_bundle(wasm) {
            kinds::compile_python(sandbox, wasm)?
        } else {
            kinds::compile_module(sandbox, wasm)?
        };
        let sha256 = hex::encode(Sha256::digest(wasm));
        Ok(Self { inner: Arc::new(Inner { sandbox: sandbox.clone(), compiled, size: wasm.len(), sha256 }) })
    }

    /// The descriptions of the module's functions, in the order of their exports.
    pub fn functions(&self) -> &[Arc<Description>] {
        &self.inner.compiled.functions
    }

    /// The ABI version it speaks.
    pub fn abi_version(&self) -> u32 {
        VERSION
    }

    /// Warnings for the user that came with the descriptions.
    pub fn warnings(&self) -> &[String] {
        &self.inner.compiled.warnings
    }

    /// What it imports, as `module.name`.
    pub fn imports(&self) -> &[String] {
        &self.inner.compiled.imports
    }

    /// The names of what it exports.
    pub fn exports(&self) -> &[String] {
        &self.inner.compiled.exports
    }

    /// Bytes of the `.wasm` file.
    pub fn size(&self) -> usize {
        self.inner.size
    }

    /// SHA-256 of the `.wasm` file, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.inner.sha256
    }
}

pub(super) fn shown(name: &str) -> String {
    sanitise(name.as_bytes(), NAME_BYTES)
}
