#![allow(unused)]

use tilefn_guest::prelude::*;

#[tile_function]
fn untyped(dem) -> Tile<f32> {
    dem
}

fn main() {}
