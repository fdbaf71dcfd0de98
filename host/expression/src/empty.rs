//! Whether an output has valid pixels where no input has any.

use crate::graph::{Graph, Op};
use crate::layout::statistic;

/// Whether one of the outputs may.
pub fn fills(graph: &Graph) -> bool {
    let mut valid: Vec<bool> = Vec::new();
    for node in &graph.nodes {
        let of = |id: usize| valid.get(id) == Some(&true);
        let here = match node.op {
            Op::Load(..) => false,
            Op::Float(bits) => !f64::from_bits(bits).is_nan(),
            Op::IsValid(_) => true,
            Op::Fill(a, b) => of(a) || of(b),
            Op::Where(condition, a, b) => of(condition) && (of(a) || of(b)),
            Op::Statistic(number) => graph
                .statistics
                .get(number)
                .is_some_and(|statistic| statistic.which == statistic::COUNT || of(statistic.argument)),
            op => op.operands().all(of),
        };
        valid.push(here);
    }
    graph.outputs.iter().any(|output| valid.get(output.value) == Some(&true))
}
