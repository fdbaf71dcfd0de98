//! Calls of functions.

use super::Check;
use crate::functions::{self, Function};
use crate::graph::{ANY, Bits, Graph, Id, Kind, OfOne, OfTwo, Op, Percent, Rounding, Statistic};
use crate::layout::statistic;
use crate::tree;
use std::ops::Range;

/// Most statistics of an expression: each takes memory and a loop.
const MOST_STATISTICS: usize = 64;

impl Check<'_> {
    pub(super) fn call(
        &mut self,
        name: &str,
        place: Range<usize>,
        given: &[tree::Id],
        span: Range<usize>,
    ) -> Option<Id> {
        let Some((_, function, fewest, most, usage)) = functions::find(name) else {
            let message = match self.source.inputs.iter().any(|input| input.name == name) {
                true => format!("`{name}` is an input, not a function"),
                false => format!("there is no function `{name}`"),
            };
            let remedy = match self.source.inputs.iter().any(|input| input.name == name) {
                true => "to multiply, write *; a band is chosen with [ ]".to_owned(),
                false => functions::remedy(name),
            };
            self.wrong(place, message, remedy);
            return None;
        };
        if !(*fewest..=*most).contains(&given.len()) {
            let values = match fewest {
                1 => "1 value".to_owned(),
                n => format!("{n} values"),
            };
            let more = if fewest == most { "" } else { " or more" };
            let message = format!("`{name}` takes {values}{more}, and has {}", given.len());
            self.wrong(span, message, format!("write {usage}"));
            return None;
        }
        let values: Vec<_> = given.iter().map(|id| self.of(*id)).collect::<Option<_>>()?;
        let first = *values.first()?;
        let second = values.get(1).copied();
        Some(match *function {
            Function::Where => {
                let condition = self.graph.as_bool(first);
                let (a, b) = self.alike(second?, *values.get(2)?);
                self.graph.add(Op::Where(condition, a, b))
            }
            Function::Fill => {
                let (a, b) = self.alike(first, second?);
                self.graph.add(Op::Fill(a, b))
            }
            Function::IsValid => self.graph.add(Op::IsValid(first)),
            Function::Min if values.len() == 1 => return self.statistic(statistic::MIN, name, given, first, span),
            Function::Max if values.len() == 1 => return self.statistic(statistic::MAX, name, given, first, span),
            Function::Min => self.fold(OfTwo::Min, &values)?,
            Function::Max => self.fold(OfTwo::Max, &values)?,
            Function::Clip => {
                let least = self.fold(OfTwo::Max, &[first, second?])?;
                self.fold(OfTwo::Min, &[least, *values.get(2)?])?
            }
            Function::Absolute => self.of_one(OfOne::Absolute, first),
            Function::SquareRoot => self.of_one(OfOne::SquareRoot, first),
            Function::Floor => self.of_one(OfOne::Round(Rounding::Floor), first),
            Function::Ceil => self.of_one(OfOne::Round(Rounding::Ceil), first),
            Function::Round => self.of_one(OfOne::Round(Rounding::Nearest), first),
            Function::Truncate => self.of_one(OfOne::Round(Rounding::Truncate), first),
            Function::Power => {
                let (a, b) = (self.graph.as_float(first), self.graph.as_float(second?));
                self.power(a, b)
            }
            Function::And => self.logic(Bits::And, first, second?)?,
            Function::Or => self.logic(Bits::Or, first, second?)?,
            Function::Not => {
                let value = self.graph.as_bool(first);
                self.graph.add(Op::Invert(value))
            }
            Function::Call1(export) => {
                let value = self.graph.as_float(first);
                self.graph.add(Op::Call1(export, value))
            }
            Function::Call2(export) => {
                let (a, b) = (self.graph.as_float(first), self.graph.as_float(second?));
                self.graph.add(Op::Call2(export, a, b))
            }
            Function::Statistic(which) => return self.statistic(which, name, given, first, span),
            Function::Median | Function::Percentile => {
                return self.statistic(statistic::PERCENTILE, name, given, first, span);
            }
        })
    }

    fn of_one(&mut self, operation: OfOne, value: Id) -> Id {
        let value = self.graph.as_float(value);
        self.graph.add(Op::OfOne(operation, value))
    }

    /// The smallest or largest of several values.
    fn fold(&mut self, operation: OfTwo, values: &[Id]) -> Option<Id> {
        let mut values = values.iter();
        let mut result = self.graph.as_float(*values.next()?);
        for value in values {
            let value = self.graph.as_float(*value);
            result = self.graph.add(Op::OfTwo(operation, result, value));
        }
        Some(result)
    }

    fn statistic(&mut self, which: u32, name: &str, given: &[tree::Id], value: Id, span: Range<usize>) -> Option<Id> {
        let percent = match given.get(1) {
            None => Percent::Constant(50.0),
            Some(id) => self.percent(*id)?,
        };
        let node = self.graph.node(value);
        let place = given.first().map_or(span.clone(), |id| self.span(*id));
        let bands = |input: usize| self.source.inputs.get(input).and_then(|input| input.bands);
        let single = node.lists == 0 && Graph::members(node.moving).all(|input| bands(input) == Some(1));
        if single {
            let remedy = if matches!(which, statistic::MIN | statistic::MAX) {
                format!("of several values: {name}(a, b)")
            } else {
                "paths = [\"a.tif\", \"b.tif\"] makes an input a list; a statistic over the whole raster is none of a pixel".to_owned()
            };
            let message =
                format!("`{name}` is for each pixel over the files of a list, or over bands, and this has one value");
            self.wrong(place, message, remedy);
            return None;
        }
        let files = |input: usize| Some((self.source.inputs.get(input)?, self.source.inputs.get(input)?.files?));
        let lists: Vec<_> = Graph::members(node.lists).filter_map(files).collect();
        if let Some((first, count)) = lists.first()
            && let Some((other, others)) = lists.iter().find(|(_, others)| others != count)
        {
            let message = format!("`{}` has {count} files and `{}` has {others}", first.name, other.name);
            self.wrong(place, message, "");
            return None;
        }
        if node.lists == 0 && !self.bands_agree(node.moving, place) {
            return None;
        }
        let argument = self.graph.as_float(value);
        let wanted = Statistic { which, percent, argument, lists: node.lists, moving: node.moving };
        let number = match self.graph.statistics.iter().position(|other| *other == wanted) {
            Some(number) => number,
            None if self.graph.statistics.len() < MOST_STATISTICS => {
                self.graph.statistics.push(wanted);
                self.graph.statistics.len().saturating_sub(1)
            }
            None => {
                self.wrong(span, format!("there are more than {MOST_STATISTICS} statistics"), "");
                return None;
            }
        };
        Some(self.graph.push(crate::graph::Node {
            op: Op::Statistic(number),
            kind: Kind::Float,
            whole: which == statistic::COUNT,
            // Files and bands are fewer than 2¹⁷.
            bits: if which == statistic::COUNT { 17 } else { ANY },
            lists: 0,
            moving: if node.lists == 0 { 0 } else { node.moving },
        }))
    }

    /// The percentile: a number or a parameter.
    fn percent(&mut self, id: tree::Id) -> Option<Percent> {
        let value = self.of(id)?;
        match self.graph.node(value).op {
            Op::Float(bits) if (0.0..=100.0).contains(&f64::from_bits(bits)) => {
                Some(Percent::Constant(f64::from_bits(bits)))
            }
            Op::Param(param) if self.graph.node(value).kind != Kind::Bool => Some(Percent::Param(param)),
            _ => {
                self.wrong(self.span(id), "a percentile is a number from 0 to 100, or a parameter", "");
                None
            }
        }
    }
}
