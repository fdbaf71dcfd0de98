//! Arrays in place of files: one tile, as large as they are.

use grid::{GeoTransform, Grid, Offset, Placement, Tiling, Turn, Window};
use raster::{Found, SourceSpec, Way};
use sandbox::{Description, Halo, Limits};
use tilefn_abi::DType;
use types::{Edge, Value};
use worker::{Band, Input, Output, PixelSource, Pixels, Raster, Task};

/// An input's array, checked: `[bands, rows, cols]` with the halo, in C order and the machine's.
pub struct Array<'a> {
    pub pixels: &'a [u8],
    pub dtype: DType,
    pub bands: u32,
    /// The bits of the value that invalid pixels have, as the ABI encodes it.
    pub nodata: Option<u64>,
}

/// The arrays of all inputs.
pub struct Arrays<'a>(pub Vec<Vec<Array<'a>>>);

impl Pixels for Arrays<'_> {
    fn read(&mut self, input: usize, raster: usize, _: Window, out: &mut [u8]) -> Result<Found, raster::Error> {
        let array = self.0.get(input).and_then(|arrays| arrays.get(raster));
        match array {
            // Lengths were compared when the task was made.
            Some(array) if array.pixels.len() == out.len() => out.copy_from_slice(array.pixels),
            _ => out.fill(0),
        }
        Ok(Found::default())
    }
}

/// What a call is given besides its arrays.
pub struct Call<'a> {
    pub description: &'a Description,
    pub module_sha256: &'a str,
    pub params: Vec<Value>,
    pub limits: Limits,
    /// Rows and columns of the result.
    pub size: (u32, u32),
    /// Nodata bits of outputs by name, where the function has none of its own.
    pub nodata: Vec<(String, u64)>,
}

impl Call<'_> {
    /// The halo with these parameters.
    pub fn halo(&self) -> Result<u32, String> {
        halo(self.description, &self.params)
    }

    /// The task whose only tile the arrays are.
    pub fn task(self, arrays: &Arrays<'_>) -> Result<Task, String> {
        let halo = self.halo()?;
        let Self { description, module_sha256, params, limits, size: (rows, cols), nodata } = self;
        let grid = Grid { transform: GeoTransform::north_up(0.0, 0.0, 1.0, 1.0), rows, cols, crs: Default::default() };
        let tiling = Tiling::new(rows, cols, rows, cols).map_err(|e| e.to_string())?;
        let any = first_any(description, arrays);
        let mut inputs = Vec::new();
        for (info, given) in description.inputs.iter().zip(&arrays.0) {
            let rasters = given.iter().map(|array| raster(array, (rows, cols), halo));
            inputs.push(Input { name: info.name.clone(), rasters: rasters.collect(), lossy: false });
        }
        for (input, given) in inputs.iter().zip(&arrays.0) {
            for (raster, array) in input.rasters.iter().zip(given) {
                let padded = |n: u32| halo.checked_mul(2).and_then(|halo| n.checked_add(halo)).unwrap_or(u32::MAX);
                let wanted = raster.bytes(padded(rows), padded(cols));
                if wanted != Some(array.pixels.len()) {
                    return Err(format!(
                        "input {:?}: its array has another number of bytes than its shape says",
                        input.name
                    ));
                }
            }
        }
        // As many as the first list has: a job says it by its paths.
        let listed =
            description.inputs.iter().zip(&arrays.0).find(|(info, _)| info.list).map_or(1, |(_, given)| given.len());
        let listed = u32::try_from(listed).map_err(|e| e.to_string())?;
        let mut outputs = Vec::new();
        for info in &description.outputs {
            let dtype = info
                .dtype
                .or(any)
                .ok_or_else(|| format!("output {:?} has the type of an input that isn't given", info.name))?;
            let own = info.nodata.and_then(|nodata| nodata.as_bits_for(dtype).ok());
            let given = nodata.iter().find(|(name, _)| *name == info.name).map(|(_, bits)| *bits);
            outputs.push(Output {
                name: info.name.clone(),
                dtype,
                rasters: if info.list { listed } else { 1 },
                nodata: given.or(own),
                most: None,
                lossy: false,
            });
        }
        Ok(Task {
            function: description.name.clone(),
            module_sha256: module_sha256.to_owned(),
            params,
            inputs,
            outputs,
            reduce: description.reduce,
            grid,
            tiling,
            halo,
            skip_empty: false,
            limits,
            block_cache: 0,
        })
    }
}

/// The halo of a function with these parameters.
pub fn halo(description: &Description, params: &[Value]) -> Result<u32, String> {
    match &description.halo {
        Halo::Fixed(halo) => Ok(*halo),
        Halo::Param(name) => {
            let value = description.params.iter().position(|param| param.name == *name).and_then(|at| params.get(at));
            match value {
                Some(Value::Int(value)) => {
                    u32::try_from(*value).map_err(|_| format!("the halo, {name}, can't be {value}"))
                }
                _ => Err(format!("the halo is the parameter {name}, which is no integer")),
            }
        }
    }
}

/// The type of the first input that takes any.
fn first_any(description: &Description, arrays: &Arrays<'_>) -> Option<DType> {
    let mut any = description.inputs.iter().zip(&arrays.0).filter(|(info, _)| info.dtype.is_none());
    any.find_map(|(_, given)| given.first()).map(|array| array.dtype)
}

/// The array as a file that lies on the grid.
fn raster(array: &Array<'_>, size: (u32, u32), halo: u32) -> Raster {
    let way = Way::Aligned(Placement { offset: Offset { row: 0, col: 0 }, turn: Turn::default() });
    let source = SourceSpec {
        path: String::new(),
        bands: Vec::new(),
        dtype: array.dtype,
        way,
        file_size: size,
        grid_size: size,
        halo,
        edge: Edge::Nodata,
    };
    let bands = (0..array.bands).map(|_| Band { name: String::new(), nodata: array.nodata }).collect();
    Raster { path: String::new(), dtype: array.dtype, bands, source: PixelSource::Read(source) }
}
