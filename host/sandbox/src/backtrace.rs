//! Where in a module's code something happened, as text for its author.

use std::fmt;

use super::debug_info::{DebugInfo, SourceCall};
use super::text::{function_name, sanitise};

/// Longest function or file name shown, in bytes: both come from the module.
const NAME_BYTES: usize = 300;
/// Most lines shown, calls that were inlined included.
const MAX_FRAMES: usize = 40;

/// The calls that were active, innermost first. Empty when nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestBacktrace {
    frames: Vec<Frame>,
}

/// One call. Names and places are there when the module still has its name section and debug information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's name, demangled; `<wasm function 7>` without names.
    pub function: String,
    /// `file:line:column`.
    pub place: Option<String>,
}

impl GuestBacktrace {
    /// The calls, innermost first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The backtrace that wasmtime attached to an error, if it did.
    pub(super) fn of(error: &wasmtime::Error, debug_info: &DebugInfo) -> Self {
        let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else {
            return Self::default();
        };
        let infos = backtrace.frames();
        let offsets: Vec<_> = infos.iter().map(wasmtime::FrameInfo::module_offset).collect();
        let frames = infos.iter().zip(debug_info.calls(&offsets)).flat_map(|(info, calls)| frames_of(info, calls));
        let mut frames: Vec<_> = frames.take(MAX_FRAMES).collect();
        // Rust's own way from a panic to the trap says nothing about the function.
        let panic = frames.iter().rposition(|frame| frame.function.starts_with("core::panicking::"));
        frames.drain(..panic.map_or(0, |last| last.saturating_add(1)));
        Self { frames }
    }
}

/// A frame and the calls inlined in it; only debug information knows the latter.
fn frames_of(info: &wasmtime::FrameInfo, calls: Vec<SourceCall>) -> Vec<Frame> {
    let fallback = || match info.func_name() {
        Some(name) => function_name(name),
        None => format!("<wasm function {}>", info.func_index()),
    };
    if calls.is_empty() {
        return vec![Frame { function: fallback(), place: None }];
    }
    let frame = |call: SourceCall| Frame {
        function: call.function.as_deref().map_or_else(fallback, function_name),
        place: call.file.as_deref().map(|file| place(file, call.line, call.column)),
    };
    calls.into_iter().map(frame).collect()
}

fn place(file: &str, line: Option<u64>, column: Option<u64>) -> String {
    let mut place = sanitise(file.as_bytes(), NAME_BYTES);
    for number in [line, column].into_iter().map_while(|n| n) {
        place.push_str(&format!(":{number}"));
    }
    place
}

impl fmt::Display for GuestBacktrace {
    /// One line for each call, each with a line end before it; the same call several times in a row is one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for same in self.frames.chunk_by(|a, b| a == b) {
            let Some(Frame { function, place }) = same.first() else {
                continue;
            };
            write!(f, "\n  at {function}")?;
            if let Some(place) = place {
                write!(f, " ({place})")?;
            }
            if same.len() > 1 {
                write!(f, ", {} times", same.len())?;
            }
        }
        Ok(())
    }
}
