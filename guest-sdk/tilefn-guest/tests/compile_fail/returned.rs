#![allow(unused)]

use tilefn_guest::prelude::*;

#[derive(Outputs)]
struct Terrain {
    slope: Tile<f32>,
    aspect: Tile<f32>,
}

#[tile_function(nodata = -1)]
fn nodata_of_which(dem: Tile<f32>) -> Terrain {
    Terrain { slope: dem.clone(), aspect: dem }
}

#[tile_function]
fn not_reducible(dem: Tile<f32>) -> Reduced<f64> {
    Reduced(0.0)
}

fn main() {}
