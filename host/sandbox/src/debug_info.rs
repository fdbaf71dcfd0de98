//! A module's debug information: from places in its code to lines of its source.
//!
//! The module's author wrote this too, so it is hostile. One pass reads it and keeps only the calls looked for: calls nested
//! ten thousand deep need no stack, a line table of 50 MB no memory, and one that refers to itself again and again
//! ends at a time limit. Lines are a help; without them an error names functions only.

use std::time::{Duration, Instant};

use gimli::{
    AttributeValue, ColumnType, DebugInfoOffset, DebuggingInformationEntry, Dwarf, EndianSlice, LineRow, LittleEndian,
    Section as _, SectionId, Unit, UnitOffset, constants,
};

use super::parts::custom_section;

/// Time to look for the lines of one error.
const TIME: Duration = Duration::from_secs(2);
/// Bytes of the sections of which a part is held in memory, in up to a hundred times its size: abbreviations, and the names of files.
const MAX_ABBREVIATIONS: usize = 2 << 20;
const MAX_LINES: usize = 4 << 20;
/// Calls shown for one place, at most: the innermost.
const MAX_CALLS: usize = 40;
/// Entries from an inlined call to its function's name.
const MAX_HOPS: usize = 8;
/// Longest name or path, in bytes.
const MAX_NAME: usize = 4 << 10;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The debug information as it is in the module, read only after an error.
#[derive(Debug, Default)]
pub(super) struct DebugInfo {
    sections: Vec<u8>,
    code_start: usize,
}

/// A call, perhaps an inlined one, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SourceCall {
    /// The function's name, mangled.
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: Option<u64>,
    pub column: Option<u64>,
}

impl DebugInfo {
    /// The sections that hold it, and where the content of the code section begins in the compiled module.
    pub fn new(sections: Vec<u8>, code_start: usize) -> Self {
        Self { sections, code_start }
    }

    /// The calls at each of these offsets in the compiled module, innermost first: a function, and those it was inlined in. None
    /// where they aren't known.
    pub fn calls(&self, offsets: &[Option<usize>]) -> Vec<Vec<SourceCall>> {
        let probe = |offset: &Option<usize>| Some(offset.as_ref()?.checked_sub(self.code_start)? as u64);
        let mut probes: Vec<_> = offsets.iter().map(|offset| Probe { at: probe(offset), ..Probe::default() }).collect();
        let search = || self.search(&mut probes);
        // The DWARF reader is made for compilers' output. A panic over anything else must not end the process.
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(search)) {
            Ok(_found_or_not) => probes.into_iter().map(Probe::calls).collect(),
            Err(_panic) => vec![Vec::new(); offsets.len()],
        }
    }

    fn search(&self, probes: &mut [Probe]) -> Option<()> {
        if self.sections.is_empty() || probes.is_empty() {
            return None;
        }
        let section = |id: SectionId| {
            let bytes = custom_section(&self.sections, id.name()).unwrap_or_default();
            Ok::<_, gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        };
        let dwarf = Dwarf::load(section).ok()?;
        if dwarf.debug_abbrev.reader().len() > MAX_ABBREVIATIONS || dwarf.debug_line.reader().len() > MAX_LINES {
            return None;
        }
        let search = Search { dwarf, end: Instant::now().checked_add(TIME)? };
        let mut units = search.dwarf.units();
        while let Some(header) = units.next().ok()? {
            search.may_go_on()?;
            // The other units may be readable.
            if let Ok(unit) = search.dwarf.unit(header) {
                search.unit(&unit, probes)?;
            }
        }
        Some(())
    }
}

/// A place in the code, and what was found of it.
#[derive(Default)]
struct Probe {
    at: Option<u64>,
    /// The function, then the calls inlined in it, outermost first: how deep its entry is nested, its name, and where it was called.
    found: Vec<(isize, SourceCall)>,
    /// The place itself, in the innermost call: file, line, column.
    place: SourceCall,
}

impl Probe {
    /// Innermost first. Each entry knows where it was called, which is a place in the one around it.
    fn calls(self) -> Vec<SourceCall> {
        let mut place = self.place;
        let mut calls = Vec::new();
        for (_, mut call) in self.found.into_iter().rev() {
            let around = SourceCall { function: None, ..call.clone() };
            (call.file, call.line, call.column) = (place.file, place.line, place.column);
            calls.push(call);
            place = around;
        }
        calls
    }
}

struct Search<'a> {
    dwarf: Dwarf<Bytes<'a>>,
    end: Instant,
}

impl<'a> Search<'a> {
    /// `None` when the time is over.
    fn may_go_on(&self) -> Option<()> {
        (Instant::now() < self.end).then_some(())
    }

    fn unit(&self, unit: &Unit<Bytes<'a>>, probes: &mut [Probe]) -> Option<()> {
        let mut ranges = self.dwarf.unit_ranges(unit).ok();
        let mut inside = false;
        while let Some(range) = ranges.as_mut().and_then(|ranges| ranges.next().ok().flatten()) {
            self.may_go_on()?;
            inside |= probes.iter().any(|probe| probe.at.is_some_and(|at| (range.begin..range.end).contains(&at)));
        }
        if inside {
            self.entries(unit, probes)?;
            self.lines(unit, probes)?;
        }
        Some(())
    }

    /// Finds functions, and the calls inlined in them.
    fn entries(&self, unit: &Unit<Bytes<'a>>, probes: &mut [Probe]) -> Option<()> {
        let Ok(mut entries) = unit.entries_raw(None) else { return Some(()) };
        let known: Vec<_> = probes.iter().map(|probe| !probe.found.is_empty()).collect();
        let mut entry = DebuggingInformationEntry::null();
        while !entries.is_empty() {
            self.may_go_on()?;
            let depth = entries.next_depth();
            match entries.read_entry(&mut entry) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(_) => return Some(()),
            }
            let inlined = match entry.tag() {
                constants::DW_TAG_subprogram => false,
                constants::DW_TAG_inlined_subroutine => true,
                _ => continue,
            };
            let Ok(mut ranges) = self.dwarf.die_ranges(unit, &entry) else { continue };
            let mut call = None;
            while let Ok(Some(range)) = ranges.next() {
                self.may_go_on()?;
                for (probe, known) in probes.iter_mut().zip(&known) {
                    let inside = probe.at.is_some_and(|at| (range.begin..range.end).contains(&at));
                    let deeper = probe.found.last().map_or(!inlined, |(outer, _)| inlined && *outer < depth);
                    if inside && deeper && !known {
                        let call = call.get_or_insert_with(|| self.call(unit, &entry, inlined));
                        // The function, and of the calls in it the innermost.
                        if probe.found.len() >= MAX_CALLS {
                            probe.found.remove(1);
                        }
                        probe.found.push((depth, call.clone()));
                    }
                }
            }
        }
        Some(())
    }

    /// A function's name, and where it was called if it's inlined.
    fn call(&self, unit: &Unit<Bytes<'a>>, entry: &DebuggingInformationEntry<Bytes<'a>>, inlined: bool) -> SourceCall {
        let number = |name| match entry.attr_value(name).filter(|_| inlined)? {
            AttributeValue::FileIndex(number) => Some(number),
            value => value.udata_value(),
        };
        SourceCall {
            function: self.name(unit, entry),
            file: number(constants::DW_AT_call_file).and_then(|file| self.file(unit, file)),
            line: number(constants::DW_AT_call_line).filter(|line| *line != 0),
            column: number(constants::DW_AT_call_column).filter(|column| *column != 0),
        }
    }

    /// A function's name, in its entry or in those that this one refers to.
    fn name(&self, unit: &Unit<Bytes<'a>>, entry: &DebuggingInformationEntry<Bytes<'a>>) -> Option<String> {
        let (mut elsewhere, mut referred): (Option<Unit<Bytes<'a>>>, Option<_>) = (None, None);
        for _ in 0..MAX_HOPS {
            self.may_go_on()?;
            let unit = elsewhere.as_ref().unwrap_or(unit);
            let entry = referred.as_ref().unwrap_or(entry);
            let any = |names: [_; 2]| names.into_iter().find_map(|name| entry.attr_value(name));
            let origin = any([constants::DW_AT_abstract_origin, constants::DW_AT_specification]);
            let linkage = any([constants::DW_AT_linkage_name, constants::DW_AT_MIPS_linkage_name]);
            // The entry that this one refers to may have the better name.
            let plain = || entry.attr_value(constants::DW_AT_name).filter(|_| origin.is_none());
            if let Some(name) = linkage.or_else(plain) {
                return self.text(unit, name);
            }
            let (other, offset) = match origin? {
                AttributeValue::UnitRef(offset) => (None, offset),
                AttributeValue::DebugInfoRef(offset) => self.elsewhere(offset)?,
                _ => return None,
            };
            referred = Some(other.as_ref().unwrap_or(unit).entry(offset).ok()?);
            elsewhere = other.or(elsewhere);
        }
        None
    }

    /// The unit in which this entry is.
    fn elsewhere(&self, entry: DebugInfoOffset) -> Option<(Option<Unit<Bytes<'a>>>, UnitOffset)> {
        let mut units = self.dwarf.units();
        while let Some(header) = units.next().ok()? {
            self.may_go_on()?;
            if let Some(offset) = entry.to_unit_offset(&header) {
                return Some((Some(self.dwarf.unit(header).ok()?), offset));
            }
        }
        None
    }

    fn text(&self, unit: &Unit<Bytes<'a>>, value: AttributeValue<Bytes<'a>>) -> Option<String> {
        let bytes = self.dwarf.attr_string(unit, value).ok()?.slice();
        Some(String::from_utf8_lossy(bytes.get(..MAX_NAME).unwrap_or(bytes)).into_owned())
    }

    /// The path of a file by its number in the unit.
    fn file(&self, unit: &Unit<Bytes<'a>>, number: u64) -> Option<String> {
        let header = unit.line_program.as_ref()?.header();
        let file = header.file(number)?;
        let directory = unit.comp_dir.map(|directory| {
            let bytes = directory.slice();
            String::from_utf8_lossy(bytes.get(..MAX_NAME).unwrap_or(bytes)).into_owned()
        });
        let mut path = directory.unwrap_or_default();
        // Number 0 is the unit's own directory.
        if file.directory_index() != 0
            && let Some(directory) = file.directory(header)
        {
            join(&mut path, &self.text(unit, directory)?);
        }
        join(&mut path, &self.text(unit, file.path_name())?);
        Some(path)
    }

    /// Finds the lines of the places themselves.
    fn lines(&self, unit: &Unit<Bytes<'a>>, probes: &mut [Probe]) -> Option<()> {
        let Some(program) = unit.line_program.clone() else { return Some(()) };
        let mut rows = program.rows();
        let mut before: Option<LineRow> = None;
        while let Ok(Some((_, row))) = rows.next_row() {
            self.may_go_on()?;
            if let Some(before) = before.filter(|before| !before.end_sequence()) {
                let between = before.address()..row.address();
                for probe in probes.iter_mut().filter(|probe| probe.at.is_some_and(|at| between.contains(&at))) {
                    if probe.place == SourceCall::default() {
                        probe.place = SourceCall {
                            function: None,
                            file: self.file(unit, before.file_index()),
                            line: before.line().map(std::num::NonZeroU64::get),
                            column: match before.column() {
                                ColumnType::LeftEdge => None,
                                ColumnType::Column(column) => Some(column.get()),
                            },
                        };
                    }
                }
            }
            before = Some(*row);
        }
        Some(())
    }
}

/// Goes on from `path`, or begins anew with an absolute one.
fn join(path: &mut String, next: &str) {
    let windows =
        |path: &str| matches!(path.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    if next.starts_with('/') || windows(next) {
        path.clear();
    } else if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    path.push_str(next);
}
