//! Names: inputs and their bands, parameters, earlier statements, constants; and which of them are outputs.

use super::Check;
use crate::graph::{ANY, Graph, Id, Kind, Node, Op};
use crate::mistake::did_you_mean;
use crate::tree;
use std::collections::HashSet;
use std::ops::Range;
use tilefn_abi::{DType, ParamKind};

impl Check<'_> {
    pub(super) fn name(&mut self, name: &str, span: Range<usize>) -> Option<Id> {
        if let Some(value) = self.names.get(name) {
            return *value;
        }
        if let Some(input) = self.source.inputs.iter().position(|input| input.name == name) {
            return Some(self.load(input, None));
        }
        if let Some(param) = self.source.params.iter().position(|param| param.name == name) {
            return Some(self.param(param));
        }
        match name {
            "pi" => Some(self.graph.float(std::f64::consts::PI)),
            "nan" => Some(self.graph.float(f64::NAN)),
            "inf" => Some(self.graph.float(f64::INFINITY)),
            "True" | "true" => Some(self.graph.add(Op::Bool(true))),
            "False" | "false" => Some(self.graph.add(Op::Bool(false))),
            _ => {
                self.unknown(name, span);
                None
            }
        }
    }

    fn unknown(&mut self, name: &str, span: Range<usize>) {
        let source = self.source;
        let inputs: Vec<_> = source.inputs.iter().map(|input| input.name.as_str()).collect();
        let params: Vec<_> = source.params.iter().map(|param| param.name.as_str()).collect();
        let near = did_you_mean(name, inputs.iter().chain(&params).copied().chain(self.names.keys().copied()));
        let mut remedy = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        match inputs.as_slice() {
            [] => remedy.push_str("there are no inputs"),
            inputs => remedy.push_str(&format!("the inputs are: {}", inputs.join(", "))),
        }
        if !params.is_empty() {
            remedy.push_str(&format!("; the parameters are: {}", params.join(", ")));
        }
        let message = if crate::functions::find(name).is_some() {
            format!("`{name}` is a function, which takes values in parentheses")
        } else {
            format!("`{name}` is neither an input nor a parameter, nor has it been given a value before")
        };
        self.wrong(span, message, remedy);
    }

    fn load(&mut self, input: usize, band: Option<u32>) -> Id {
        let bit = 1u64.checked_shl(u32::try_from(input).unwrap_or(u32::MAX)).unwrap_or(0);
        self.used |= bit;
        let Some(info) = self.source.inputs.get(input) else { return self.graph.float(f64::NAN) };
        // Bit operators know 63 bits and a sign.
        let integer = !info.dtype.is_float() && info.dtype != DType::UInt64;
        self.graph.push(Node {
            op: Op::Load(input, band),
            kind: Kind::Float,
            whole: integer,
            bits: bits_of(info.dtype),
            lists: if info.list { bit } else { 0 },
            moving: if band.is_none() { bit } else { 0 },
        })
    }

    fn param(&mut self, param: usize) -> Id {
        let given = self.source.params.get(param).map(|param| param.kind);
        let kind = if given == Some(ParamKind::Bool) { Kind::Bool } else { Kind::Float };
        let whole = given == Some(ParamKind::Int);
        self.graph.push(Node { op: Op::Param(param), kind, whole, bits: ANY, lists: 0, moving: 0 })
    }

    /// `base[band]`
    pub(super) fn band(&mut self, base: tree::Id, band: tree::Id) -> Option<Id> {
        let (value, number) = (self.of(base)?, self.of(band)?);
        let Op::Load(input, None) = self.graph.node(value).op else {
            self.wrong(self.span(base), "only an input has bands to choose from", "");
            return None;
        };
        let bands = self.source.inputs.get(input).and_then(|input| input.bands);
        let number = match self.graph.node(number).op {
            Op::Float(bits) => Some(f64::from_bits(bits)),
            _ => None,
        };
        let most = f64::from(bands.unwrap_or(65_535));
        let Some(number) = number.filter(|number| number.fract() == 0.0 && (1.0..=most).contains(number)) else {
            let message = match (number, bands) {
                (Some(0.0), _) => "bands are counted from 1".to_owned(),
                (Some(number), Some(bands)) if number.fract() == 0.0 => {
                    let bands = if bands == 1 { "1 band".to_owned() } else { format!("{bands} bands") };
                    let name = self.source.inputs.get(input).map_or("", |input| &input.name);
                    format!("`{name}` has {bands}, and no band {number}")
                }
                _ => "a band is chosen by its number, from 1".to_owned(),
            };
            self.wrong(self.span(band), message, "");
            return None;
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 65535")]
        Some(self.load(input, Some(number as u32)))
    }

    /// Name, value and wanted type of each output.
    pub(super) fn outputs(&mut self, alone: Option<Option<Id>>) -> Vec<(String, Id, Option<DType>)> {
        let source = self.source;
        let tree = self.tree;
        let all = 0..source.text.trim_end().len();
        let mut wanted: Vec<(String, Option<DType>)> = source.outputs.clone();
        if let Some(value) = alone {
            let place = tree.statements.first().map_or(all, |statement| self.place(statement));
            if let [_, _, ..] = wanted.as_slice() {
                let names: Vec<_> = wanted.iter().map(|(name, _)| name.as_str()).collect();
                let message = format!("this is one value for the outputs {}", names.join(" and "));
                let remedy = format!("give each a value: {}", names.map_join());
                self.wrong(place, message, remedy);
                return Vec::new();
            }
            let (name, dtype) = wanted.pop().unwrap_or(("result".to_owned(), source.dtype));
            let value = value.filter(|value| self.is_raster(*value, place));
            return value.map(|value| (name, value, dtype)).into_iter().collect();
        }
        if wanted.is_empty() {
            wanted = results(tree).into_iter().map(|name| (name, source.dtype)).collect();
        }
        let mut outputs = Vec::new();
        for (name, dtype) in wanted {
            let Some(value) = self.names.get(name.as_str()).copied() else {
                if !self.names.is_empty() {
                    let mut names: Vec<_> = self.names.keys().copied().collect();
                    names.sort_unstable();
                    let message = format!("output `{name}` gets no value");
                    let remedy = format!("write {name} = …; these have values: {}", names.join(", "));
                    self.wrong(all.clone(), message, remedy);
                }
                continue;
            };
            let statement = tree.statements.iter().rfind(|s| s.name.as_ref().is_some_and(|(other, _)| *other == name));
            let place = statement.map_or(all.clone(), |statement| self.place(statement));
            outputs.extend(value.filter(|value| self.is_raster(*value, place)).map(|value| (name, value, dtype)));
        }
        outputs
    }

    /// Whether a value can be an output: it isn't a list, and its bands go together.
    fn is_raster(&mut self, value: Id, place: Range<usize>) -> bool {
        let node = self.graph.node(value);
        if let Some(list) = Graph::members(node.lists).find_map(|input| self.source.inputs.get(input)) {
            let message = format!("`{}` is a list of files, and an output has one raster", list.name);
            let remedy = format!("say what to make of them: mean({0}), median({0}), max({0})", list.name);
            self.wrong(place, message, remedy);
            return false;
        }
        self.bands_agree(node.moving, place)
    }

    /// Whether inputs that are taken band by band have as many bands, as far as that is known.
    pub(super) fn bands_agree(&mut self, moving: u64, place: Range<usize>) -> bool {
        let source = self.source;
        let known = Graph::members(moving).filter_map(|input| source.inputs.get(input));
        let several: Vec<_> =
            known.filter_map(|input| Some((input, input.bands.filter(|bands| *bands > 1)?))).collect();
        if let Some((first, bands)) = several.first()
            && let Some((other, others)) = several.iter().find(|(_, others)| others != bands)
        {
            let message = format!("`{}` has {bands} bands and `{}` has {others}", first.name, other.name);
            self.wrong(place, message, format!("choose a band: {}[1]", first.name));
            return false;
        }
        true
    }
}

/// Bits of an integer type's numbers, the sign not counted.
fn bits_of(dtype: DType) -> u32 {
    let bits = u32::try_from(dtype.size()).map_or(ANY, |bytes| bytes.saturating_mul(8));
    if dtype.is_float() { ANY } else { bits.saturating_sub(dtype.is_signed().into()).min(ANY) }
}

/// The names whose last value no later statement reads.
pub fn results(tree: &tree::Tree) -> Vec<String> {
    let mut results = Vec::new();
    // From the end on: the names that later statements give or read.
    let mut later = HashSet::new();
    for statement in tree.statements.iter().rev() {
        if let Some((name, _)) = &statement.name
            && later.insert(name.as_str())
        {
            results.push(name.clone());
        }
        let nodes = tree.nodes.get(statement.nodes.clone()).unwrap_or_default();
        later.extend(nodes.iter().filter_map(|node| match &node.what {
            tree::What::Name(name) => Some(name.as_str()),
            _ => None,
        }));
    }
    results.reverse();
    results
}

/// Names as statements to be filled in.
trait MapJoin {
    fn map_join(&self) -> String;
}

impl MapJoin for Vec<&str> {
    fn map_join(&self) -> String {
        self.iter().map(|name| format!("{name} = …")).collect::<Vec<_>>().join("; ")
    }
}
