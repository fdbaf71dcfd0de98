//! The marks of invalid pixels in a tile, as a part of the payload for workers that are sent its pixels.
//!
//! Two 64-bit numbers for each band of each file whose mark may change from tile to tile: 1 if the band has a mark, and its bits.

use super::task::{Raster, Task};
use raster::Found;

const ENTRY: usize = 16;

/// Bytes of the part; 0 where the task already has all marks.
pub fn len(task: &Task) -> usize {
    rasters(task).filter(|raster| raster.source.marks_vary()).map(bytes_of).fold(0, usize::saturating_add)
}

/// Writes the marks of a tile. `found`: what reading found in each file of all inputs, in order.
pub fn write(task: &Task, found: &[Found], out: &mut [u8]) {
    let varying = rasters(task).zip(found).filter(|(raster, _)| raster.source.marks_vary());
    let marks = varying.flat_map(|(raster, found)| {
        raster.bands.iter().enumerate().map(|(index, band)| found.mark(index, band.nodata))
    });
    for (mark, entry) in marks.zip(out.as_chunks_mut::<ENTRY>().0) {
        let (is_there, bits) = (u64::from(mark.is_some()), mark.unwrap_or_default());
        *entry = ((u128::from(bits) << 64) | u128::from(is_there)).to_le_bytes();
    }
}

/// The marks of file `number` of all inputs, in order; none where the part is too short.
pub fn read(task: &Task, number: usize, part: &[u8]) -> Option<Vec<(usize, Option<u64>)>> {
    let raster = rasters(task).nth(number)?;
    if !raster.source.marks_vary() {
        return Some(Vec::new());
    }
    let before = rasters(task).take(number).filter(|raster| raster.source.marks_vary()).map(bytes_of).sum::<usize>();
    let entries = part.get(before..before.checked_add(bytes_of(raster))?)?.as_chunks::<ENTRY>().0;
    let marks = raster.bands.iter().zip(entries).enumerate().map(|(index, (band, entry))| {
        let entry = u128::from_le_bytes(*entry);
        let [is_there, ..] = entry.to_le_bytes();
        let mark = (is_there != 0).then_some(u64::try_from(entry >> 64).unwrap_or_default());
        (mark != band.nodata).then_some((index, mark))
    });
    Some(marks.flatten().collect())
}

fn bytes_of(raster: &Raster) -> usize {
    raster.bands.len().saturating_mul(ENTRY)
}

fn rasters(task: &Task) -> impl Iterator<Item = &Raster> {
    task.inputs.iter().flat_map(|input| &input.rasters)
}
