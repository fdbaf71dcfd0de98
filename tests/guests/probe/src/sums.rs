//! Accumulating.

use serde::{Deserialize, Serialize};
use tilefn_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Reduce for Mean {
    fn identity() -> Self {
        Self { sum: 0.0, count: 0 }
    }

    fn merge(&mut self, later: Self) {
        self.sum += later.sum;
        self.count += later.count;
    }

    fn finish(self) -> impl Serialize {
        (self.sum, self.count, self.sum / self.count as f64)
    }
}

fn mean(image: &Tile<f64>) -> Reduced<Mean> {
    Reduced(Mean { sum: image.valid().sum(), count: image.count_valid() as u64 })
}

/// Sum, count and mean of the valid pixels.
#[tile_function]
fn sum_count(image: Tile<f64>) -> Reduced<Mean> {
    mean(&image)
}

/// The same, and the image itself.
#[tile_function]
fn copy_and_sum(image: Tile<f64>) -> (Tile<f64>, Reduced<Mean>) {
    let mean = mean(&image);
    (image, mean)
}
