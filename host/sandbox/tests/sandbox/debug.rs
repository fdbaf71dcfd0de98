//! Modules with debug information that no compiler wrote, and errors in them.

use super::fixture::*;

/// A module whose function traps, with these sections of debug information.
pub fn traps(sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut wasm = guest("traps").with("instructions", "(unreachable)").build();
    for (name, data) in sections {
        let custom = wasm_encoder::CustomSection { name: (*name).into(), data: data.into() };
        wasm_encoder::Section::append_to(&custom, &mut wasm);
    }
    wasm
}

/// Entries of this unit in DWARF 4: its header, then the unit's own entry, from address 0 on (abbreviation 1).
fn unit(entries: &[u8]) -> Vec<u8> {
    let mut unit =
        [&4u16.to_le_bytes()[..], &0u32.to_le_bytes(), &[4, 1], &ALL, &0u32.to_le_bytes(), entries, &[0]].concat();
    unit.splice(0..0, u32::try_from(unit.len()).unwrap().to_le_bytes());
    unit
}

/// An address, and how many bytes follow: all code.
const ALL: [u8; 8] = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0];

/// Abbreviations: 1 a unit, 2 a function, 3 an inlined one, 4 one with a list of ranges.
const ABBREVIATIONS: &[u8] = &[
    // tag, children, then attributes and forms: low_pc addr, high_pc data4, stmt_list sec_offset
    1, 0x11, 1, 0x11, 0x01, 0x12, 0x06, 0x10, 0x17, 0, 0, //
    2, 0x2e, 1, 0x11, 0x01, 0x12, 0x06, 0, 0, //
    3, 0x1d, 1, 0x11, 0x01, 0x12, 0x06, 0, 0, //
    4, 0x2e, 0, 0x55, 0x17, 0, 0, //
    0,
];

/// Calls inlined so many deep.
pub fn inlined(depth: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut entries = [&[2], &ALL[..]].concat();
    entries.extend([&[3], &ALL[..]].concat().repeat(depth));
    entries.extend(vec![0; depth + 1]);
    vec![(".debug_info", unit(&entries)), (".debug_abbrev", ABBREVIATIONS.to_vec()), (".debug_line", line_table(&[]))]
}

/// A line table of so many lines.
pub fn lines(count: usize) -> Vec<(&'static str, Vec<u8>)> {
    let entries = [&[2], &ALL[..], &[0]].concat();
    // A special opcode each: one line and no byte of code further.
    let program = vec![19; count];
    vec![
        (".debug_info", unit(&entries)),
        (".debug_abbrev", ABBREVIATIONS.to_vec()),
        (".debug_line", line_table(&program)),
    ]
}

/// So many functions that have the same list of so many ranges.
pub fn ranges(functions: usize, ranges: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut list = [1u32.to_le_bytes(), 2u32.to_le_bytes()].concat().repeat(ranges);
    list.extend([0; 8]);
    let entries = [4, 0, 0, 0, 0].repeat(functions);
    vec![
        (".debug_info", unit(&entries)),
        (".debug_abbrev", ABBREVIATIONS.to_vec()),
        (".debug_line", line_table(&[])),
        (".debug_ranges", list),
    ]
}

/// A line program in DWARF 4 with one file, `a.c`.
fn line_table(program: &[u8]) -> Vec<u8> {
    // Instruction length, operations, is_stmt, line base, line range, opcode base and the operands of the standard opcodes,
    // directories, files, the end of the files.
    let header = [&[1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0][..], b"a.c\0\0\0\0", &[0]].concat();
    // Begins at address 0, and ends far behind all code.
    let end = [2, 0xff, 0xff, 0xff, 0x07, 0, 1, 1];
    let rest = [
        &4u16.to_le_bytes()[..],
        &u32::try_from(header.len()).unwrap().to_le_bytes(),
        &header,
        &[0, 5, 2, 0, 0, 0, 0],
        program,
        &[1],
        &end,
    ]
    .concat();
    [&u32::try_from(rest.len()).unwrap().to_le_bytes()[..], &rest].concat()
}

fn error_of_wasm(wasm: &[u8]) -> String {
    let sandbox = sandbox();
    let module = sandbox.compile(wasm).unwrap();
    let error = process(&mut only(&module).unwrap().instance().unwrap(), &[1.0]).unwrap_err();
    assert_works(&sandbox);
    error.to_string()
}

const TRAPPED: &str = "`process:double` trapped: wasm `unreachable` instruction executed";

#[test]
fn the_innermost_of_many_inlined_calls_are_shown() {
    assert_eq!(error_of_wasm(&traps(&inlined(2))), format!("{TRAPPED}\n  at process (a.c:1)\n  at process, 2 times"));
    assert_eq!(
        error_of_wasm(&traps(&inlined(10_000))),
        format!("{TRAPPED}\n  at process (a.c:1)\n  at process, 39 times")
    );
}

#[test]
fn lines_are_found_up_to_a_limit() {
    assert_eq!(error_of_wasm(&traps(&lines(6))), format!("{TRAPPED}\n  at process (a.c:7)"));
    assert_eq!(error_of_wasm(&traps(&lines(5 << 20))), format!("{TRAPPED}\n  at process"));
}

#[test]
fn damaged_debug_information_is_left_out() {
    let good = traps(&lines(6));
    let module = guest("traps").with("instructions", "(unreachable)").build().len();
    for at in (module..good.len()).filter(|at| !good[..*at].ends_with(b".debug")) {
        let mut wasm = good.clone();
        wasm[at] ^= 0xff;
        // A section's own header may be hit, and then it isn't a module.
        if sandbox().compile(&wasm).is_ok() {
            let text = error_of_wasm(&wasm);
            assert!(text.starts_with(TRAPPED), "byte {at}: {text}");
        }
    }
}

#[test]
fn names_that_stand_for_more_than_they_are() {
    // Each level of a mangled name doubles what it stands for.
    let doubled = (0..30).fold("u".to_owned(), |name, _| format!("T{name}B_E"));
    for name in ["x".repeat(1 << 20), format!("_RIC0{doubled}E"), "_RNvC1a1b".repeat(1000)] {
        let text = error_of(guest("traps-in-a-named-function").with("name", name));
        assert!(text.starts_with(TRAPPED) && text.len() < 2000, "{} bytes", text.len());
    }
}
