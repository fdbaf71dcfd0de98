//! The call block: one tile, its inputs and parameters as the host wrote them.

use alloc::{string::String, vec::Vec};

use bytemuck::Pod;
use tilefn_abi::{self as abi, DType, Slice};

use super::memory::host_slice;
use crate::{AnyTile, Context, Element, Error, Input, ParamValue, Tile, TileResult};

/// One call of a function.
#[derive(Clone, Copy)]
pub struct Call {
    block: &'static [u8],
    header: abi::Call,
}

/// One raster as the host passed it.
#[derive(Clone, Copy)]
pub struct RawRaster {
    raster: abi::Raster,
    bands: &'static [abi::Band],
    halo: usize,
}

/// One parameter as the host passed it.
pub struct RawParam {
    /// The number of a [`ParamKind`](abi::ParamKind).
    pub kind: u32,
    /// Whether it is a list.
    pub list: bool,
    /// The values; one unless it is a list.
    pub values: Vec<RawValue>,
}

/// One value of a parameter.
#[derive(Clone, Copy)]
pub enum RawValue {
    /// A bool, an integer, or the bits of a float.
    Bits(u64),
    /// A text.
    Text(&'static str),
    /// The bytes of a file.
    Bytes(&'static [u8]),
}

impl Call {
    /// The call that the host wrote at an address.
    ///
    /// # Errors
    ///
    /// When there can't be one.
    pub fn at(address: u32) -> Result<Self, Error> {
        let header: &[abi::Call] = host_slice(address, 1).ok_or("there is no call block")?;
        let size = header.first().map_or(0, |h| h.size);
        Self::new(host_slice(address, size as usize).ok_or("there is no call block")?)
    }

    /// A call from the bytes of its block, aligned to 8 bytes.
    pub(crate) fn new(block: &'static [u8]) -> Result<Self, Error> {
        let header = block.get(..size_of::<abi::Call>()).ok_or("the call block is too short")?;
        Ok(Self { block, header: bytemuck::pod_read_unaligned(header) })
    }

    pub(crate) fn header(&self) -> &abi::Call {
        &self.header
    }

    /// The items that a [`Slice`] means.
    pub(crate) fn items<T: Pod>(&self, slice: Slice) -> Result<&'static [T], Error> {
        let start = slice.offset as usize;
        let bytes = (slice.len as usize).checked_mul(size_of::<T>()).and_then(|len| start.checked_add(len));
        let bytes = bytes.and_then(|end| self.block.get(start..end)).ok_or("the call block refers beyond its end")?;
        bytemuck::try_cast_slice(bytes).map_err(|e| Error::from(e).context("the call block is malformed"))
    }

    /// The text that a [`Slice`] means.
    pub(crate) fn text(&self, slice: Slice) -> Result<&'static str, Error> {
        core::str::from_utf8(self.items(slice)?).map_err(|e| Error::from(e).context("the call block is malformed"))
    }

    /// The tile's place, grid and inputs.
    ///
    /// # Errors
    ///
    /// When the call block is malformed.
    pub fn context(&self) -> Result<Context, Error> {
        Context::from_call(self)
    }

    /// The input with this number.
    ///
    /// # Errors
    ///
    /// When its rasters aren't what the function asks for.
    pub fn input<I: Input>(&self, number: usize) -> Result<I, Error> {
        let inputs: &[abi::Input] = self.items(self.header.inputs)?;
        let input = inputs.get(number).ok_or_else(|| alloc::format!("input number {number} is missing"))?;
        let rasters = self.rasters(input)?;
        I::from_rasters(&rasters).map_err(|e| match self.text(input.name) {
            Ok(name) => e.context(alloc::format!("input {name:?}")),
            Err(e) => e,
        })
    }

    fn rasters(&self, input: &abi::Input) -> Result<Vec<RawRaster>, Error> {
        let halo = self.header.halo as usize;
        let rasters: &[abi::Raster] = self.items(input.rasters)?;
        rasters
            .iter()
            .map(|raster| Ok(RawRaster { raster: *raster, bands: self.items(raster.band_info)?, halo }))
            .collect()
    }

    /// The parameter with this number.
    ///
    /// # Errors
    ///
    /// When its value isn't what the function asks for.
    pub fn param<P: ParamValue>(&self, number: usize, name: &str) -> Result<P, Error> {
        let params: &[abi::Param] = self.items(self.header.params)?;
        let param = params.get(number).ok_or_else(|| alloc::format!("parameter {name:?} is missing"))?;
        P::from_raw(&self.raw_param(param)?).map_err(|e| e.context(alloc::format!("parameter {name:?}")))
    }

    fn raw_param(&self, param: &abi::Param) -> Result<RawParam, Error> {
        let text = param.kind == abi::ParamKind::Text as u32;
        let list = param.list != 0;
        if param.kind == abi::ParamKind::Bytes as u32 && !list {
            let values = alloc::vec![RawValue::Bytes(self.items(param.items)?)];
            return Ok(RawParam { kind: param.kind, list, values });
        }
        let values = match (list, text) {
            (false, false) => alloc::vec![RawValue::Bits(param.bits)],
            (false, true) => alloc::vec![RawValue::Text(self.text(param.items)?)],
            (true, false) => self.items::<u64>(param.items)?.iter().map(|bits| RawValue::Bits(*bits)).collect(),
            (true, true) => {
                let texts = self.items::<Slice>(param.items)?;
                texts.iter().map(|text| self.text(*text).map(RawValue::Text)).collect::<Result<_, _>>()?
            }
        };
        Ok(RawParam { kind: param.kind, list, values })
    }

    /// Checks a result against what the job wants; outputs that it leaves out are dropped.
    ///
    /// # Errors
    ///
    /// When the number or the size of the tiles is wrong.
    pub fn check(&self, result: TileResult) -> Result<TileResult, Error> {
        let wanted: &[abi::Output] = self.items(self.header.outputs)?;
        let size = (self.header.rows as usize, self.header.cols as usize);
        let halo = self.header.halo as usize;
        let mut outputs = Vec::with_capacity(wanted.len());
        for (output, tiles) in wanted.iter().zip(result.outputs) {
            let name = self.text(output.name)?;
            outputs.push(match output.rasters as usize {
                0 => Vec::new(),
                files => check_output(name, tiles, files, size, halo)?,
            });
        }
        Ok(TileResult { outputs, state: result.state })
    }
}

/// One output's tiles, ready to be read by the host: without halo, the pixels end to end.
fn check_output(
    name: &str,
    tiles: Vec<AnyTile>,
    files: usize,
    (rows, cols): (usize, usize),
    halo: usize,
) -> Result<Vec<AnyTile>, Error> {
    if tiles.len() != files {
        return Err(alloc::format!(
            "output {name:?}: the function returned {} tiles, the job names {files} files",
            tiles.len()
        )
        .into());
    }
    let tiles: Vec<_> = tiles.iter().map(|tile| tile.without_halo().into_output()).collect();
    for tile in &tiles {
        let [_, its_rows, its_cols] = tile.shape();
        if (its_rows, its_cols) != (rows, cols) {
            let inside = |side: usize| side.checked_sub(2 * halo);
            let hint = if halo > 0 && (inside(its_rows), inside(its_cols)) == (Some(rows), Some(cols)) {
                alloc::format!("; that is with the halo, which an array doesn't tell: add .with_halo({halo})")
            } else {
                String::new()
            };
            return Err(alloc::format!(
                "output {name:?}: the function returned {its_rows} × {its_cols} pixels, the tile has {rows} × {cols}{hint}"
            )
            .into());
        }
    }
    Ok(tiles)
}

impl RawRaster {
    /// The pixel type.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn dtype(&self) -> Result<DType, Error> {
        DType::from_u32(self.raster.dtype)
            .ok_or_else(|| alloc::format!("pixel type number {} is unknown", self.raster.dtype).into())
    }

    /// The pixels, without a copy.
    ///
    /// # Errors
    ///
    /// When they have another type, or can't be where the host says.
    pub fn tile<T: Element>(&self) -> Result<Tile<T>, Error> {
        let dtype = self.dtype()?;
        if dtype != T::DTYPE {
            return Err(alloc::format!("the pixels are {}, not {}", dtype.name(), T::DTYPE.name()).into());
        }
        let shape = [self.raster.bands as usize, self.raster.rows as usize, self.raster.cols as usize];
        let count = shape.iter().try_fold(1usize, |n, axis| n.checked_mul(*axis));
        let pixels = count.and_then(|count| host_slice(self.raster.data, count)).ok_or("there are no pixels")?;
        let nodata = self.bands.iter().map(|band| (band.has_nodata != 0).then(|| T::from_bits64(band.nodata)));
        Ok(Tile::from_host(pixels, shape, self.halo, nodata))
    }
}
