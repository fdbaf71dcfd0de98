#![allow(unused)]

use serde::{Deserialize, Serialize};
use tilefn_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct Sum(f64);

impl Reduce for Sum {
    fn identity() -> Self {
        Sum(0.0)
    }

    fn merge(&mut self, later: Self) {
        self.0 += later.0;
    }

    fn finish(self) -> impl Serialize {
        self.0
    }
}

type Hidden = Reduced<Sum>;

#[tile_function]
fn sum(dem: Tile<f64>) -> Hidden {
    Reduced(Sum(dem.valid().sum()))
}

fn main() {}
