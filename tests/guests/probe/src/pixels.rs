//! Pixels in, pixels out: lists, types, halos, nodata.

use tilefn_guest::prelude::*;

/// The mean of a list of images, the fraction cut off.
#[tile_function]
fn mean(images: Vec<Tile<u8>>) -> Tile<u8> {
    let mut sum = images[0].map_valid(u32::from);
    for image in &images[1..] {
        sum = sum.zip_valid(image, |sum, v| sum + u32::from(v));
    }
    sum.map_valid(|sum| (sum as f32 / images.len() as f32) as u8)
}

/// The image as it is, in its own type.
#[tile_function]
fn copy(image: AnyTile) -> AnyTile {
    image
}

/// The image in a type of its own.
#[tile_function]
fn copy_f64(image: Tile<f64>) -> Tile<f64> {
    image
}

/// The image as bytes; invalid pixels stay invalid.
#[tile_function]
fn copy_u8(image: Tile<u8>) -> Tile<u8> {
    image
}

/// The pixels `down` rows below and `right` columns to the right.
#[tile_function(halo = "reach")]
fn moved(
    image: Tile<f32>,
    #[param(default = 1, min = 0)] reach: u32,
    #[param(default = 0)] down: i32,
    #[param(default = 0)] right: i32,
) -> Tile<f32> {
    let _ = reach;
    image.shifted(down as isize, right as isize).without_halo()
}

/// Both images added; without the second one, the first.
#[tile_function]
fn add(image: Tile<f32>, other: Option<Tile<f32>>) -> Tile<f32> {
    match other {
        Some(other) => image.zip_valid(&other, |a, b| a + b),
        None => image,
    }
}

/// Every image of a list, doubled.
#[tile_function]
fn doubled(images: Vec<AnyTile>) -> Vec<AnyTile> {
    images.into_iter().map(|image| with_tile!(image, |t| t.map_valid(|v| v + v).into())).collect()
}

/// 1 where the image is valid and above the limit, 0 where below.
#[tile_function(nodata = 255)]
fn above(image: Tile<f32>, #[param(default = 50.0)] limit: f32) -> Tile<u8> {
    image.map_valid(|v| u8::from(v > limit))
}

/// 7 everywhere, also where the image is invalid.
#[tile_function]
fn seven(image: Tile<f32>) -> Tile<f32> {
    Tile::filled(image.shape(), 7.0)
}

/// Each pixel's entry in a table, 0 beyond its end.
#[tile_function]
fn looked_up(image: Tile<u8>, #[param] table: Bytes) -> Tile<u8> {
    image.map_valid(|pixel| table.get(usize::from(pixel)).copied().unwrap_or(0))
}
