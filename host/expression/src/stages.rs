//! The loops that compute a graph: one for each output, one for what each statistic is of.
//!
//! A statistic over files has a value for each band; one over bands has a single value, which no loop over bands changes. So
//! all statistics are computed for the band of the output, except those over files inside one over bands: they are computed
//! anew for each of its bands, by stages of their own.

use crate::graph::{Graph, Id, Op, Statistic};
use std::collections::{BTreeMap, BTreeSet};

/// Most stages: they are code.
const MOST: usize = 256;

/// What a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// An input's number, and the band from 1; none: as the stage goes.
    Input(usize, Option<u32>),
    /// The number of a statistic's stage.
    Result(usize),
}

/// A loop over pixels.
#[derive(Debug)]
pub struct Stage {
    /// The node that it computes.
    pub root: Id,
    /// The nodes that the root needs, in order; itself the last.
    pub nodes: Vec<Id>,
    /// One for each of these nodes that reads, in their order.
    pub streams: Vec<Stream>,
    /// The stages of statistics that are needed first, in order.
    pub needs: Vec<usize>,
    /// Of a statistic's stage.
    pub statistic: Option<Statistic>,
}

/// All stages.
#[derive(Debug)]
pub struct Stages {
    /// Of the outputs, in their order.
    pub outputs: Vec<Stage>,
    pub statistics: Vec<Stage>,
}

/// Divides a graph; none if there would be too many stages.
pub fn divide(graph: &Graph) -> Option<Stages> {
    let count = graph.statistics.len();
    let mut stages = Stages { outputs: Vec::new(), statistics: Vec::new() };
    // The first are those for the output's band, by the numbers of the statistics.
    let mut for_bands = Vec::new();
    for statistic in &graph.statistics {
        let mut needs = Vec::new();
        let mut instead = BTreeMap::new();
        if statistic.lists == 0 {
            for inner in reached(graph, statistic.argument, Band::Each).1 {
                let number = count.checked_add(for_bands.len())?;
                needs.push(number);
                instead.insert(inner, number);
                for_bands.push((inner, instead.clone()));
            }
        }
        stages.statistics.push(stage(graph, statistic.argument, needs, Some(*statistic), &instead));
        if stages.statistics.len().checked_add(for_bands.len())? > MOST {
            return None;
        }
    }
    for (number, instead) in for_bands {
        let statistic = *graph.statistics.get(number)?;
        stages.statistics.push(stage(graph, statistic.argument, Vec::new(), Some(statistic), &instead));
    }
    for output in &graph.outputs {
        let needs = reached(graph, output.value, Band::Outputs).0;
        stages.outputs.push(stage(graph, output.value, needs.into_iter().collect(), None, &BTreeMap::new()));
    }
    Some(stages)
}

/// For which band a value is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Band {
    /// The output's.
    Outputs,
    /// Each of those that the statistic in question goes over.
    Each,
    /// Each of those that another statistic goes over, whose affair it is.
    Others,
}

/// The statistics that a value needs: those for the output's band, and those for each band of the statistic whose argument it is.
fn reached(graph: &Graph, root: Id, band: Band) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let (mut once, mut each) = (BTreeSet::new(), BTreeSet::new());
    let mut seen = BTreeSet::new();
    let mut open = vec![(root, band)];
    while let Some((root, band)) = open.pop() {
        for number in statistics(graph, root) {
            let Some(statistic) = graph.statistics.get(number) else { continue };
            let by_band = statistic.lists != 0 && statistic.moving != 0;
            let band = match band {
                Band::Each | Band::Others if by_band => band,
                _ if statistic.lists == 0 => Band::Others,
                _ => Band::Outputs,
            };
            match band {
                Band::Each => each.insert(number),
                Band::Others if by_band => false,
                _ => once.insert(number),
            };
            if seen.insert((number, band)) {
                open.push((statistic.argument, band));
            }
        }
    }
    (once, each)
}

/// The statistics that a value is directly made of.
fn statistics(graph: &Graph, root: Id) -> Vec<usize> {
    let of = |id: Id| match graph.node(id).op {
        Op::Statistic(number) => Some(number),
        _ => None,
    };
    needed(graph, root).into_iter().filter_map(of).collect()
}

/// The nodes that a value is made of, in order. A statistic is the end: it comes from another loop.
fn needed(graph: &Graph, root: Id) -> Vec<Id> {
    let mut needed = vec![false; root.saturating_add(1)];
    if let Some(last) = needed.last_mut() {
        *last = true;
    }
    for id in (0..=root).rev() {
        if needed.get(id) == Some(&true) {
            for operand in graph.node(id).op.operands() {
                if let Some(place) = needed.get_mut(operand) {
                    *place = true;
                }
            }
        }
    }
    needed.iter().enumerate().filter(|(_, needed)| **needed).map(|(id, _)| id).collect()
}

fn stage(
    graph: &Graph,
    root: Id,
    needs: Vec<usize>,
    statistic: Option<Statistic>,
    instead: &BTreeMap<usize, usize>,
) -> Stage {
    let nodes = needed(graph, root);
    let stream = |id: &Id| match graph.node(*id).op {
        Op::Load(input, band) => Some(Stream::Input(input, band)),
        Op::Statistic(number) => Some(Stream::Result(instead.get(&number).copied().unwrap_or(number))),
        _ => None,
    };
    let streams = nodes.iter().filter_map(stream).collect();
    Stage { root, nodes, streams, needs, statistic }
}
