#![allow(unused)]

use tilefn_guest::prelude::*;

#[tile_function]
fn by_reference(dem: &Tile<f32>) -> Tile<f32> {
    dem.clone()
}

#[tile_function]
fn unmarked(dem: Tile<f32>, factor: f32, names: Vec<String>) -> Tile<f32> {
    dem
}

#[tile_function]
fn context_by_value(dem: Tile<f32>, ctx: Context) -> Tile<f32> {
    dem
}

#[tile_function]
fn contexts(dem: Tile<f32>, a: &Context, b: &Context) -> Tile<f32> {
    dem
}

#[tile_function]
fn pattern((red, nir): (Tile<f32>, Tile<f32>)) -> Tile<f32> {
    red
}

fn main() {}
