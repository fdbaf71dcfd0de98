//! A module's binary taken apart: what the compiler gets of it, and the debug information, which is only for errors.

use std::ops::Range;

use tilefn_abi::MEMORY_USED_EXPORT;
use wasm_encoder::{Encode, MemorySection, MemoryType, RawSection, Section as _};
use wasmparser::{BinaryReader, ExportSectionReader, FromReader};

use super::changes::{self, Changes};

/// Bytes of a page of a module's memory.
const PAGE: u64 = 64 << 10;
/// Bytes before the first section.
const HEADER: usize = 8;
/// What the names of the sections with debug information begin with.
const DEBUG_PREFIX: &str = ".debug_";

/// What the names of the exports begin with by which the host sets a module's globals, followed by the global's number.
pub(super) const GLOBAL_PREFIX: &str = "tilefn: global ";
/// The kind of an export that is a global, in the binary format.
const GLOBAL: u8 = 3;

/// Numbers of sections in the binary format.
const CUSTOM: u8 = 0;
const MEMORY: u8 = 5;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

/// A module in two parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// The module without debug information: nine tenths of a module from Rust, which would be compiled, cached and loaded with it.
    pub lean: Vec<u8>,
    /// Where the content of the code section lies in `lean`; debug information counts from there.
    pub code_start: usize,
    /// The sections with debug information, one after the other.
    pub debug: Vec<u8>,
    /// What its code can change, if that can be put back; the globals are exported then.
    pub changes: Option<Changes>,
}

/// Room in a module's memory from the start. Memory that grows has its protection changed for each tile, which costs half
/// a millisecond for a few megabytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bytes more than the module asks for.
    pub bytes: u64,
    /// Bytes of memory that a module may have at most.
    pub limit: u64,
}

/// Takes a module apart, gives its memory room if it says that it uses it, and exports its globals. `None` for what isn't a module; the compiler says why.
pub(super) fn take_apart(wasm: &[u8], room: Room) -> Option<Parts> {
    let (mut uses_room, mut changes) = (false, None);
    for section in sections(wasm, HEADER) {
        let section = section?;
        if section.id == EXPORTS {
            let names: Vec<_> = export_names(section.content).collect();
            uses_room = names.contains(&MEMORY_USED_EXPORT);
            changes = changes::of(wasm).filter(|_| !names.iter().any(|name| name.starts_with(GLOBAL_PREFIX)));
        }
    }
    let mut parts = Parts { lean: wasm.get(..HEADER)?.to_vec(), code_start: 0, debug: Vec::new(), changes };
    for section in sections(wasm, HEADER) {
        let section = section?;
        let bytes = wasm.get(section.range.clone())?;
        match section.id {
            CUSTOM if custom(section.content).is_some_and(|(name, _)| name.starts_with(DEBUG_PREFIX)) => {
                parts.debug.extend_from_slice(bytes);
            }
            MEMORY if uses_room => match with_room(section.content, room) {
                Some(memory) => MemorySection::new().memory(memory).append_to(&mut parts.lean),
                None => parts.lean.extend_from_slice(bytes),
            },
            EXPORTS if parts.changes.is_some() => {
                let globals = parts.changes.iter().flat_map(|changes| &changes.globals);
                let data = &with_globals(section.content, globals.copied().collect())?;
                RawSection { id: EXPORTS, data }.append_to(&mut parts.lean);
            }
            CODE => {
                let header = bytes.len().checked_sub(section.content.len())?;
                parts.code_start = parts.lean.len().checked_add(header)?;
                parts.lean.extend_from_slice(bytes);
            }
            _ => parts.lean.extend_from_slice(bytes),
        }
    }
    Some(parts)
}

/// The content of the custom section with this name, of sections without a header before them.
pub(super) fn custom_section<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut customs = sections(bytes, 0).map_while(|section| custom(section?.content));
    customs.find_map(|(found, data)| (found == name).then_some(data))
}

struct Section<'a> {
    id: u8,
    /// Its place, with what comes before the content.
    range: Range<usize>,
    content: &'a [u8],
}

/// The sections from `start` to the end; `None` where there should be one and isn't, and then no more.
fn sections(wasm: &[u8], start: usize) -> impl Iterator<Item = Option<Section<'_>>> {
    let mut reader = BinaryReader::new(wasm.get(start..).unwrap_or_default(), start);
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken || reader.eof() {
            return None;
        }
        let section = next_section(&mut reader);
        broken = section.is_none();
        Some(section)
    })
}

fn next_section<'a>(reader: &mut BinaryReader<'a>) -> Option<Section<'a>> {
    let start = reader.original_position();
    let id = reader.read_u8().ok()?;
    let len = reader.read_var_u32().ok()?;
    let content = reader.read_bytes(usize::try_from(len).ok()?).ok()?;
    Some(Section { id, range: start..reader.original_position(), content })
}

/// A custom section's name and data.
fn custom(content: &[u8]) -> Option<(&str, &[u8])> {
    let mut reader = BinaryReader::new(content, 0);
    let name = reader.read_string().ok()?;
    Some((name, content.get(reader.original_position()..)?))
}

fn export_names(content: &[u8]) -> impl Iterator<Item = &str> {
    let exports = ExportSectionReader::new(BinaryReader::new(content, 0)).into_iter().flatten();
    exports.flatten().map(|export| export.name)
}

/// The content of a section of exports, with these globals added.
fn with_globals(content: &[u8], globals: Vec<u32>) -> Option<Vec<u8>> {
    let mut reader = BinaryReader::new(content, 0);
    let count = reader.read_var_u32().ok()?.checked_add(u32::try_from(globals.len()).ok()?)?;
    let mut section = Vec::with_capacity(content.len());
    count.encode(&mut section);
    section.extend_from_slice(content.get(reader.original_position()..)?);
    for global in globals {
        format!("{GLOBAL_PREFIX}{global}").as_str().encode(&mut section);
        section.push(GLOBAL);
        global.encode(&mut section);
    }
    Some(section)
}

/// The section's memory with room; `None` if it can't have any.
fn with_room(content: &[u8], room: Room) -> Option<MemoryType> {
    let mut reader = BinaryReader::new(content, 0);
    if reader.read_var_u32().ok()? != 1 {
        return None;
    }
    let memory = wasmparser::MemoryType::from_reader(&mut reader).ok()?;
    if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
        return None;
    }
    let most = memory.maximum.unwrap_or(u64::MAX).min(room.limit / PAGE);
    let minimum = memory.initial.saturating_add(room.bytes / PAGE).min(most).max(memory.initial);
    Some(MemoryType { minimum, maximum: memory.maximum, memory64: false, shared: false, page_size_log2: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { bytes: 10 * PAGE, limit: 100 * PAGE };

    /// Pages that the module begins with after it was taken apart.
    fn pages(memory: &str, exports: &str, room: Room) -> u64 {
        let wasm = wat::parse_str(format!(r#"(module (memory (export "memory") {memory}) {exports})"#)).unwrap();
        let lean = take_apart(&wasm, room).unwrap().lean;
        wasmparser::validate(&lean).unwrap();
        let mut payloads = wasmparser::Parser::new(0).parse_all(&lean);
        payloads
            .find_map(|payload| match payload.unwrap() {
                wasmparser::Payload::MemorySection(memories) => {
                    Some(memories.into_iter().next().unwrap().unwrap().initial)
                }
                _ => None,
            })
            .unwrap()
    }

    const USES_IT: &str = r#"(func (export "tilefn_memory_used") (result i32) (i32.const 0))"#;

    #[test]
    fn room_within_all_limits_for_those_who_use_it() {
        assert_eq!(pages("3", "", ROOM), 3);
        assert_eq!(pages("3", USES_IT, ROOM), 13);
        assert_eq!(pages("3 7", USES_IT, ROOM), 7);
        assert_eq!(pages("3", USES_IT, Room { limit: 5 * PAGE + 1, ..ROOM }), 5);
        assert_eq!(pages("3", USES_IT, Room { limit: PAGE, ..ROOM }), 3);
        assert_eq!(pages("3", USES_IT, Room { bytes: 0, ..ROOM }), 3);
    }

    #[test]
    fn debug_information_goes_apart() {
        let wasm = wat::parse_str(
            r#"(module
                (@custom ".debug_line" "lines")
                (memory 1)
                (func $f (export "f"))
                (@custom ".debug_info" (after code) "info")
                (@custom "other" (after last) "kept"))"#,
        )
        .unwrap();
        let Parts { lean, code_start, debug, changes } = take_apart(&wasm, ROOM).unwrap();
        assert_eq!(changes, Some(Changes::default()));
        assert_eq!(lean.len() + debug.len(), wasm.len());
        assert_eq!(custom_section(&debug, ".debug_line"), Some(&b"lines"[..]));
        assert_eq!(custom_section(&debug, ".debug_info"), Some(&b"info"[..]));
        assert_eq!(custom_section(&debug, ".debug_str"), None);
        wasmparser::validate(&lean).unwrap();
        let code = wasmparser::Parser::new(0).parse_all(&lean).find_map(|payload| match payload.unwrap() {
            wasmparser::Payload::CodeSectionStart { range, .. } => Some(range.start),
            _ => None,
        });
        assert_eq!(code, Some(code_start));
        assert!(lean.windows(9).any(|bytes| bytes == b"otherkept"));
    }

    #[test]
    fn globals_that_can_be_set_are_exported() {
        let exports = |fields: &str| {
            let wasm = wat::parse_str(format!(
                r#"(module (memory (export "memory") 1)
                    (global i32 (i32.const 1)) (global $g (mut i32) (i32.const 2)) {fields})"#
            ))
            .unwrap();
            let lean = take_apart(&wasm, ROOM).unwrap().lean;
            wasmparser::validate(&lean).unwrap();
            let payloads = wasmparser::Parser::new(0).parse_all(&lean).map(Result::unwrap);
            let exports = payloads.filter_map(|payload| match payload {
                wasmparser::Payload::ExportSection(exports) => Some(exports),
                _ => None,
            });
            exports.flatten().map(|export| export.unwrap().name.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(exports(""), ["memory", "tilefn: global 1"]);
        // One that has such a name itself, and one in which not all can be put back.
        assert_eq!(exports(r#"(export "tilefn: global 7" (global $g))"#), ["memory", "tilefn: global 7"]);
        assert_eq!(exports("(global (mut funcref) (ref.null func))"), ["memory"]);
    }

    #[test]
    fn what_is_broken_is_left_alone() {
        let wasm = wat::parse_str(format!(r#"(module (memory 1) {USES_IT})"#)).unwrap();
        for end in HEADER + 1..wasm.len() {
            // Cut between two sections it is still a module.
            let _either = take_apart(&wasm[..end], ROOM);
        }
        assert_eq!(take_apart(&wasm[..wasm.len() - 1], ROOM), None);
        // A section that claims four gigabytes.
        assert_eq!(take_apart(b"\0asm\x01\0\0\0\x00\xff\xff\xff\xff\x0f", ROOM), None);
    }
}
