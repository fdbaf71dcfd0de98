//! The kernel's code: for each stage a loop that computes [`GROUP`](crate::layout::GROUP) pixels, or fewer, at a time.

mod convert;
mod integers;
mod store;
mod values;

use crate::graph::{Graph, Id, Kind, Op};
use crate::layout::{GROUP, Slot};
use crate::stages::{Stage, Stages, Stream};
use crate::{Asked, Source, asked};
use std::collections::HashMap;
use std::mem::offset_of;
use wasm_encoder::{InstructionSink, MemArg, ValType};

/// Pixels of a vector of 32-bit numbers.
const LANES: u32 = 4;
/// Stages of more nodes compute [`LANES`] pixels at a time: their loops are long enough.
const SHORT: usize = 48;

/// The kernel's parameters.
mod param {
    pub const STAGE: u32 = 0;
    pub const SLOTS: u32 = 1;
    pub const PIXELS: u32 = 2;
    pub const OUT: u32 = 3;
    pub const PARAMS: u32 = 4;
    pub const MARK: u32 = 5;
    pub const COUNT: u32 = 6;
}

/// The kernel: its locals beside the parameters, and its instructions.
pub struct Kernel {
    pub locals: Vec<(u32, ValType)>,
    pub code: Vec<u8>,
}

/// A value of [`LANES`] pixels: one vector of 32-bit numbers, or two of 64-bit numbers. Bools are masks of 32 bits.
#[derive(Clone, Copy, Debug)]
struct Value {
    /// The locals that hold it.
    parts: [u32; 2],
    /// Which pixels are valid, a mask of 32 bits; none when all are. A float is NaN where it isn't, too.
    valid: Option<u32>,
}

/// Writes the kernel. `runtime` gives the index of a function of the runtime.
pub fn kernel(
    source: &Source<'_>,
    graph: &Graph,
    stages: &Stages,
    runtime: &dyn Fn(&str) -> Option<u32>,
) -> Option<Kernel> {
    let mut writer = Writer {
        source,
        graph,
        runtime,
        code: Vec::new(),
        next: 0,
        most: 0,
        values: HashMap::new(),
        bases: 0,
        ints: 0,
        marks: HashMap::new(),
        unroll: 0,
    };
    let all = stages.outputs.iter().chain(&stages.statistics);
    // The locals of one type lie together: first those that hold addresses.
    let most_streams = all.clone().map(|stage| stage.streams.len()).max().unwrap_or(0);
    let ints = u32::try_from(most_streams).ok()?.checked_add(fixed::INTS)?;
    writer.ints = param::COUNT;
    writer.bases = param::COUNT.checked_add(fixed::INTS)?;
    let vectors = param::COUNT.checked_add(ints)?;
    for (number, stage) in all.enumerate() {
        writer.next = vectors;
        writer.values.clear();
        writer.marks.clear();
        writer.stage(u32::try_from(number).ok()?, stage, number)?;
    }
    writer.put().i64_const(0).end();
    let vectors = writer.most.saturating_sub(vectors);
    let locals = vec![(ints, ValType::I32), (vectors, ValType::V128)];
    Some(Kernel { locals, code: writer.code })
}

/// Locals that every stage has.
mod fixed {
    /// Numbers of 32 bits: the pixel's number, its offset in 4 bytes, that in 8.
    pub const INTS: u32 = 3;
    pub const PIXEL: u32 = 0;
    pub const OFFSET4: u32 = 1;
    pub const OFFSET8: u32 = 2;
}

struct Writer<'a> {
    source: &'a Source<'a>,
    graph: &'a Graph,
    runtime: &'a dyn Fn(&str) -> Option<u32>,
    code: Vec<u8>,
    /// The next free local of vectors, and the most that were taken.
    next: u32,
    most: u32,
    /// What has been computed of these pixels.
    values: HashMap<Id, Value>,
    /// The first local with a stream's address.
    bases: u32,
    /// The first of the fixed locals.
    ints: u32,
    /// Of streams with a mark: the local that has it.
    marks: HashMap<usize, u32>,
    /// Which vector of the group.
    unroll: u32,
}

impl Writer<'_> {
    fn put(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// Takes a local for the vector on the stack.
    fn keep(&mut self) -> u32 {
        let local = self.take();
        self.put().local_set(local);
        local
    }

    fn take(&mut self) -> u32 {
        let local = self.next;
        self.next = self.next.saturating_add(1);
        self.most = self.most.max(self.next);
        local
    }

    fn stage(&mut self, number: u32, stage: &Stage, index: usize) -> Option<()> {
        // What is only read needs no code, see `direct`.
        if stage.statistic.is_some() && direct(self.source, self.graph, stage) {
            return Some(());
        }
        self.put().block(wasm_encoder::BlockType::Empty);
        self.put().local_get(param::STAGE).i32_const(i32::try_from(number).ok()?).i32_ne().br_if(0);
        self.put().local_get(param::PIXELS).i32_eqz().br_if(0);
        self.head(stage)?;
        let output = if stage.statistic.is_none() { self.graph.outputs.get(index) } else { None };
        let store = output.map(|output| self.store_head(output));
        let (pixel, offset4, offset8) =
            (self.ints + fixed::PIXEL, self.ints + fixed::OFFSET4, self.ints + fixed::OFFSET8);
        let calls = stage.nodes.iter().any(|id| matches!(self.graph.node(*id).op, Op::Call1(..) | Op::Call2(..)));
        let vectors = if stage.nodes.len() > SHORT || calls { 1 } else { GROUP / LANES };
        self.put().i32_const(0).local_set(pixel);
        self.put().loop_(wasm_encoder::BlockType::Empty);
        self.put().local_get(pixel).i32_const(2).i32_shl().local_set(offset4);
        self.put().local_get(pixel).i32_const(3).i32_shl().local_set(offset8);
        let before = self.next;
        for vector in 0..vectors {
            self.unroll = vector;
            self.next = before;
            self.values.clear();
            let mut stream = 0;
            for id in &stage.nodes {
                let value = self.value(*id, &mut stream)?;
                self.values.insert(*id, value);
            }
            let value = *self.values.get(&stage.root)?;
            match (output, &store) {
                (Some(output), Some(store)) => self.store(output, value, store)?,
                _ => self.store_floats(value, self.graph.double),
            }
        }
        self.put().local_get(pixel).i32_const(i32::try_from(vectors * LANES).ok()?).i32_add().local_tee(pixel);
        self.put().local_get(param::PIXELS).i32_lt_u().br_if(0).end();
        match &store {
            Some(store) => self.store_tail(store),
            None => _ = self.put().i64_const(0),
        }
        self.put().return_().end();
        Some(())
    }

    /// Loads the addresses and marks of a stage's streams.
    fn head(&mut self, stage: &Stage) -> Option<()> {
        for (number, stream) in stage.streams.iter().enumerate() {
            let slot = u64::try_from(number.checked_mul(size_of::<Slot>())?).ok()?;
            let base = self.base(number)?;
            let at = |field: usize, align| MemArg { offset: slot.saturating_add(field as u64), align, memory_index: 0 };
            self.put().local_get(param::SLOTS).i32_load(at(offset_of!(Slot, address), 2)).local_set(base);
            if let Stream::Input(input, _) = stream {
                let double = self.is_double(*input);
                self.put().local_get(param::SLOTS);
                if double {
                    self.put().v128_load64_splat(at(offset_of!(Slot, mark), 3));
                } else {
                    self.put().f64_load(at(offset_of!(Slot, mark), 3)).f32_demote_f64().f32x4_splat();
                }
                let mark = self.keep();
                self.marks.insert(number, mark);
            }
        }
        Some(())
    }

    /// The local with a stream's address.
    fn base(&self, stream: usize) -> Option<u32> {
        self.bases.checked_add(u32::try_from(stream).ok()?)
    }

    fn is_double(&self, input: usize) -> bool {
        self.source.inputs.get(input).is_some_and(|input| asked(input.dtype) == Asked::Float64)
    }

    fn kind(&self, id: Id) -> Kind {
        self.graph.node(id).kind
    }

    /// Whether a value takes two vectors.
    fn is_pair(&self, kind: Kind) -> bool {
        match kind {
            Kind::Float => self.graph.double,
            Kind::Int => self.graph.wide,
            Kind::Bool => false,
        }
    }

    /// Where these pixels are, `size` bytes each, the vector's number within them counted from 0.
    fn at(&self, size: u32, vector: u32) -> MemArg {
        let offset = self.unroll.saturating_mul(LANES).saturating_mul(size).saturating_add(vector.saturating_mul(16));
        MemArg { offset: offset.into(), align: 0, memory_index: 0 }
    }
}

/// Whether a statistic is of an input's pixels as they are, so that no kernel has to copy them.
pub fn direct(source: &Source<'_>, graph: &Graph, stage: &Stage) -> bool {
    let double = |input: usize| source.inputs.get(input).is_some_and(|input| asked(input.dtype) == Asked::Float64);
    matches!(graph.node(stage.root).op, Op::Load(input, _) if double(input) == graph.double)
}
