//! The tables of a module, and its description.

use crate::graph::{Graph, Percent, Statistic};
use crate::kernel;
use crate::layout::{self, OVER_BANDS, OVER_FILES, Program, Span, TABLES};
use crate::stages::{Stage, Stages, Stream};
use crate::{Asked, Source, asked};
use bytemuck::Pod;
use serde_json::{Value, json};
use tilefn_abi::ParamKind;

/// Longest part of the text that the description quotes, in characters.
const QUOTED: usize = 2000;

/// Tables that grow.
struct Writer {
    bytes: Vec<u8>,
    start: u32,
}

/// The tables for a place in memory; none if they are too long.
pub fn tables(source: &Source<'_>, graph: &Graph, stages: &Stages, start: u32) -> Option<Vec<u8>> {
    let mut writer = Writer { bytes: vec![0; size_of::<Program>()], start };
    let description = description(source, graph).to_string();
    let describe = writer.text(&description)?;
    let names = source.inputs.iter().map(|input| writer.text(&input.name)).collect::<Option<Vec<_>>>()?;
    let inputs = writer.list(&names)?;
    let mut outputs = Vec::new();
    for (stage, output) in stages.outputs.iter().zip(&graph.outputs) {
        let common = writer.stage(source, graph, stage, graph.node(stage.root).moving)?;
        outputs.push(layout::Stage { name: writer.text(&output.name)?, dtype: output.dtype as u32, ..common });
    }
    let mut statistics = Vec::new();
    for stage in &stages.statistics {
        let Statistic { which, percent, lists, moving, .. } = stage.statistic?;
        let common = writer.stage(source, graph, stage, moving)?;
        let (percent_param, percent) = match percent {
            Percent::Constant(percent) => (0, percent),
            Percent::Param(param) => (u32::try_from(param).ok()?.checked_add(1)?, 0.0),
        };
        statistics.push(layout::Stage {
            statistic: which,
            axis: if lists == 0 { OVER_BANDS } else { OVER_FILES },
            lists: writer.inputs(lists)?,
            direct: u32::from(kernel::direct(source, graph, stage)),
            percent_param,
            percent,
            ..common
        });
    }
    let program = Program {
        describe,
        outputs: writer.list(&outputs)?,
        statistics: writer.list(&statistics)?,
        inputs,
        float: if graph.double { 8 } else { 4 },
    };
    writer.bytes.get_mut(..size_of::<Program>())?.copy_from_slice(bytemuck::bytes_of(&program));
    (writer.bytes.len() <= TABLES).then_some(writer.bytes)
}

impl Writer {
    fn list<T: Pod>(&mut self, items: &[T]) -> Option<Span> {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let address = self.start.checked_add(u32::try_from(self.bytes.len()).ok()?)?;
        self.bytes.extend_from_slice(bytemuck::cast_slice(items));
        Some(Span { address, len: u32::try_from(items.len()).ok()? })
    }

    fn text(&mut self, text: &str) -> Option<Span> {
        self.list(text.as_bytes())
    }

    /// Numbers of the inputs in a set.
    fn inputs(&mut self, set: u64) -> Option<Span> {
        let numbers = Graph::members(set).map(u32::try_from).collect::<Result<Vec<_>, _>>().ok()?;
        self.list(&numbers)
    }

    /// What stages of outputs and statistics have in common.
    fn stage(&mut self, source: &Source<'_>, graph: &Graph, stage: &Stage, moving: u64) -> Option<layout::Stage> {
        let streams = stage.streams.iter().map(|stream| {
            Some(match stream {
                Stream::Input(input, band) => {
                    let double = source.inputs.get(*input).is_some_and(|input| asked(input.dtype) == Asked::Float64);
                    let index = u32::try_from(*input).ok()?;
                    layout::Stream { result: 0, index, band: band.unwrap_or(0), size: if double { 8 } else { 4 } }
                }
                Stream::Result(number) => {
                    let index = u32::try_from(*number).ok()?;
                    layout::Stream { result: 1, index, band: 0, size: if graph.double { 8 } else { 4 } }
                }
            })
        });
        let streams = streams.collect::<Option<Vec<_>>>()?;
        let needs = stage.needs.iter().map(|number| u32::try_from(*number)).collect::<Result<Vec<_>, _>>().ok()?;
        Some(layout::Stage {
            streams: self.list(&streams)?,
            needs: self.list(&needs)?,
            moving: self.inputs(moving)?,
            ..layout::Stage::default()
        })
    }
}

/// The function's description, see docs/abi.md.
fn description(source: &Source<'_>, graph: &Graph) -> Value {
    let inputs: Vec<_> = source
        .inputs
        .iter()
        .map(|input| {
            let dtype = match asked(input.dtype) {
                Asked::Float32 => "float32",
                Asked::Float64 => "float64",
            };
            json!({ "name": input.name, "dtype": dtype, "list": input.list })
        })
        .collect();
    let params: Vec<_> = source
        .params
        .iter()
        .map(|param| {
            let kind = match param.kind {
                ParamKind::Bool => "bool",
                ParamKind::Int => "int",
                ParamKind::Float => "float",
                ParamKind::Text => "text",
                ParamKind::Bytes => "bytes",
            };
            json!({ "name": param.name, "type": kind, "default": param.default })
        })
        .collect();
    let outputs: Vec<_> =
        graph.outputs.iter().map(|output| json!({ "name": output.name, "dtype": output.dtype.name() })).collect();
    let doc: String = source.text.trim().chars().take(QUOTED).collect();
    json!({ "name": crate::NAME, "doc": doc, "inputs": inputs, "params": params, "outputs": outputs })
}
