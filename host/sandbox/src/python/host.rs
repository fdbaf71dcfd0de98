//! What the Python runtime may call: the messages of the package `tilefn`, its files, and otherwise the same WASI as any module.
//!
//! Two folders are all the files there are, both read-only: the standard library, and what the job includes. `wasmtime-wasi`
//! serves them, since the paths of an enemy need care; [`files`] makes them the same everywhere. Every other call goes to the sandbox's own table (`wasi`), in which
//! nothing else exists.

use std::path::Path;
use std::sync::Arc;

use wasmtime::{Caller, Linker, TypedFunc};
use wasmtime_wasi::p1;

use super::files::{self, Files};
use crate::error::Result;
use crate::host::{Host, Stop, enter, memory_and_host, slice, spend};
use crate::text::sanitise;
use crate::wasi;

/// Where the guest sees the standard library, and the job's files.
const LIBRARY: &str = "/usr/local/lib";
pub(crate) const FUNCTION: &str = "/function";

/// Name of the import beside WASI.
const CALL: (&str, &str) = ("host", "call");
/// The runtime's own allocator.
pub(crate) const ALLOC: &str = "host_alloc";

/// What is kept for an instance of the Python runtime.
pub(crate) struct PythonState {
    /// The function's bundle.
    pub bundle: Arc<Vec<u8>>,
    /// The files that it sees, and those of them that it has open.
    pub(super) files: Files,
    /// What the running call has sent: where its result is, the descriptions, and why there is none.
    pub outcome: Option<u32>,
    pub descriptions: Option<Vec<u8>>,
    pub failure: Option<String>,
    /// Bytes of memory that were refused.
    pub refused: Option<u64>,
}

impl PythonState {
    /// The state of a new instance, which sees these two folders.
    pub fn new(bundle: Arc<Vec<u8>>, library: &Path, function: &Path) -> Result<Self> {
        Ok(Self::of(bundle, Files::of([(library, LIBRARY), (function, FUNCTION)])?))
    }

    fn of(bundle: Arc<Vec<u8>>, files: Files) -> Self {
        Self { bundle, files, outcome: None, descriptions: None, failure: None, refused: None }
    }
}

/// Defines all that the runtime imports.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    p1::add_to_linker_sync(linker, |host: &mut Host| {
        // A module's instance has no such state, and isn't linked with this.
        let python = host.python.get_or_insert_with(|| Box::new(PythonState::of(Arc::default(), Files::none())));
        &mut python.files.wasi
    })?;
    linker.allow_shadowing(true);
    wasi::add_to_linker(linker, wasi::Files::Elsewhere)?;
    files::add_to_linker(linker)?;
    linker.func_wrap(CALL.0, CALL.1, call)?;
    Ok(())
}

/// `_host.call(request) -> reply`.
fn call(
    mut caller: Caller<'_, Host>,
    request: u32,
    len: u32,
    reply_at: u32,
    reply_len_at: u32,
) -> wasmtime::Result<i32> {
    enter(&mut caller)?;
    let (memory, host) = memory_and_host(&mut caller)?;
    let outside = || Stop::Abi(format!("a message outside its memory (pointer {request}, {len} bytes)"));
    let message = slice(memory, request, len).ok_or_else(outside)?;
    let reply = host.message(message)?;
    spend(&mut caller, len.into())?;
    let (start, len) = match &reply {
        None => (0, 0),
        Some(reply) => {
            let len = u32::try_from(reply.len()).map_err(|_| Stop::Abi("the bundle is too long".to_owned()))?;
            let alloc = caller.get_export(ALLOC).and_then(wasmtime::Extern::into_func);
            let alloc = alloc.ok_or_else(|| Stop::Abi(format!("it exports no `{ALLOC}`")))?;
            let alloc: TypedFunc<u32, u32> = alloc.typed(&caller)?;
            let start = alloc.call(&mut caller, len)?;
            put(&mut caller, start, reply)?;
            (start, len)
        }
    };
    put(&mut caller, reply_at, &start.to_le_bytes())?;
    put(&mut caller, reply_len_at, &len.to_le_bytes())?;
    Ok(0)
}

fn put(caller: &mut Caller<'_, Host>, start: u32, bytes: &[u8]) -> Result<(), Stop> {
    let (memory, _) = memory_and_host(caller)?;
    let place = usize::try_from(start).ok().and_then(|at| memory.get_mut(at..)?.get_mut(..bytes.len()));
    let place = place.ok_or_else(|| Stop::Abi(format!("it wants a reply outside its memory (pointer {start})")))?;
    place.copy_from_slice(bytes);
    Ok(())
}

impl Host {
    /// Takes a message of the package `tilefn`, and returns what is to be answered.
    fn message(&mut self, message: &[u8]) -> Result<Option<Arc<Vec<u8>>>, Stop> {
        let Some(python) = &mut self.python else { return Ok(None) };
        let (kind, text) = message.split_first().ok_or_else(|| Stop::Abi("an empty message".to_owned()))?;
        match kind {
            b'B' => return Ok(Some(Arc::clone(&python.bundle))),
            b'D' => {
                // The descriptions together are bounded as those of a module's functions.
                let most = self.limits.describe_bytes.saturating_mul(8);
                if text.len() > most {
                    return Err(Stop::Abi(format!("its descriptions have {} bytes, the limit is {most}", text.len())));
                }
                python.descriptions = Some(text.to_vec());
            }
            b'O' => {
                let pointer =
                    <[u8; 4]>::try_from(text).map_err(|_| Stop::Abi("an outcome without address".to_owned()))?;
                python.outcome = Some(u32::from_le_bytes(pointer));
            }
            b'L' => self.log.push(false, text),
            b'W' => self.log.push(true, text),
            b'E' | b'M' => {
                python.failure = Some(lines(text, self.limits.message_bytes));
            }
            kind => return Err(Stop::Abi(format!("a message of the unknown kind {kind}"))),
        }
        Ok(None)
    }
}

/// A message with its lines: a traceback has many. All but the first are indented, so that none looks like tilefn's own.
fn lines(text: &[u8], limit: usize) -> String {
    let kept = text.get(..limit).unwrap_or(text);
    let mut lines: Vec<_> =
        kept.trim_ascii_end().split(|byte| *byte == b'\n').map(|line| sanitise(line, limit)).collect();
    for line in lines.iter_mut().skip(1).filter(|line| !line.is_empty() && !line.starts_with("  ")) {
        line.insert_str(0, "  ");
    }
    let cut = if kept.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_of_a_message_are_indented_and_harmless() {
        let text = b"ValueError: x\nerror: out.tif written\n\n  File \"f.py\", line 3\n    raise\n y\r\x1b[2J\n";
        let expected =
            "ValueError: x\n  error: out.tif written\n\n  File \"f.py\", line 3\n    raise\n   y\\r\\u{1b}[2J";
        assert_eq!(lines(text, 1000), expected);
        assert_eq!(lines(b"a\nbcdef", 3), "a\n  b\u{2026}");
    }
}
