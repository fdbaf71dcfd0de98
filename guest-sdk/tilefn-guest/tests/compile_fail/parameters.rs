#![allow(unused)]

use tilefn_guest::prelude::*;

#[tile_function]
fn default_below(dem: Tile<f32>, #[param(default = 0, min = 1)] radius: i32) -> Tile<f32> {
    dem
}

#[tile_function]
fn default_above(dem: Tile<f32>, #[param(default = [0.5, 1.5], max = 1)] weights: Vec<f64>) -> Tile<f32> {
    dem
}

#[tile_function]
fn outside_the_type(dem: Tile<f32>, #[param(default = -1)] radius: u8) -> Tile<f32> {
    dem
}

#[tile_function]
fn other_type(dem: Tile<f32>, #[param(default = 0.5)] radius: u8, #[param(default = 1)] name: String) -> Tile<f32> {
    dem
}

#[tile_function]
fn list(dem: Tile<f32>, #[param(default = 1)] weights: Vec<f64>, #[param(default = [1])] n: u8) -> Tile<f32> {
    dem
}

#[tile_function]
fn bounded_text(dem: Tile<f32>, #[param(max = 10)] name: String) -> Tile<f32> {
    dem
}

#[tile_function]
fn crossed_bounds(dem: Tile<f32>, #[param(min = 2.5, max = 1)] factor: f32) -> Tile<f32> {
    dem
}

const RADIUS: u8 = 2;

#[tile_function]
fn not_a_literal(dem: Tile<f32>, #[param(default = RADIUS)] radius: u8) -> Tile<f32> {
    dem
}

#[tile_function]
fn not_a_parameter(dem: Tile<f32>, #[param] other: Tile<f32>, #[param] big: i128) -> Tile<f32> {
    dem
}

#[tile_function]
fn twice(dem: Tile<f32>, #[param(min = 1)] #[param(max = 2)] radius: u8) -> Tile<f32> {
    dem
}

fn main() {}
