//! Functions without inputs: the grid and the context are all there is.

use serde::{Deserialize, Serialize};
use tilefn_guest::prelude::*;

/// What is counted.
#[derive(Serialize, Deserialize)]
struct Counted {
    pixels: u64,
    sum: f64,
}

impl Reduce for Counted {
    fn identity() -> Self {
        Self { pixels: 0, sum: 0.0 }
    }

    fn merge(&mut self, later: Self) {
        self.pixels += later.pixels;
        self.sum += later.sum;
    }

    fn finish(self) -> impl Serialize {
        (self.pixels, self.sum)
    }
}

fn count(ctx: &Context) -> Reduced<Counted> {
    let (x, y) = ctx.coordinates();
    let sum = x.without_halo().zip_valid(&y, |x, y| x + y);
    Reduced(Counted { pixels: sum.count_valid() as u64, sum: sum.valid().sum() })
}

/// x and y of each pixel's centre, and x of the pixel `margin` columns to the left, which may be in the halo.
#[tile_function(halo = "margin")]
fn generate(#[param(default = 0, min = 0)] margin: u32, ctx: &Context) -> Tile<f64> {
    let (x, y) = ctx.coordinates();
    let left = x.shifted(0, -(margin as isize)).without_halo();
    Tile::stack(&[x.without_halo(), y.without_halo(), left])
}

/// The number of pixels, and the sum of all coordinates of their centres.
#[tile_function]
fn count_generated(ctx: &Context) -> Reduced<Counted> {
    count(ctx)
}

/// Both of them.
#[tile_function]
fn generate_and_count(ctx: &Context) -> (Tile<f64>, Reduced<Counted>) {
    (ctx.coordinates().0, count(ctx))
}
