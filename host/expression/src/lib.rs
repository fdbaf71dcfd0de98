//! Compiles an expression such as `(nir - red) / (nir + red)` to a module that tilefn runs.
//!
//! ```text
//! text → parse (tree) → check (graph) → stages → kernel, tables → module
//! ```
//!
//! It knows neither jobs nor files: a [`Source`] says what the inputs are. `docs/expressions.md` describes the language.
//! The module is [the runtime's](../runtime/src/lib.rs), a small committed one, with a kernel of SIMD instructions put in.

mod check;
mod empty;
mod functions;
mod graph;
mod kernel;
#[path = "../runtime/src/layout.rs"]
#[expect(dead_code, reason = "the runtime's own")]
mod layout;
mod lex;
mod mistake;
mod module;
mod parse;
mod stages;
mod tables;
mod tree;

pub use mistake::{Mistake, Mistakes};

use check::asked;
use graph::{Graph, Op};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use tilefn_abi::{DType, ParamKind};

/// The name of the module's only function.
pub const NAME: &str = "expression";
/// Longest expression, bytes.
pub const LONGEST: usize = 64 << 10;
/// Most inputs, most parameters and most outputs: as many as a function may have.
pub const MOST: usize = 64;

/// An expression, and what its names mean.
#[derive(Clone, Debug, Default)]
pub struct Source<'a> {
    /// The expression.
    pub text: &'a str,
    /// The inputs by name, in the order of the module's description.
    pub inputs: Vec<Input>,
    /// The parameters by name.
    pub params: Vec<Param>,
    /// The outputs' names, and the types that they are to have; empty: those that the expression has, with `dtype`.
    pub outputs: Vec<(String, Option<DType>)>,
    /// The type of outputs that `outputs` doesn't name; none: as the expression gives.
    pub dtype: Option<DType>,
    /// Whether a value that an integer type doesn't hold is a failure, instead of being rounded and saturated.
    pub strict: bool,
}

/// An input.
#[derive(Clone, Debug)]
pub struct Input {
    pub name: String,
    /// The type of its files' pixels, the largest if there are several.
    pub dtype: DType,
    /// Whether it is a list of files.
    pub list: bool,
    /// How many files the list has, if that is known.
    pub files: Option<u32>,
    /// How many bands its files have, if that is known.
    pub bands: Option<u32>,
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Param {
    pub name: String,
    /// [`ParamKind::Bool`], [`ParamKind::Int`] or [`ParamKind::Float`].
    pub kind: ParamKind,
    /// Its value when the job has none.
    pub default: Option<serde_json::Value>,
}

/// A compiled expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    pub module: Vec<u8>,
    /// Whether an output may have valid pixels where no input has any, so that no tile can be left out.
    pub fills: bool,
    /// What isn't read: `` input `x` ``, `` parameter `k` ``.
    pub unused: Vec<String>,
}

/// The type that an input's pixels are converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Float32,
    Float64,
}

static RUNTIME: LazyLock<Option<module::Runtime>> = LazyLock::new(module::Runtime::new);

/// Compiles an expression to a module.
///
/// # Errors
/// All mistakes.
pub fn compile(source: &Source<'_>) -> Result<Compiled, Mistakes> {
    let mut mistakes = Vec::new();
    let wrong =
        |message: String| Mistakes::new(source.text, vec![Mistake { span: 0..0, message, remedy: String::new() }]);
    if source.text.len() > LONGEST {
        return Err(wrong(format!("an expression has at most {LONGEST} bytes, this one has {}", source.text.len())));
    }
    for (what, count) in
        [("inputs", source.inputs.len()), ("parameters", source.params.len()), ("outputs", source.outputs.len())]
    {
        if count > MOST {
            return Err(wrong(format!("an expression has at most {MOST} {what}, this one has {count}")));
        }
    }
    let tree = parse::parse(source.text, &mut mistakes);
    let graph = check::check(source, &tree, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(Mistakes::new(source.text, mistakes));
    }
    if graph.outputs.len() > MOST {
        return Err(wrong(format!("an expression has at most {MOST} outputs, this one has {}", graph.outputs.len())));
    }
    let module = assemble(source, &graph).ok_or_else(|| wrong("the expression is too large".to_owned()))?;
    Ok(Compiled { module, fills: empty::fills(&graph), unused: unused(source, &graph) })
}

/// The inputs and parameters that the expression doesn't name.
fn unused(source: &Source<'_>, graph: &Graph) -> Vec<String> {
    let (mut inputs, mut params) = (BTreeSet::new(), BTreeSet::new());
    for node in &graph.nodes {
        match node.op {
            Op::Load(input, _) => _ = inputs.insert(input),
            Op::Param(param) => _ = params.insert(param),
            _ => {}
        }
    }
    let inputs = source.inputs.iter().enumerate().filter(|(number, _)| !inputs.contains(number));
    let params = source.params.iter().enumerate().filter(|(number, _)| !params.contains(number));
    let inputs = inputs.map(|(_, input)| format!("input `{}`", input.name));
    inputs.chain(params.map(|(_, param)| format!("parameter `{}`", param.name))).collect()
}

/// The module of a checked expression; none if something in it becomes too large.
fn assemble(source: &Source<'_>, graph: &Graph) -> Option<Vec<u8>> {
    let runtime = RUNTIME.as_ref()?;
    let stages = stages::divide(graph)?;
    let kernel = kernel::kernel(source, graph, &stages, &|name| runtime.function(name))?;
    let tables = tables::tables(source, graph, &stages, runtime.tables)?;
    let called: BTreeSet<u32> = graph
        .nodes
        .iter()
        .filter_map(|node| match node.op {
            Op::Call1(name, _) | Op::Call2(name, ..) => runtime.function(name),
            _ => None,
        })
        .collect();
    runtime.module(&kernel, &called, &tables)
}

/// The names in an expression that have no meaning of their own, in the order in which they appear: those of inputs and
/// parameters. Mistakes are left to [`compile`].
pub fn names(text: &str) -> Vec<String> {
    let tree = parse::parse(text.get(..LONGEST).unwrap_or(text), &mut Vec::new());
    let mut names: Vec<String> = Vec::new();
    let mut assigned = BTreeSet::new();
    for statement in &tree.statements {
        for id in statement.nodes.clone() {
            if let Some(tree::What::Name(name)) = tree.nodes.get(id).map(|node| &node.what)
                && !assigned.contains(name)
                && !check::is_constant(name)
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        assigned.extend(statement.name.iter().map(|(name, _)| name.clone()));
    }
    names
}

/// The names whose last value no later statement reads: what an expression computes, if nobody says what is wanted. None for a
/// value without a name.
pub fn results(text: &str) -> Vec<String> {
    check::results(&parse::parse(text.get(..LONGEST).unwrap_or(text), &mut Vec::new()))
}

#[cfg(test)]
mod tests;
