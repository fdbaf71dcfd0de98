//! A function with all that a lost worker could lose, or count twice: two outputs, a halo, a sum, and time.

use serde::{Deserialize, Serialize};
use tilefn_guest::prelude::*;

#[derive(Outputs)]
struct Laboured {
    /// Each pixel and its neighbour to the upper left.
    added: Tile<u32>,
    /// The tile's number.
    tile: Tile<u16>,
}

/// The tiles in the order in which they were joined, as one number that any other order would change.
#[derive(Serialize, Deserialize)]
struct Joined {
    tiles: u64,
    pixels: u64,
    order: u64,
}

impl Reduce for Joined {
    fn identity() -> Self {
        Self { tiles: 0, pixels: 0, order: 0 }
    }

    fn merge(&mut self, later: Self) {
        for _ in 0..later.tiles {
            self.order = self.order.wrapping_mul(31);
        }
        self.order = self.order.wrapping_add(later.order);
        self.tiles += later.tiles;
        self.pixels += later.pixels;
    }

    fn finish(self) -> impl Serialize {
        (self.tiles, self.pixels, self.order.to_string())
    }
}

/// Counts to `steps`, then adds each pixel to its neighbour. Panics in tile `at`, if that is given.
#[tile_function(halo = 1)]
fn labour(
    image: Tile<u16>,
    #[param(default = 0, min = 0)] steps: u64,
    #[param(default = -1)] at: i64,
    ctx: &Context,
) -> (Laboured, Reduced<Joined>) {
    let mut n = 0;
    while n < steps {
        n = core::hint::black_box(n + 1);
    }
    if at == ctx.index() as i64 {
        panic!("gain must be positive");
    }
    let image = image.map_valid(u32::from);
    let added = image.without_halo().zip_valid(&image.shifted(-1, -1), |a, b| a + b);
    let joined = Joined { tiles: 1, pixels: added.valid().map(u64::from).sum(), order: ctx.index() + 1 };
    let tile = added.map_valid(|_| ctx.index() as u16);
    (Laboured { added, tile }, Reduced(joined))
}
