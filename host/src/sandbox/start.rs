//! The state in which an instance waits for its inputs, and the way back to it.

use std::ops::Range;

use super::instance::GuestRange;
use super::running::{Registers, Running};
use super::written::PageMap;

/// Bytes in which memory is looked through for what isn't zero.
const PIECE: usize = 4 << 10;
/// Bytes that are looked through, and put back, at most. An instance of which more has been written is dropped: to clear that
/// much takes its time either way, and a module could have the host remember as much again as its own memory.
const MOST: usize = 64 << 20;

/// The state of an instance whose module has just given memory for the inputs. What these hold is not part of it: they
/// are filled, completely, before anything of the module runs.
pub(super) struct Start {
    /// The places that aren't inputs, in ascending order.
    rest: Vec<Range<usize>>,
    /// Bytes of its memory.
    len: usize,
    /// The pieces of it that aren't all zeros, in ascending order.
    pieces: Vec<(usize, Box<[u8]>)>,
    registers: Registers,
}

impl Start {
    /// The state that `running` is in; `None` if there would be no way back to it.
    pub fn of(running: &mut Running, inputs: &[GuestRange], map: &PageMap) -> Option<Self> {
        let registers = running.registers()?;
        let image = running.image()?;
        let memory = running.memory();
        let rest = outside(inputs, memory.len());
        let (mut pieces, mut seen) = (Vec::new(), 0);
        for part in &rest {
            // What nobody has looked at of the image isn't written, but no zeros.
            let loaded = part.start.max(image.start).min(part.end)..part.end.min(image.end).max(part.start);
            let before = map.written(memory, part.start..loaded.start).ok()?;
            let after = map.written(memory, loaded.end..part.end).ok()?;
            for range in before.into_iter().chain(std::iter::once(loaded)).chain(after) {
                seen = within_most(seen, &range)?;
                for start in range.clone().step_by(PIECE) {
                    let piece = memory.get(start..start.saturating_add(PIECE).min(range.end))?;
                    if piece.iter().any(|byte| *byte != 0) {
                        pieces.push((start, piece.into()));
                    }
                }
            }
        }
        Some(Self { rest, len: memory.len(), pieces, registers })
    }

    /// Takes `running`, whose state it was, back to it; `None` if that can't be done.
    pub fn go_back(&self, running: &mut Running, map: &PageMap) -> Option<()> {
        // A memory can't be made smaller.
        (running.memory().len() == self.len).then_some(())?;
        running.set_registers(&self.registers)?;
        let mut seen = 0;
        for part in &self.rest {
            // A gap between two inputs isn't worth the question.
            let gap = (part.len() < PIECE).then(|| vec![part.clone()]);
            for range in gap.map_or_else(|| map.written(running.memory(), part.clone()), Ok).ok()? {
                seen = within_most(seen, &range)?;
                self.put_back(running.memory_mut(), range);
            }
        }
        Some(())
    }

    fn put_back(&self, memory: &mut [u8], range: Range<usize>) {
        let first = self.pieces.partition_point(|(start, piece)| start.saturating_add(piece.len()) <= range.start);
        let mut done = range.start;
        for (start, piece) in self.pieces.iter().skip(first).take_while(|(start, _)| *start < range.end) {
            let from = (*start).max(range.start);
            let to = start.saturating_add(piece.len()).min(range.end);
            memory.get_mut(done..from).into_iter().for_each(|zeros| zeros.fill(0));
            if let (Some(place), Some(bytes)) = (memory.get_mut(from..to), piece.get(from - start..to - start)) {
                place.copy_from_slice(bytes);
            }
            done = to;
        }
        memory.get_mut(done..range.end).into_iter().for_each(|zeros| zeros.fill(0));
    }
}

/// The sum with the bytes of `range`, if that isn't too many.
fn within_most(sum: usize, range: &Range<usize>) -> Option<usize> {
    sum.checked_add(range.len()).filter(|sum| *sum <= MOST)
}

/// The parts of a memory of `len` bytes that are outside of `inputs`, in ascending order.
fn outside(inputs: &[GuestRange], len: usize) -> Vec<Range<usize>> {
    let mut inputs: Vec<_> = inputs.iter().map(|input| input.bounds()).collect();
    inputs.sort_by_key(|input| input.start);
    let mut start = 0;
    let mut parts = Vec::new();
    for input in inputs.into_iter().chain(std::iter::once(len..len)) {
        parts.extend((start < input.start).then_some(start..input.start));
        start = start.max(input.end);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_of_the_inputs() {
        let parts = |inputs: &[(u32, u32)]| {
            let inputs: Vec<_> = inputs.iter().map(|(start, len)| GuestRange::new(*start, *len)).collect();
            outside(&inputs, 50).into_iter().map(|part| (part.start, part.end)).collect::<Vec<_>>()
        };
        assert_eq!(parts(&[]), [(0, 50)]);
        assert_eq!(parts(&[(20, 10), (10, 10), (35, 5), (38, 3), (44, 0)]), [(0, 10), (30, 35), (41, 44), (44, 50)]);
        assert_eq!(parts(&[(0, 50)]), []);
        assert_eq!(parts(&[(5, 30), (10, 5)]), [(0, 5), (35, 50)]);
    }
}
