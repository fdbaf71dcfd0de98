//! A module's debug information: from places in its code to lines of its source.

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian};

use super::parts::custom_section;

/// Kept as it is in the module; looked into after an error only.
#[derive(Debug, Default)]
pub(super) struct DebugInfo {
    sections: Vec<u8>,
    code_start: usize,
}

/// Finds lines.
pub(super) struct Lines<'a> {
    context: Context<EndianSlice<'a, LittleEndian>>,
    code_start: usize,
}

/// A call, perhaps an inlined one, as far as it is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SourceCall {
    /// The function's name, mangled.
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub column: Option<u32>,
}

impl DebugInfo {
    /// The sections that hold it, and where the content of the code section begins in the compiled module.
    pub fn new(sections: Vec<u8>, code_start: usize) -> Self {
        Self { sections, code_start }
    }

    /// The lines, if the module has them.
    pub fn lines(&self) -> Option<Lines<'_>> {
        let section = |id: addr2line::gimli::SectionId| {
            let bytes = custom_section(&self.sections, id.name()).unwrap_or_default();
            Ok::<_, addr2line::gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        };
        let context = Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
        Some(Lines { context, code_start: self.code_start })
    }
}

impl Lines<'_> {
    /// The calls at an offset in the compiled module, innermost first: a function, and those it was inlined in.
    pub fn calls(&self, offset: usize) -> Vec<SourceCall> {
        let mut calls = Vec::new();
        let Some(probe) = offset.checked_sub(self.code_start) else { return calls };
        let Ok(mut frames) = self.context.find_frames(probe as u64).skip_all_loads() else { return calls };
        while let Ok(Some(frame)) = frames.next() {
            let location = frame.location.as_ref();
            calls.push(SourceCall {
                function: frame.function.as_ref().and_then(|name| name.raw_name().ok()).map(Into::into),
                file: location.and_then(|location| location.file).map(Into::into),
                line: location.and_then(|location| location.line),
                column: location.and_then(|location| location.column),
            });
        }
        calls
    }
}
