#![allow(unused)]

use tilefn_guest::prelude::*;

#[tile_function]
fn not_an_input(dem: Vec<Vec<Tile<f32>>>) -> Tile<f32> {
    todo!()
}

#[tile_function]
fn not_a_pixel_type(dem: Tile<f32>) -> Tile<char> {
    todo!()
}

#[tile_function]
fn not_an_output(dem: Tile<f32>) -> f32 {
    0.0
}

#[tile_function]
fn not_outputs(dem: Tile<f32>) -> (Tile<f32>, Tile<f32>) {
    (dem.clone(), dem)
}

#[derive(Outputs)]
struct Terrain {
    slope: Tile<f32>,
    highest: f32,
}

fn main() {}
