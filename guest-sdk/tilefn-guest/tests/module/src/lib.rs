//! Functions that tests/wasm.rs runs in a module: at least one for each thing that a signature can have.
// The exports need no permission from a crate that forbids unsafe code.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use tilefn_guest::prelude::*;

/// Normalised difference
/// vegetation index.
///
/// Not part of the short text.
#[tile_function]
pub fn ndvi(red: Tile<f32>, nir: Tile<f32>) -> Tile<f32> {
    red.zip_valid(&nir, |r, n| (n - r) / (n + r))
}

#[tile_function(nodata = 255)]
pub fn above(
    /// Height in metres.
    dem: Tile<u16>,
    /// Where the upper class begins.
    #[param(default = 100, min = 1)]
    limit: u16,
) -> Tile<u8> {
    dem.map_valid(|v| u8::from(v >= limit))
}

/// 0 is a value here, and marks nothing.
#[tile_function]
pub fn difference(a: Tile<u16>, b: Tile<u16>) -> Tile<u16> {
    a.zip_valid_or(&b, 0, |a, b| a - b)
}

/// Forgets the halo.
#[tile_function(halo = 1)]
pub fn as_array(image: Tile<f32>) -> Tile<f32> {
    Tile::from_array(image.to_array())
}

#[tile_function(halo = "radius")]
pub fn smooth(#[param(default = 1, min = 1, max = 9)] radius: usize, dem: Tile<f32>) -> Tile<f32> {
    dem.focal(radius).mean()
}

#[tile_function]
pub fn looked_up(image: Tile<u8>, #[param] table: Bytes) -> Tile<u8> {
    image.map_valid(|pixel| table.get(usize::from(pixel)).copied().unwrap_or(0))
}

/// Returned as it came, halo and all.
#[tile_function(halo = 1)]
pub fn same(image: AnyTile) -> AnyTile {
    image
}

#[tile_function]
pub fn median(scenes: Vec<Tile<i16>>, mask: Option<Tile<u8>>) -> Result<Tile<f32>, Error> {
    if scenes.len() < 2 {
        return Err(format!("a median of {} scene says little", scenes.len()).into());
    }
    let median = Tile::series(&scenes).median();
    Ok(match mask {
        Some(mask) => median.zip_valid(&mask, |v, _| v),
        None => median,
    })
}

#[derive(Outputs)]
pub struct Parts {
    /// Without the rest.
    #[output(nodata = -1)]
    whole: Tile<i32>,
    bands: Vec<Tile<f64>>,
    first: AnyTile,
}

#[tile_function]
pub fn split(image: Tile<f64>) -> Parts {
    Parts {
        whole: image.map_valid_or(-1, |v| v as i32),
        bands: image.iter_bands().map(|band| band.map_valid(f64::fract)).collect(),
        first: image.band(0).into(),
    }
}

#[derive(Serialize, Deserialize)]
pub struct Range {
    least: f32,
    greatest: f32,
    tiles: Vec<u64>,
}

impl Reduce for Range {
    fn identity() -> Self {
        Self { least: f32::INFINITY, greatest: f32::NEG_INFINITY, tiles: Vec::new() }
    }

    fn merge(&mut self, later: Self) {
        self.least = self.least.min(later.least);
        self.greatest = self.greatest.max(later.greatest);
        self.tiles.extend(later.tiles);
    }

    fn finish(self) -> impl Serialize {
        self
    }
}

#[tile_function]
pub fn range(dem: Tile<f32>, ctx: &Context) -> Reduced<Range> {
    let valid = || dem.valid();
    Reduced(Range {
        least: valid().fold(f32::INFINITY, f32::min),
        greatest: valid().fold(f32::NEG_INFINITY, f32::max),
        tiles: vec![ctx.index()],
    })
}

#[tile_function(nodata = f32::NAN)]
pub fn halved(dem: Tile<f32>, ctx: &Context) -> Result<(Tile<f32>, Reduced<Range>), Error> {
    let range = range(dem.clone(), ctx);
    Ok((dem.map_valid(|v| v / 2.0), range))
}

#[tile_function]
pub fn params(
    image: AnyTile,
    #[param] flag: bool,
    #[param(default = -3)] int: i64,
    #[param(default = 2, min = 0.5)] float: f32,
    #[param(default = "näh")] text: String,
    #[param(default = [true, false])] flags: Vec<bool>,
    #[param(max = 200)] ints: Vec<u8>,
    #[param(default = [])] floats: Vec<f64>,
    #[param] texts: Vec<String>,
) -> AnyTile {
    log::info(format_args!("{flag:?} {int:?} {float:?} {text:?} {flags:?} {ints:?} {floats:?} {texts:?}"));
    log::warn("that was all");
    image
}

#[tile_function(halo = 2)]
pub fn context(image: AnyTile, extra: Vec<AnyTile>, ctx: &Context) -> AnyTile {
    log::info(format_args!("{ctx:?}"));
    log::info(format_args!("{}", extra.len()));
    image
}

#[tile_function]
pub fn panics(image: AnyTile, #[param(default = 7)] divisor: i32) -> AnyTile {
    assert!(divisor > 7, "divisor is {divisor}");
    image
}

#[tile_function]
pub fn wrong_size(image: Tile<u8>, #[param] tiles: usize) -> Vec<Tile<u8>> {
    vec![Tile::filled([1, image.rows() + 1, 2], 0); tiles]
}
