#![allow(unused)]

use tilefn_guest::prelude::*;

#[tile_function]
async fn waits(dem: Tile<f32>) -> Tile<f32> {
    dem
}

#[tile_function]
unsafe fn relies(dem: Tile<f32>) -> Tile<f32> {
    dem
}

#[tile_function]
extern "C" fn exported(dem: Tile<f32>) -> Tile<f32> {
    dem
}

#[tile_function]
fn generic<T: Element>(dem: Tile<T>) -> Tile<T> {
    dem
}

#[tile_function]
fn returns_nothing(dem: Tile<f32>) {
    drop(dem);
}

#[tile_function]
fn returns_anything(dem: Tile<f32>) -> impl Into<AnyTile> {
    dem
}

#[tile_function]
fn without_input(#[param] size: u32) -> Tile<u32> {
    Tile::filled([1, 1, 1], size)
}

struct Model;

impl Model {
    #[tile_function]
    fn method(&self, dem: Tile<f32>) -> Tile<f32> {
        dem
    }
}

#[tile_function]
struct NoFunction;

fn main() {}
