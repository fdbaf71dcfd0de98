//! Takes a snapshot of the interpreter after its imports, as a new module that begins where the old one had come to.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use sandbox::python::{GlobalValue, Preload};
use wasm_encoder::{Module, RawSection, SectionId};
use wasmparser::{Parser, ValType};
use wasmtime_wizer::{InstanceState, SnapshotVal, Wizer};

use super::Error;

/// Starts the interpreter, has it import what functions use, and returns the module that begins there.
pub fn take(interpreter: &[u8], library: &Path, function: &Path) -> Result<Vec<u8>, Error> {
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument(interpreter).map_err(failed)?;
    let preloaded = on_a_deep_stack(|| {
        let mut preload = Preload::start(&instrumented, library, function)?;
        preload.preload()?;
        Ok(preload)
    })?;
    drop(instrumented);
    let snapshot = ready(wizer.snapshot(&context, &mut State(preloaded)));
    let snapshot = snapshot.ok_or_else(|| Error::Snapshot("it waits for something".to_owned()))?.map_err(failed)?;
    Ok(lean(&snapshot))
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Snapshot(format!("{error:#}"))
}

/// The interpreter needs more stack than a program's first thread may have.
fn on_a_deep_stack<T: Send>(run: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    const STACK: usize = 32 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("python".to_owned()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, run).map_err(|e| Error::Io("can't start a thread".to_owned(), e))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The interpreter's state, as the crate asks for it.
struct State(Preload);

impl InstanceState for State {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        match self.0.global(name) {
            Some(GlobalValue::I32(value)) => SnapshotVal::I32(value),
            Some(GlobalValue::I64(value)) => SnapshotVal::I64(value),
            Some(GlobalValue::F32(bits)) => SnapshotVal::F32(bits),
            Some(GlobalValue::F64(bits)) => SnapshotVal::F64(bits),
            Some(GlobalValue::V128(bits)) => SnapshotVal::V128(bits),
            // The crate has added the export itself, and has refused other types.
            None => SnapshotVal::I32(0),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        contents(self.0.memory(name).unwrap_or_default());
    }
}

/// The result of what never waits.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The module without names and other custom sections, which nobody reads.
fn lean(wasm: &[u8]) -> Vec<u8> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        let Some((id, range)) = payload.as_section() else { continue };
        if id != u8::from(SectionId::Custom) {
            module.section(&RawSection { id, data: wasm.get(range).unwrap_or_default() });
        }
    }
    module.finish()
}
