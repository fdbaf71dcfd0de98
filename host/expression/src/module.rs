//! The module of an expression: the runtime's, with the kernel and the tables in their places.

use crate::kernel::Kernel;
use std::collections::BTreeSet;
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ExportKind, ExportSection, Function, Module, RawSection,
};
use wasmparser::{BinaryReaderError, DataKind, ElementItems, ExternalKind, FunctionBody, Operator, Parser, Payload};

/// What all expressions have in common, made of `runtime`.
const RUNTIME: &[u8] = include_bytes!("../runtime.wasm");

/// The runtime, taken apart. Everything in it is known, so that what isn't as expected is a fault of the program.
pub struct Runtime {
    payloads: Vec<Payload<'static>>,
    imported: u32,
    functions: Vec<(String, u32)>,
    /// Where the tables belong.
    pub tables: u32,
    kernel: u32,
}

impl Runtime {
    /// None if the runtime isn't one.
    pub fn new() -> Option<Self> {
        let payloads = Parser::new(0).parse_all(RUNTIME).collect::<Result<Vec<_>, BinaryReaderError>>().ok()?;
        let (mut imported, mut functions, mut tables, mut globals) = (0, Vec::new(), None, Vec::new());
        for payload in &payloads {
            match payload {
                // It imports functions only.
                Payload::ImportSection(imports) => imported = imports.count(),
                Payload::GlobalSection(section) => {
                    for global in section.clone() {
                        globals.push(constant(&global.ok()?.init_expr)?);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports.clone() {
                        let export = export.ok()?;
                        match export.kind {
                            ExternalKind::Func => functions.push((export.name.to_owned(), export.index)),
                            ExternalKind::Global if export.name == "TABLES" => {
                                tables = globals.get(usize::try_from(export.index).ok()?).copied();
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        let kernel = functions.iter().find(|(name, _)| name == "kernel")?.1;
        Some(Self { payloads, imported, functions, tables: tables?, kernel })
    }

    /// The index of a function that it exports.
    pub fn function(&self, name: &str) -> Option<u32> {
        self.functions.iter().find(|(other, _)| other == name).map(|(_, index)| *index)
    }

    /// The module with this kernel, these tables, and the functions that they need. `called`: the kernel's own calls.
    pub fn module(&self, kernel: &Kernel, called: &BTreeSet<u32>, tables: &[u8]) -> Option<Vec<u8>> {
        let needed = self.needed(called)?;
        let mut module = Module::new();
        let mut code = CodeSection::new();
        let mut index = self.imported;
        let mut bodies = 0;
        for payload in &self.payloads {
            match payload {
                Payload::ExportSection(exports) => {
                    let mut section = ExportSection::new();
                    for export in exports.clone() {
                        let export = export.ok()?;
                        let kind = match export.kind {
                            ExternalKind::Memory => ExportKind::Memory,
                            ExternalKind::Func if is_interface(export.name) => ExportKind::Func,
                            _ => continue,
                        };
                        section.export(export.name, kind, export.index);
                    }
                    module.section(&section);
                }
                Payload::DataCountSection { count, .. } => {
                    module.section(&DataCountSection { count: count.checked_add(1)? });
                }
                Payload::CodeSectionStart { count, .. } => bodies = *count,
                Payload::CodeSectionEntry(body) => {
                    if index == self.kernel {
                        code.function(Function::new(kernel.locals.clone()).raw(kernel.code.iter().copied()));
                    } else if needed.contains(&index) {
                        code.raw(body.as_bytes());
                    } else {
                        code.function(&nothing());
                    }
                    index = index.checked_add(1)?;
                    if code.len() == bodies {
                        module.section(&code);
                    }
                }
                Payload::DataSection(segments) => {
                    let mut section = DataSection::new();
                    for segment in segments.clone() {
                        let segment = segment.ok()?;
                        let DataKind::Active { offset_expr, .. } = &segment.kind else { return None };
                        section.active(0, &offset(constant(offset_expr)?), segment.data.iter().copied());
                    }
                    section.active(0, &offset(self.tables), tables.iter().copied());
                    module.section(&section);
                }
                Payload::CustomSection(_) => {}
                other => {
                    if let Some((id, range)) = other.as_section() {
                        module.section(&RawSection { id, data: RUNTIME.get(range)? });
                    }
                }
            }
        }
        Some(module.finish())
    }

    /// The functions that are called, from the module's interface on.
    fn needed(&self, called: &BTreeSet<u32>) -> Option<BTreeSet<u32>> {
        let mut open: Vec<u32> =
            self.functions.iter().filter(|(name, _)| is_interface(name)).map(|(_, index)| *index).collect();
        open.extend(called);
        let mut bodies: Vec<&FunctionBody<'_>> = Vec::new();
        for payload in &self.payloads {
            match payload {
                Payload::CodeSectionEntry(body) => bodies.push(body),
                Payload::ElementSection(segments) => {
                    for segment in segments.clone() {
                        let ElementItems::Functions(functions) = segment.ok()?.items else { return None };
                        for function in functions {
                            open.push(function.ok()?);
                        }
                    }
                }
                _ => {}
            }
        }
        let mut needed = BTreeSet::new();
        while let Some(index) = open.pop() {
            if index == self.kernel || !needed.insert(index) {
                continue;
            }
            let Some(body) = index.checked_sub(self.imported).and_then(|body| bodies.get(usize::try_from(body).ok()?))
            else {
                continue;
            };
            for operator in body.get_operators_reader().ok()? {
                if let Operator::Call { function_index } = operator.ok()? {
                    open.push(function_index);
                }
            }
        }
        Some(needed)
    }
}

/// Whether the ABI knows an export.
fn is_interface(name: &str) -> bool {
    name.starts_with("tilefn_") || name.starts_with("describe:") || name.starts_with("process:")
}

fn constant(expression: &wasmparser::ConstExpr<'_>) -> Option<u32> {
    match expression.get_operators_reader().read().ok()? {
        Operator::I32Const { value } => Some(value.cast_unsigned()),
        _ => None,
    }
}

fn offset(address: u32) -> ConstExpr {
    ConstExpr::i32_const(address.cast_signed())
}

/// A function that is never called.
fn nothing() -> Function {
    let mut function = Function::new([]);
    function.instructions().unreachable().end();
    function
}
