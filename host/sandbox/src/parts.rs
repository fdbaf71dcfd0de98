//! Takes the debug information out of a module's binary: the compiler gets the rest, and errors are explained with it.

use std::ops::Range;

use wasmparser::BinaryReader;

/// Bytes before the first section.
const HEADER: usize = 8;
/// Prefix of the names of sections with debug information.
const DEBUG_PREFIX: &str = ".debug_";

/// Numbers of sections in the binary format.
const CUSTOM: u8 = 0;
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
}

/// Takes a module apart. `None` for what isn't a module; the compiler says why.
pub(super) fn take_apart(wasm: &[u8]) -> Option<Parts> {
    let mut parts = Parts { lean: wasm.get(..HEADER)?.to_vec(), code_start: 0, debug: Vec::new() };
    for section in sections(wasm, HEADER) {
        let section = section?;
        let bytes = wasm.get(section.range.clone())?;
        match section.id {
            CUSTOM if custom(section.content).is_some_and(|(name, _)| name.starts_with(DEBUG_PREFIX)) => {
                parts.debug.extend_from_slice(bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let Parts { lean, code_start, debug } = take_apart(&wasm).unwrap();
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
    fn what_is_broken_is_left_alone() {
        let wasm = wat::parse_str(r#"(module (memory 1) (func (export "f")))"#).unwrap();
        for end in HEADER + 1..wasm.len() {
            // Cut between two sections it is still a module.
            let _either = take_apart(&wasm[..end]);
        }
        assert_eq!(take_apart(&wasm[..wasm.len() - 1]), None);
        // A section that claims four gigabytes.
        assert_eq!(take_apart(b"\0asm\x01\0\0\0\x00\xff\xff\xff\xff\x0f"), None);
    }
}
