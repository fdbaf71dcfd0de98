//! Reads what a function returns out of its memory; every number there is hostile until checked.

use bytemuck::Pod;
use tilefn_abi::{DType, OutRaster as RawRaster, Outcome as RawOutcome, RasterList};

use super::error::{Error, Result};
use super::guest_range::GuestRange;
use super::host::slice;
use super::limits::Limits;

/// Most rasters of all outputs together.
const MAX_RASTERS: usize = 65_536;

/// What a function made of a tile; the pixels are still in the instance's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The rasters of each output, in the order of the description. How many there are and their shapes are as the
    /// function returned them: nobody has compared them with what the job wants.
    pub outputs: Vec<Vec<OutRaster>>,
    /// The tile's state, of an accumulating function.
    pub state: Option<GuestRange>,
}

/// One raster `[bands, rows, cols]`, row-major and little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutRaster {
    /// Element type.
    pub dtype: DType,
    /// Number of bands.
    pub bands: u32,
    /// Pixel rows.
    pub rows: u32,
    /// Pixel columns.
    pub cols: u32,
    /// What marks pixels without a value: `f64` bits for floats, else the integer extended to 64 bits. NaN marks them too.
    pub nodata: Option<u64>,
    /// The pixels. Ranges of several rasters may overlap.
    pub range: GuestRange,
}

/// An instance's memory after `entry` has run.
pub(super) struct Reader<'a> {
    entry: &'a str,
    memory: &'a [u8],
    limits: &'a Limits,
}

impl<'a> Reader<'a> {
    pub fn new(entry: &'a str, memory: &'a [u8], limits: &'a Limits) -> Self {
        Self { entry, memory, limits }
    }

    /// What `process` returned a pointer to.
    pub fn outcome(&self, pointer: u32, output_count: usize, reduce: bool) -> Result<Outcome> {
        let outcome: RawOutcome = self.one("the outcome", pointer)?;
        if outcome.output_count as usize != output_count {
            let found = outcome.output_count;
            return self.violation(format!("it returned {found} outputs, its description has {output_count}"));
        }
        let lists: Vec<RasterList> = self.many("the outputs", outcome.outputs, outcome.output_count)?;
        let total: u64 = lists.iter().map(|list| u64::from(list.count)).sum();
        if total > MAX_RASTERS as u64 {
            return self.violation(format!("it returned {total} rasters, the limit is {MAX_RASTERS}"));
        }
        let mut bytes = 0;
        let mut outputs = Vec::with_capacity(lists.len());
        for RasterList { rasters, count } in lists {
            let raws: Vec<RawRaster> = self.many("the rasters", rasters, count)?;
            let rasters: Vec<_> = raws.iter().map(|raw| self.raster(raw)).collect::<Result<_, _>>()?;
            bytes += rasters.iter().map(|r| u64::from(r.range.guest_len())).sum::<u64>();
            outputs.push(rasters);
        }
        if bytes > self.limits.output_bytes {
            return self.too_big("the outputs", bytes, self.limits.output_bytes);
        }
        let state = match (reduce, outcome.state_len) {
            (true, len) => {
                self.block("the state", outcome.state, len)?;
                Some(GuestRange::new(outcome.state, len))
            }
            (false, 0) => None,
            (false, _) => {
                return self.violation("it returned a state, but doesn't accumulate".to_owned());
            }
        };
        Ok(Outcome { outputs, state })
    }

    /// The state or text that `merge` or `finish` returned a pointer to.
    pub fn state(&self, what: &str, pointer: u32) -> Result<&'a [u8]> {
        let outcome: RawOutcome = self.one("the outcome", pointer)?;
        if outcome.output_count != 0 {
            return self.violation(format!("it returned {} outputs, but only `process` may", outcome.output_count));
        }
        self.block(what, outcome.state, outcome.state_len)
    }

    fn raster(&self, raw: &RawRaster) -> Result<OutRaster> {
        let RawRaster { nodata, has_nodata, dtype, bands, rows, cols, data } = *raw;
        let Some(dtype) = DType::from_u32(dtype) else {
            return self.violation(format!("an output raster has the unknown type {dtype}"));
        };
        let nodata = match has_nodata {
            0 => None,
            1 => Some(nodata),
            other => {
                return self.violation(format!("an output raster has has_nodata {other}, neither 0 nor 1"));
            }
        };
        if !(data as usize).is_multiple_of(dtype.size()) {
            return self.violation(format!("an output raster's pointer {data} isn't aligned for {}", dtype.name()));
        }
        let len = [bands, rows, cols]
            .into_iter()
            .try_fold(1, u32::checked_mul)
            .and_then(|pixels| pixels.checked_mul(u32::try_from(dtype.size()).ok()?));
        let Some(len) = len.filter(|len| slice(self.memory, data, *len).is_some()) else {
            let name = dtype.name();
            return self.violation(format!(
                "an output raster of {bands} × {rows} × {cols} {name} at pointer {data} isn't inside its memory"
            ));
        };
        Ok(OutRaster { dtype, bands, rows, cols, nodata, range: GuestRange::new(data, len) })
    }

    fn block(&self, what: &str, pointer: u32, len: u32) -> Result<&'a [u8]> {
        if len as usize > self.limits.state_bytes {
            return self.too_big(what, len.into(), self.limits.state_bytes as u64);
        }
        self.slice(what, pointer, len)
    }

    fn one<T: Pod>(&self, what: &str, pointer: u32) -> Result<T> {
        Ok(self.many(what, pointer, 1)?.pop().unwrap_or_else(T::zeroed))
    }

    fn many<T: Pod>(&self, what: &str, pointer: u32, count: u32) -> Result<Vec<T>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        self.aligned(what, pointer)?;
        let len = u32::try_from(size_of::<T>()).unwrap_or(u32::MAX).saturating_mul(count);
        Ok(self.slice(what, pointer, len)?.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect())
    }

    fn aligned(&self, what: &str, pointer: u32) -> Result<()> {
        if pointer.is_multiple_of(4) {
            Ok(())
        } else {
            self.violation(format!("the pointer {pointer} to {what} isn't a multiple of 4"))
        }
    }

    fn slice(&self, what: &str, pointer: u32, len: u32) -> Result<&'a [u8]> {
        match slice(self.memory, pointer, len) {
            Some(bytes) => Ok(bytes),
            None => self.violation(format!("{len} bytes of {what} at pointer {pointer} aren't inside its memory")),
        }
    }

    fn too_big<T>(&self, what: &str, bytes: u64, limit: u64) -> Result<T> {
        Err(Error::TooBig { what: format!("{what} of `{}`", self.entry), bytes, limit })
    }

    fn violation<T>(&self, problem: String) -> Result<T> {
        Err(Error::violation(self.entry, problem))
    }
}
