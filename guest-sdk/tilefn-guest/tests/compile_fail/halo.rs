#![allow(unused)]

use tilefn_guest::prelude::*;

#[tile_function(halo = "size")]
fn unknown(dem: Tile<f32>, #[param] radius: u8, #[param] factor: f32) -> Tile<f32> {
    dem
}

#[tile_function(halo = "size")]
fn without_parameter(dem: Tile<f32>) -> Tile<f32> {
    dem
}

#[tile_function(halo = "factor")]
fn not_an_integer(dem: Tile<f32>, #[param] factor: f32) -> Tile<f32> {
    dem
}

#[tile_function(halo = "radius")]
fn maybe_negative(dem: Tile<f32>, #[param(default = 1)] radius: i32) -> Tile<f32> {
    dem
}

#[tile_function(halo = -1)]
fn negative(dem: Tile<f32>) -> Tile<f32> {
    dem
}

fn main() {}
