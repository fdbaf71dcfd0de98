#![allow(unused)]

use tilefn_guest::prelude::*;

#[derive(Outputs)]
enum Either {
    A(Tile<f32>),
}

#[derive(Outputs)]
struct Unnamed(Tile<f32>, Tile<f32>);

#[derive(Outputs)]
struct Empty {}

#[derive(Outputs)]
struct Generic<T: Element> {
    tile: Tile<T>,
}

#[derive(Outputs)]
struct UnknownKey {
    #[output(fill = 0)]
    tile: Tile<u8>,
}

#[derive(Outputs)]
struct NodataTooSmall {
    #[output(nodata = -1)]
    tile: Tile<u8>,
}

fn main() {}
