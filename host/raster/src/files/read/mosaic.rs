//! Reading windows of overlapping files as one raster.

use crate::files::fill::{fill, pixel_bytes};
use crate::files::layout::buffer_len;
use crate::files::read::convert::unused_mark;
use crate::files::read::halo::read_with_edge;
use crate::files::read::source::Source;
use crate::{Error, Found, MosaicSpec, Result, SourceSpec};
use grid::Window;
use std::ops::Range;
use types::{MosaicRule, Number, Pixel, for_dtype};

/// Files that a mosaic keeps open: those around a tile, of which the next tile needs most.
const OPEN: usize = 16;
/// Pixels beyond its window in which a resampled file may still have some: its extent was drawn as an outline.
const AROUND: u32 = 4;

/// Open files of a mosaic.
#[derive(Debug)]
pub struct Mosaic {
    spec: MosaicSpec,
    /// Those used last come last.
    open: Vec<(usize, Source)>,
    room: usize,
}

impl Mosaic {
    /// Opens no file yet. `room` files may stay open.
    ///
    /// # Errors
    /// None; a build without GDAL refuses.
    pub fn open(spec: &MosaicSpec, room: usize) -> Result<Self> {
        Ok(Self { spec: spec.clone(), open: Vec::new(), room: room.clamp(1, OPEN) })
    }

    /// Reads a window as [`Source::read`] does.
    ///
    /// # Errors
    /// As [`Source::open`] and [`Source::read`].
    pub fn read(&mut self, window: Window, out: &mut [u8]) -> Result<Found> {
        let Some(first) = self.spec.parts.first() else { return Ok(Found::default()) };
        let (size, bands) = (first.dtype.size(), first.bands.len());
        let shape = |reason: String| Error::Shape { path: first.path.clone(), reason };
        if window.is_empty() || buffer_len(bands, &window, size) != Some(out.len()) {
            return Err(shape(format!("{} bytes for {bands} bands of {window}", out.len())));
        }
        let (rows, cols) = first.grid_size;
        let grid = Window::new(0, 0, rows, cols);
        let too_large = shape(format!("a window of {window} is too large"));
        let data = self.spec.parts.iter().try_fold(grid, |all, part| all.union(&part.window()));
        // Where the files are too far apart to be counted, nothing lies beyond them.
        let data = data.unwrap_or(window);
        let how = (first.edge, first.halo);
        let read = |window: &Window, core: &Window, out: &mut [u8]| self.merge(window, core, out);
        read_with_edge(how, &window, &data, (bands, size), out, read).unwrap_or(Err(too_large))
    }

    /// Reads a window of all files that reach it.
    fn merge(&mut self, window: &Window, core: &Window, out: &mut [u8]) -> Result<Found> {
        let Some(first) = self.spec.parts.first() else { return Ok(Found::default()) };
        let (dtype, bands, path) = (first.dtype, first.bands.len(), first.path.clone());
        let too_large = || Error::Shape { path: path.clone(), reason: format!("a window of {window} is too large") };
        let pixels = buffer_len(bands, window, 1).ok_or_else(too_large)?;
        let plane = buffer_len(1, window, 1).ok_or_else(too_large)?;
        let sums = if self.spec.rule == MosaicRule::Mean { pixels } else { 0 };
        let mut merged = Merged { counts: vec![0; pixels], sums: vec![0.0; sums] };
        let mut scratch = vec![0; out.len()];
        let mut all = Found::default();
        for index in 0..self.spec.parts.len() {
            let Some(part) = self.spec.parts.get(index).filter(|part| reaches(part, window)) else { continue };
            let marks: Vec<_> = part.bands.iter().map(|band| band.mark).collect();
            let found = self.source(index)?.read_with_fill(window, core, &mut scratch)?;
            all.clamped += found.clamped;
            all.rounded += found.rounded;
            all.moved += found.moved;
            let planes = scratch.chunks_exact(plane * dtype.size()).zip(out.chunks_exact_mut(plane * dtype.size()));
            for ((band, mark), (from, to)) in marks.into_iter().enumerate().zip(planes) {
                let mark = found.mark(band, mark);
                let at = band * plane..(band + 1) * plane;
                for_dtype!(dtype, add(&mut merged, self.spec.rule, (from, mark), to, at));
            }
        }
        // Pixels without a value get the mark, or, where a valid one has that value, another one.
        for (band, to) in out.chunks_exact_mut(plane * dtype.size()).enumerate() {
            let at = band * plane..(band + 1) * plane;
            for_dtype!(dtype, means(&merged, to, at.clone()));
            let counts = merged.counts.get(at).unwrap_or_default();
            let mark = for_dtype!(dtype, taken(to, counts, self.spec.mark)).then(|| {
                let bytes = pixel_bytes(self.spec.mark, dtype);
                put(to, counts, bytes.get(..dtype.size()).unwrap_or_default());
                unused_mark(dtype, to)
            });
            let bits = mark.flatten().unwrap_or(self.spec.mark);
            let mut pixel = vec![0; dtype.size()];
            fill(&mut pixel, bits, dtype);
            put(to, counts, &pixel);
            if let Some(mark) = mark {
                let invalid = counts.contains(&0);
                if invalid && mark.is_none() {
                    all.moved += 1;
                }
                all.marks.push((band, if invalid { Some(bits) } else { None }));
            }
        }
        Ok(all)
    }

    /// A file, opened if it isn't open.
    fn source(&mut self, index: usize) -> Result<&mut Source> {
        let open = match self.open.iter().position(|(open, _)| *open == index) {
            Some(at) => self.open.remove(at),
            None => {
                if self.open.len() >= self.room {
                    self.open.remove(0);
                }
                let part = self.spec.parts.get(index);
                (index, Source::open(part.unwrap_or_else(|| unreachable!("the caller counts the parts")))?)
            }
        };
        self.open.push(open);
        let last = self.open.last_mut();
        Ok(&mut last.unwrap_or_else(|| unreachable!("it was just put there")).1)
    }
}

/// Whether a file may have pixels in a window.
fn reaches(part: &SourceSpec, window: &Window) -> bool {
    part.window().padded(AROUND).is_none_or(|around| around.intersection(window).is_some())
}

/// What was merged so far: for each pixel of all bands, how many files had a valid one, and their sum.
struct Merged {
    counts: Vec<u32>,
    sums: Vec<f64>,
}

/// Adds a file's valid pixels, which are those without its mark.
fn add<T: Pixel>(
    merged: &mut Merged,
    rule: MosaicRule,
    (from, mark): (&[u8], Option<u64>),
    to: &mut [u8],
    at: Range<usize>,
) {
    let mark = mark.map(T::from_bits);
    let counts = merged.counts.get_mut(at.clone()).unwrap_or_default();
    let mut sums = merged.sums.get_mut(at).unwrap_or_default().iter_mut();
    let pixels = from.chunks_exact(size_of::<T>()).zip(to.chunks_exact_mut(size_of::<T>())).zip(counts);
    for ((from, to), count) in pixels {
        let sum = sums.next();
        let value: T = bytemuck::pod_read_unaligned(from);
        if value.is_nan() || mark == Some(value) {
            continue;
        }
        let there: T = bytemuck::pod_read_unaligned(to);
        let takes = *count == 0
            || match rule {
                MosaicRule::First | MosaicRule::Mean => false,
                MosaicRule::Last => true,
                MosaicRule::Min => is_less(value, there),
                MosaicRule::Max => is_less(there, value),
            };
        if takes {
            to.copy_from_slice(from);
        }
        if let Some(sum) = sum {
            *sum += value.number().as_float();
        }
        *count += 1;
    }
}

/// Puts the means in place where there are any; integers are rounded to the nearest, halves away from zero.
fn means<T: Pixel>(merged: &Merged, to: &mut [u8], at: Range<usize>) {
    let (Some(sums), Some(counts)) = (merged.sums.get(at.clone()), merged.counts.get(at)) else { return };
    for ((to, sum), count) in to.chunks_exact_mut(size_of::<T>()).zip(sums).zip(counts) {
        if *count > 1 {
            to.copy_from_slice(bytemuck::bytes_of(&T::nearest(Number::Float(sum / f64::from(*count))).0));
        }
    }
}

fn is_less<T: Pixel>(a: T, b: T) -> bool {
    match (a.number(), b.number()) {
        (Number::Signed(a), Number::Signed(b)) => a < b,
        (Number::Unsigned(a), Number::Unsigned(b)) => a < b,
        (a, b) => a.as_float() < b.as_float(),
    }
}

/// Whether a pixel that has a value has that of the mark.
fn taken<T: Pixel>(pixels: &[u8], counts: &[u32], mark: u64) -> bool {
    let mark = T::from_bits(mark);
    let mut pixels = pixels.chunks_exact(size_of::<T>()).zip(counts);
    pixels.any(|(pixel, count)| *count > 0 && bytemuck::pod_read_unaligned::<T>(pixel) == mark)
}

/// Gives this value to all pixels that have none.
fn put(pixels: &mut [u8], counts: &[u32], value: &[u8]) {
    for (pixel, count) in pixels.chunks_exact_mut(value.len().max(1)).zip(counts) {
        if *count == 0 {
            pixel.copy_from_slice(value);
        }
    }
}
