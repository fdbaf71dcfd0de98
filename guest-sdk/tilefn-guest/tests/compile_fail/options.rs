#![allow(unused)]

use tilefn_guest::prelude::*;

#[tile_function(overlap = 2)]
fn unknown_key(dem: Tile<f32>) -> Tile<f32> {
    dem
}

#[tile_function(halo)]
fn no_value(dem: Tile<f32>) -> Tile<f32> {
    dem
}

#[tile_function(halo = 1, halo = 2)]
fn twice(dem: Tile<f32>) -> Tile<f32> {
    dem
}

#[tile_function]
fn unknown_param_key(dem: Tile<f32>, #[param(defualt = 2)] radius: u8) -> Tile<f32> {
    dem
}

#[tile_function(nodata = 256)]
fn nodata_too_large(dem: Tile<u8>) -> Result<Vec<Tile<u8>>, Error> {
    Ok(vec![dem])
}

#[tile_function(nodata = f32::NAN)]
fn nodata_is_nan(dem: Tile<u8>) -> Tile<u8> {
    dem
}

#[tile_function(nodata = "none")]
fn nodata_is_text(dem: Tile<u8>) -> Tile<u8> {
    dem
}

fn main() {}
