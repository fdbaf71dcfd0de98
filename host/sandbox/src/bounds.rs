//! Bounds on a module's functions, checked in one pass over the module before the compiler sees any of it.
//!
//! The compiler's memory grows with products: of a function's branches with its locals, or with its other values. A
//! module of 7 MB took it 12 GB. With these numbers it takes 0.3 GB at most for one function in each of its threads, and
//! 1.4 GB for a module of the most instructions. They leave room: of the 89 000 functions of CPython, numpy, scipy and
//! scikit-learn in one module, the largest has 61 000 instructions and some 15 000 branches, and none has 200 locals.

use wasmparser::{
    BinaryReaderError, BlockType, CompositeInnerType, ElementItems, FunctionBody, KnownCustom, Name, Operator, Parser,
    Payload, TypeRef,
};

use super::error::{Error, Result};
use super::text::function_name;

const TYPES: u64 = 10_000;
/// Parameters and results of all types together.
const TYPE_VALUES: u64 = 100_000;
const IMPORTS: u64 = 1_000;
const FUNCTIONS: u64 = 100_000;
const GLOBALS: u64 = 10_000;
const EXPORTS: u64 = 10_000;
const ELEMENT_SEGMENTS: u64 = 10_000;
/// Elements of all segments together.
const ELEMENTS: u64 = 1_000_000;
const DATA_SEGMENTS: u64 = 10_000;
/// Instructions of all functions and initialisers together.
const INSTRUCTIONS: u64 = 20_000_000;
/// Instructions of one function, each counted with the values that it passes on.
const FUNCTION_INSTRUCTIONS: u64 = 250_000;
/// Branches and their targets in one function.
const BRANCHES: u64 = 60_000;
/// Parameters and other locals of one function.
const LOCALS: u64 = 10_000;
/// The compiler notes for each local and branch which value is the current one: 4 bytes.
const LOCALS_BY_BRANCHES: u64 = 10_000_000;
/// It also notes which values are needed after each branch: some bits.
const INSTRUCTIONS_BY_BRANCHES: u64 = 4_000_000_000;

/// Refuses a module of which the compiler could take gigabytes.
pub(super) fn check(wasm: &[u8]) -> Result<()> {
    Check { wasm, ..Check::default() }.module()
}

#[derive(Default)]
struct Check<'a> {
    wasm: &'a [u8],
    /// Of each type: the number of its parameters and of its results.
    types: Vec<(u64, u64)>,
    type_values: u64,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    imported: usize,
    bodies: usize,
    elements: u64,
    instructions: u64,
}

impl Check<'_> {
    fn module(mut self) -> Result<()> {
        for payload in Parser::new(0).parse_all(self.wasm) {
            match payload.map_err(invalid)? {
                Payload::TypeSection(types) => {
                    for group in types {
                        for ty in group.map_err(invalid)?.types() {
                            // The compiler refuses a type that isn't a function, before any function.
                            let values = match &ty.composite_type.inner {
                                CompositeInnerType::Func(ty) => (ty.params().len() as u64, ty.results().len() as u64),
                                _ => (0, 0),
                            };
                            self.types.push(values);
                            self.type_values = self.type_values.saturating_add(values.0.saturating_add(values.1));
                            within("types", self.types.len() as u64, TYPES)?;
                        }
                    }
                    within("parameters and results in its types", self.type_values, TYPE_VALUES)?;
                }
                Payload::ImportSection(imports) => {
                    within("imports", imports.count().into(), IMPORTS)?;
                    for import in imports.into_imports() {
                        if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.map_err(invalid)?.ty {
                            self.functions.push(ty);
                        }
                    }
                    self.imported = self.functions.len();
                }
                Payload::FunctionSection(functions) => {
                    within("functions", functions.count().into(), FUNCTIONS)?;
                    for ty in functions {
                        self.functions.push(ty.map_err(invalid)?);
                    }
                }
                Payload::GlobalSection(globals) => {
                    within("globals", globals.count().into(), GLOBALS)?;
                    for global in globals {
                        self.initialiser(&global.map_err(invalid)?.init_expr)?;
                    }
                }
                Payload::ExportSection(exports) => within("exports", exports.count().into(), EXPORTS)?,
                Payload::ElementSection(segments) => {
                    within("element segments", segments.count().into(), ELEMENT_SEGMENTS)?;
                    for segment in segments {
                        self.elements(&segment.map_err(invalid)?.items)?;
                    }
                }
                Payload::DataSection(segments) => within("data segments", segments.count().into(), DATA_SEGMENTS)?,
                Payload::CodeSectionEntry(body) => self.function(&body)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn elements(&mut self, items: &ElementItems<'_>) -> Result<()> {
        let count = match items {
            ElementItems::Functions(functions) => functions.count(),
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions.clone() {
                    self.initialiser(&expression.map_err(invalid)?)?;
                }
                expressions.count()
            }
        };
        self.elements = self.elements.saturating_add(count.into());
        within("elements in its segments", self.elements, ELEMENTS)
    }

    fn initialiser(&mut self, expression: &wasmparser::ConstExpr<'_>) -> Result<()> {
        let mut operators = expression.get_operators_reader();
        while !operators.eof() {
            operators.read().map_err(invalid)?;
            self.instructions = self.instructions.saturating_add(1);
        }
        within("instructions", self.instructions, INSTRUCTIONS)
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<()> {
        let index = self.imported.saturating_add(self.bodies);
        self.bodies = self.bodies.saturating_add(1);
        let ty = self.functions.get(index).copied().unwrap_or(u32::MAX);
        let (params, results) = self.values(ty);
        let mut locals = params;
        for declared in body.get_locals_reader().map_err(invalid)? {
            locals = locals.saturating_add(declared.map_err(invalid)?.0.into());
        }
        let mut size = Size { labels: vec![results], ..Size::default() };
        for operator in body.get_operators_reader().map_err(invalid)? {
            size.add(&operator.map_err(invalid)?, self);
        }
        self.instructions = self.instructions.saturating_add(size.instructions);
        let Size { instructions, branches, .. } = size;
        for (what, found, most) in [
            ("locals", locals, LOCALS),
            ("instructions", instructions, FUNCTION_INSTRUCTIONS),
            ("branches", branches, BRANCHES),
            ("locals × branches", locals.saturating_mul(branches), LOCALS_BY_BRANCHES),
            ("instructions × branches", instructions.saturating_mul(branches), INSTRUCTIONS_BY_BRANCHES),
        ] {
            if found > most {
                return Err(too_complex(format!("function {}", self.named(index)), what, found, most));
            }
        }
        within("instructions", self.instructions, INSTRUCTIONS)
    }

    /// Parameters and results of a type.
    fn values(&self, ty: u32) -> (u64, u64) {
        usize::try_from(ty).ok().and_then(|ty| self.types.get(ty)).copied().unwrap_or_default()
    }

    /// What a block takes and leaves.
    fn block(&self, ty: BlockType) -> (u64, u64) {
        match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(ty) => self.values(ty),
        }
    }

    /// The function's index, and its name if the module tells it.
    fn named(&self, index: usize) -> String {
        match name_of(self.wasm, index) {
            Some(name) => format!("{index} (`{}`)", function_name(name)),
            None => index.to_string(),
        }
    }
}

/// A function's size as the compiler sees it.
#[derive(Default)]
struct Size {
    instructions: u64,
    branches: u64,
    /// Of each open block: the number of values that a branch to it passes on.
    labels: Vec<u64>,
}

impl Size {
    fn add(&mut self, operator: &Operator<'_>, module: &Check<'_>) {
        // Branches, and values beside the first.
        let (branches, values) = match operator {
            Operator::Block { blockty } => {
                let (takes, leaves) = module.block(*blockty);
                self.labels.push(leaves);
                (1, takes.saturating_add(leaves))
            }
            // A loop asks whether the time is over.
            Operator::Loop { blockty } => {
                let (takes, leaves) = module.block(*blockty);
                self.labels.push(takes);
                (3, takes.saturating_add(leaves))
            }
            Operator::If { blockty } => {
                let (takes, leaves) = module.block(*blockty);
                self.labels.push(leaves);
                (2, takes.saturating_add(leaves))
            }
            Operator::Else => (1, 0),
            Operator::End => {
                self.labels.pop();
                (0, 0)
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => (1, self.label(*relative_depth)),
            Operator::Return => (1, self.labels.first().copied().unwrap_or_default()),
            Operator::BrTable { targets } => {
                let count = u64::from(targets.len()).saturating_add(1);
                (count, count.saturating_mul(self.label(targets.default())))
            }
            Operator::Call { function_index } => {
                let ty = usize::try_from(*function_index).ok().and_then(|index| module.functions.get(index));
                let (takes, leaves) = module.values(ty.copied().unwrap_or(u32::MAX));
                (0, takes.saturating_add(leaves))
            }
            // It looks whether the function has been used before.
            Operator::CallIndirect { type_index, .. } => {
                let (takes, leaves) = module.values(*type_index);
                (2, takes.saturating_add(leaves))
            }
            Operator::TableGet { .. } => (2, 0),
            // These ask for the time too.
            Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableInit { .. } => (3, 0),
            _ => (0, 0),
        };
        self.branches = self.branches.saturating_add(branches);
        self.instructions = self.instructions.saturating_add(values).saturating_add(1);
    }

    fn label(&self, depth: u32) -> u64 {
        let index = usize::try_from(depth).ok().and_then(|depth| self.labels.len().checked_sub(depth)?.checked_sub(1));
        index.and_then(|index| self.labels.get(index)).copied().unwrap_or_default()
    }
}

fn within(what: &'static str, found: u64, most: u64) -> Result<()> {
    if found <= most { Ok(()) } else { Err(too_complex("the module".to_owned(), what, found, most)) }
}

fn too_complex(whose: String, what: &'static str, found: u64, limit: u64) -> Error {
    Error::TooComplex { whose, what, found, limit }
}

/// The error as the compiler words it, which would find the same.
fn invalid(error: BinaryReaderError) -> Error {
    Error::Invalid(format!("failed to parse WebAssembly module: {error}"))
}

/// A function's name in the module's name section.
fn name_of(wasm: &[u8], index: usize) -> Option<&str> {
    let index = u32::try_from(index).ok()?;
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CustomSection(section) = payload.ok()? else { continue };
        let KnownCustom::Name(names) = section.as_known() else { continue };
        for name in names {
            let Name::Function(functions) = name.ok()? else { continue };
            let mut functions = functions.into_iter().map_while(std::result::Result::ok);
            return functions.find(|naming| naming.index == index).map(|naming| naming.name);
        }
    }
    None
}
