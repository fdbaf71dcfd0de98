//! Statistics and histograms of an output, from its tiles in any order, stored as GDAL and RIOS store them.
//!
//! Tiles are taken while they pass on their way into the file. Those that did not pass, as an earlier run wrote them or the format changes
//! pixels, are read from the file at the end. Either way the numbers are the same (decision 26).
//!
//! They are computed here, since GDAL compares 32- and 64-bit integers with the nodata value as float32 and so leaves valid pixels out,
//! and stores what it makes of an infinite value, which is no number.

mod counts;
mod histogram;
mod moments;
mod spread;
mod text;

use crate::files::fill::pixel_bytes;
use crate::files::layout::buffer_len;
use crate::files::write::classes::{Occurring, has_own_table};
use crate::files::write::creation::Creation;
use crate::files::write::passing::{Read, index_of, tiling};
use crate::files::write::spec::{TargetSpec, nodata_bits};
use crate::files::write::tree::Tree;
use counts::Counts;
use grid::{Tile, Tiling, Window};
use histogram::{Histogram, MOST_BINS, MOST_CLASSES};
use moments::{CHUNK, Moments};
use spread::Spread;
use text::general;
use tilefn_abi::DType;

/// Bytes that are read at a time.
const READ: usize = 4 << 20;

/// Collects what the job wants to know of all bands.
#[derive(Debug)]
pub(crate) struct Summary {
    kind: Kind,
    tiling: Tiling,
    /// Pixels of a band.
    pixels: u64,
    /// What each tile yields; for values that are counted, only that it has come.
    tiles: Tree<Vec<Moments>>,
    bands: Vec<Band>,
    /// Whether tiles are taken while they pass. If not, all are read at the end.
    passing: bool,
    values: Vec<f64>,
}

/// How pixels are taken.
#[derive(Clone, Copy, Debug)]
struct Kind {
    dtype: DType,
    /// The nodata value's ABI bits.
    nodata: Option<u64>,
    statistics: bool,
    histogram: bool,
    /// Whether the values are collected: for a histogram, or to be known one by one.
    collects: bool,
    thematic: bool,
    /// The last bin where there is one for each value from 0: a format with an attribute table of its own has as many rows as bins.
    last: f64,
}

/// What doesn't depend on the order of tiles.
#[derive(Debug)]
enum Band {
    /// Integers of up to 16 bits.
    Counted(Counts),
    /// All others.
    Spread(Spread),
}

/// The statistics of a band.
#[derive(Debug)]
pub(crate) struct Computed {
    /// Keys and texts to be stored.
    pub(crate) items: Vec<(&'static str, String)>,
    pub(crate) moments: Moments,
    pub(crate) occurring: Occurring,
    /// Median and mode, if there is a histogram.
    pub(crate) middle: Option<(f64, f64)>,
}

impl Summary {
    /// `None` if the job wants nothing of the kind.
    pub(crate) fn new(spec: &TargetSpec, passing: bool) -> crate::Result<Option<Self>> {
        if !(spec.statistics || spec.histogram || spec.color_table.is_some()) {
            return Ok(None);
        }
        let nodata = spec.nodata.map(|_| nodata_bits(spec)).transpose()?;
        let (rows, cols) = (spec.grid.rows, spec.grid.cols);
        let tiling = tiling(spec)?;
        let (statistics, histogram, thematic) = (spec.statistics, spec.histogram, spec.thematic);
        let collects = histogram || spec.needs_values();
        let own_table = Creation::plan(spec).is_ok_and(|creation| has_own_table(creation.driver_name()));
        let last = if own_table { spec.highest_given() as f64 } else { 0.0 };
        let kind = Kind { dtype: spec.dtype, nodata, statistics, histogram, collects, thematic, last };
        let bands = (0..spec.bands).map(|_| Band::new(kind)).collect();
        let (pixels, tiles) = (u64::from(rows) * u64::from(cols), Tree::new(tiling.count()));
        Ok(Some(Self { kind, tiling, pixels, tiles, bands, passing, values: Vec::new() }))
    }

    /// Has the histogram's bins cover the rows of the file's own attribute table, which GDAL would cut otherwise.
    pub(crate) fn cover(&mut self, rows: usize) {
        self.kind.last = self.kind.last.max(rows.saturating_sub(1) as f64);
    }

    /// Takes a window that is being written, packed as `[bands, rows, cols]`.
    pub(crate) fn pass(&mut self, window: &Window, data: &[u8]) {
        let Some(tile) = self.passing(window) else { return };
        let Some(plane) = buffer_len(1, window, self.kind.dtype.size()).filter(|plane| *plane > 0) else { return };
        let mut found = self.begin();
        for (band, plane) in data.chunks(plane).enumerate() {
            self.add_rows(&mut found, band, plane, window.cols);
        }
        self.end(tile, found);
    }

    /// Takes a window that is left without valid pixels.
    pub(crate) fn skip(&mut self, window: &Window) {
        let Some(tile) = self.passing(window) else { return };
        let mut found = self.begin();
        if self.kind.nodata.is_none() {
            // They read as 0.
            let row =
                vec![0; buffer_len(1, &Window { rows: 1, ..*window }, self.kind.dtype.size()).unwrap_or_default()];
            for band in 0..self.bands.len() {
                (0..window.rows).for_each(|_| self.add_rows(&mut found, band, &row, window.cols));
            }
        }
        self.end(tile, found);
    }

    /// The number of the tile that is this window. If it isn't one, or has come before, all tiles are read at the end.
    fn passing(&mut self, window: &Window) -> Option<u64> {
        let index = index_of(&self.tiling, window);
        let index = index.filter(|index| self.passing && !self.tiles.has(*index));
        if index.is_none() && self.passing {
            self.forget();
        }
        index
    }

    /// Forgets all tiles, to read them at the end.
    pub(crate) fn forget(&mut self) {
        self.passing = false;
        self.tiles = Tree::new(self.tiles.leaves());
        self.bands.iter_mut().for_each(|band| *band = Band::new(self.kind));
    }

    /// Reads the rest of the tiles, part by part. `go_on` is told which part of all tiles is done.
    pub(crate) fn read_missing(
        &mut self,
        read: &mut Read<'_>,
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<(), String> {
        let (mut at, mut bytes) = (0, Vec::new());
        while let Some(tile) = self.tiles.missing(at).and_then(|index| self.tiling.tile(index)) {
            if !go_on(tile.index as f64 / self.tiles.leaves() as f64) {
                return Err("stopped".into());
            }
            // What has been counted of a tile can't be taken out again.
            self.read_tile(&tile, &mut bytes, read).inspect_err(|_| self.forget())?;
            at = tile.index + 1;
        }
        Ok(())
    }

    fn read_tile(&mut self, tile: &Tile, bytes: &mut Vec<u8>, read: &mut Read<'_>) -> Result<(), String> {
        let (window, size) = (tile.window, self.kind.dtype.size());
        let too_large = || format!("{window} is too large");
        let row = buffer_len(1, &Window { rows: 1, ..window }, size).ok_or_else(too_large)?;
        let high = u32::try_from((READ / row.max(1)).max(1)).unwrap_or(u32::MAX);
        let mut found = self.begin();
        for band in 0..self.bands.len() {
            let mut done = 0;
            while done < window.rows {
                let rows = high.min(window.rows - done);
                let part = Window { row: window.row + i64::from(done), rows, ..window };
                bytes.resize(buffer_len(1, &part, size).ok_or_else(too_large)?, 0);
                read(band, &part, bytes)?;
                self.add_rows(&mut found, band, bytes, window.cols);
                done += rows;
            }
        }
        self.end(tile.index, found);
        Ok(())
    }

    fn begin(&self) -> Vec<Moments> {
        if counts::suits(self.kind.dtype) { Vec::new() } else { vec![Moments::default(); self.bands.len()] }
    }

    fn end(&mut self, tile: u64, found: Vec<Moments>) {
        let merge = |left: &mut Vec<Moments>, right: Vec<Moments>| {
            left.iter_mut().zip(right).for_each(|(left, right)| left.merge(&right));
        };
        self.tiles.add(tile, found, merge);
    }

    /// Adds rows of a band of a tile. Each row is taken by itself, so that parts of a tile yield what the whole does.
    fn add_rows(&mut self, found: &mut [Moments], band: usize, bytes: &[u8], cols: u32) {
        let Kind { dtype, nodata, collects, .. } = self.kind;
        let row = buffer_len(1, &Window::new(0, 0, 1, cols), dtype.size()).unwrap_or_default().max(1);
        match self.bands.get_mut(band) {
            Some(Band::Counted(counts)) => counts.add(bytes, dtype, nodata),
            Some(Band::Spread(spread)) => {
                let Some(found) = found.get_mut(band) else { return };
                for chunk in bytes.chunks(row).flat_map(|row| row.chunks(CHUNK * dtype.size())) {
                    self.values.clear();
                    let infinite = numbers(chunk, dtype, nodata, &mut self.values);
                    let mut moments = Moments::of(&self.values);
                    if collects && moments.count > 0 {
                        spread.add(&self.values, moments.min, moments.max);
                    }
                    moments.infinite = infinite;
                    found.merge(&moments);
                }
            }
            None => {}
        }
    }

    /// The statistics of each band, once all tiles have come.
    pub(crate) fn results(&self) -> Vec<Computed> {
        let of_tiles = self.tiles.root().map(Vec::as_slice).unwrap_or_default();
        let kind = self.kind;
        let result = |(number, band): (usize, &Band)| {
            let moments = match band {
                Band::Counted(counts) => counts.moments(kind.dtype),
                Band::Spread(_) => of_tiles.get(number).copied().unwrap_or_default(),
            };
            let (min, max) = (moments.min, moments.max);
            let histogram = match band {
                _ if !kind.histogram || moments.count == 0 => None,
                Band::Counted(counts) => Histogram::of_counts(counts, kind.dtype, kind.thematic, kind.last),
                Band::Spread(spread) => Some(Histogram::of_spread(
                    spread.clone(),
                    (min, max),
                    !kind.dtype.is_float(),
                    kind.thematic,
                    kind.last,
                )),
            };
            Computed {
                occurring: occurring(band, kind, &moments),
                items: items(kind, self.pixels, &moments, histogram.as_ref()),
                middle: histogram.map(|histogram| (histogram.median(), histogram.mode())),
                moments,
            }
        };
        self.bands.iter().enumerate().map(result).collect()
    }
}

impl Band {
    fn new(kind: Kind) -> Self {
        let integers = !kind.dtype.is_float();
        // Classes have a bin each, whatever the type.
        let most =
            if integers && kind.thematic { usize::try_from(MOST_CLASSES).unwrap_or(MOST_BINS) } else { MOST_BINS };
        if counts::suits(kind.dtype) {
            Self::Counted(Counts::default())
        } else {
            Self::Spread(Spread::new(most, integers))
        }
    }
}

/// The values of a band, each by itself if they are integers and don't span too much.
fn occurring(band: &Band, kind: Kind, moments: &Moments) -> Occurring {
    if kind.dtype.is_float() || moments.count == 0 {
        return Occurring { range: (0, 0), counts: Some(Vec::new()) };
    }
    let range = (integer(moments.min), integer(moments.max));
    let counts = match band {
        Band::Counted(counts) => {
            Some(counts.values(kind.dtype).map(|(value, count)| (integer(value), count)).collect())
        }
        Band::Spread(spread) if kind.collects && spread.width() == 1.0 => {
            let values = (integer(spread.start())..).zip(spread.counts().iter().copied());
            Some(values.filter(|(_, count)| *count > 0).collect())
        }
        Band::Spread(_) => None,
    };
    Occurring { range, counts }
}

fn integer(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "an integer, clamped to the type's range")]
    let integer = value as i64;
    integer
}

/// What is stored of a band with so many pixels. One without a valid pixel has no statistics, which is no error.
fn items(kind: Kind, pixels: u64, found: &Moments, histogram: Option<&Histogram>) -> Vec<(&'static str, String)> {
    // Integers in full, everything else as in GDAL.
    let value = |value: f64| if kind.dtype.is_float() { general(value, 14) } else { value.to_string() };
    let mut items = Vec::new();
    if kind.statistics && found.count > 0 {
        items.extend([
            ("STATISTICS_MINIMUM", value(found.min)),
            ("STATISTICS_MAXIMUM", value(found.max)),
            ("STATISTICS_MEAN", general(found.mean, 14)),
            ("STATISTICS_STDDEV", general((found.squares / found.count as f64).sqrt(), 14)),
        ]);
    }
    if kind.statistics {
        let percent = if found.count == pixels { 100.0 } else { 100.0 * found.count as f64 / pixels as f64 };
        items.push(("STATISTICS_VALID_PERCENT", general(percent, 4)));
    }
    if let Some(histogram) = histogram {
        items.extend(histogram.items());
        if kind.statistics {
            items.push(("STATISTICS_MEDIAN", histogram.median().to_string()));
            items.push(("STATISTICS_MODE", histogram.mode().to_string()));
        }
    }
    items
}

/// The numbers of pixels in memory order; NaN for those that are nodata or infinite. Returns how many are infinite.
fn numbers(bytes: &[u8], dtype: DType, nodata: Option<u64>, values: &mut Vec<f64>) -> u64 {
    macro_rules! numbers {
        ($type:ty, $convert:expr) => {{
            const SIZE: usize = size_of::<$type>();
            let pixel = |bytes: &[u8; SIZE]| <$type>::from_ne_bytes(*bytes);
            // As the type holds it, so that nothing else is equal.
            let nodata = nodata.map(|bits| pixel_bytes(bits, dtype));
            let nodata = nodata.and_then(|bytes| bytes.first_chunk::<SIZE>().map(pixel));
            let pixels = bytes.as_chunks::<SIZE>().0.iter().map(pixel);
            match nodata {
                Some(nodata) => {
                    values.extend(pixels.map(|pixel| if pixel == nodata { f64::NAN } else { $convert(pixel) }))
                }
                None => values.extend(pixels.map($convert)),
            }
        }};
    }
    match dtype {
        DType::UInt8 => numbers!(u8, f64::from),
        DType::Int8 => numbers!(i8, f64::from),
        DType::UInt16 => numbers!(u16, f64::from),
        DType::Int16 => numbers!(i16, f64::from),
        DType::UInt32 => numbers!(u32, f64::from),
        DType::Int32 => numbers!(i32, f64::from),
        DType::UInt64 => numbers!(u64, |value: u64| value as f64),
        DType::Int64 => numbers!(i64, |value: i64| value as f64),
        DType::Float32 => numbers!(f32, f64::from),
        DType::Float64 => numbers!(f64, |value: f64| value),
    }
    if !dtype.is_float() {
        return 0;
    }
    let infinite = values.iter().map(|value| u64::from(value.is_infinite())).sum();
    if infinite > 0 {
        values.iter_mut().filter(|value| value.is_infinite()).for_each(|value| *value = f64::NAN);
    }
    infinite
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodata_is_compared_in_the_type() {
        // 16777217 and 16777216 are the same float32.
        let bytes: Vec<u8> = [16_777_216i32, 16_777_217, -1].iter().flat_map(|v| v.to_ne_bytes()).collect();
        let mut values = Vec::new();
        numbers(&bytes, DType::Int32, Some(16_777_217), &mut values);
        assert!(values[0] == 16_777_216.0 && values[1].is_nan() && values[2] == -1.0);
    }
}
