//! The context as the host wrote it.

use alloc::{string::ToString, vec::Vec};

use num_traits::AsPrimitive;
use tilefn_abi::{self as abi, DType};

use super::{BandInfo, Context, FileInfo, InputInfo, Window};
use crate::{Element, Error, abi::Call, with_dtype};

impl Context {
    pub(crate) fn from_call(call: &Call) -> Result<Self, Error> {
        let header = call.header();
        let inputs: &[abi::Input] = call.items(header.inputs)?;
        Ok(Self {
            index: header.tile_index,
            count: header.tile_count,
            matrix: (header.tile_row as usize, header.tile_col as usize),
            matrix_size: (header.tile_rows as usize, header.tile_cols as usize),
            window: Window {
                row: header.row as usize,
                col: header.col as usize,
                rows: header.rows as usize,
                cols: header.cols as usize,
            },
            grid_size: (header.grid_rows as usize, header.grid_cols as usize),
            geotransform: header.geotransform,
            crs: call.text(header.crs)?.to_string(),
            halo: header.halo as usize,
            inputs: inputs.iter().map(|input| read_input(call, input)).collect::<Result<_, _>>()?,
        })
    }
}

fn read_input(call: &Call, input: &abi::Input) -> Result<InputInfo, Error> {
    let rasters: &[abi::Raster] = call.items(input.rasters)?;
    let files = rasters.iter().map(|raster| read_file(call, raster)).collect::<Result<_, _>>()?;
    Ok(InputInfo { name: call.text(input.name)?.to_string(), files })
}

fn read_file(call: &Call, raster: &abi::Raster) -> Result<FileInfo, Error> {
    let dtype =
        DType::from_u32(raster.dtype).ok_or_else(|| alloc::format!("pixel type number {} is unknown", raster.dtype))?;
    let bands: &[abi::Band] = call.items(raster.band_info)?;
    let bands: Result<Vec<_>, Error> = bands
        .iter()
        .map(|band| {
            let nodata = (band.has_nodata != 0).then(|| nodata_of(dtype, band.nodata));
            Ok(BandInfo { name: call.text(band.name)?.to_string(), nodata })
        })
        .collect();
    Ok(FileInfo { path: call.text(raster.path)?.to_string(), dtype, bands: bands? })
}

fn nodata_of(dtype: DType, bits: u64) -> f64 {
    with_dtype!(dtype, |T| T::from_bits64(bits).as_())
}
