//! Accumulating.

use std::collections::BTreeMap;

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

/// What each tile leaves: `size` numbers. Joined, they are as many, and the tiles are counted.
#[derive(Serialize, Deserialize)]
struct Bulk {
    tiles: u64,
    numbers: Vec<u64>,
}

impl Reduce for Bulk {
    fn identity() -> Self {
        Self { tiles: 0, numbers: Vec::new() }
    }

    fn merge(&mut self, later: Self) {
        self.tiles += later.tiles;
        self.numbers = later.numbers;
    }

    fn finish(self) -> impl Serialize {
        (self.tiles, self.numbers.len())
    }
}

/// A large state of each tile. The first tile counts to `steps` before, so that the others' wait.
#[tile_function]
fn bulk(image: Tile<u8>, #[param] size: u64, #[param] steps: u64, ctx: &Context) -> Reduced<Bulk> {
    let mut n = 0;
    while ctx.is_first() && n < steps {
        n = core::hint::black_box(n + 1);
    }
    // No number is a small one, however the state is written.
    let seed = u64::MAX - image.count_valid() as u64;
    Reduced(Bulk { tiles: 1, numbers: (0..size).map(|n| seed - n).collect() })
}

/// Pixels of each class, and what becomes of them in the end.
#[derive(Serialize, Deserialize)]
struct Classes {
    pixels: BTreeMap<u8, u64>,
    shape: String,
}

#[derive(Serialize)]
struct Class {
    class: u8,
    name: Option<String>,
    pixels: u64,
    hectares: f64,
    rare: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shape {
    Records(Vec<Class>),
    Map(BTreeMap<u8, Class>),
    Numbers(BTreeMap<u8, u64>),
    Number(usize),
}

impl Reduce for Classes {
    fn identity() -> Self {
        Self { pixels: BTreeMap::new(), shape: "records".into() }
    }

    fn merge(&mut self, later: Self) {
        for (class, pixels) in later.pixels {
            *self.pixels.entry(class).or_default() += pixels;
        }
        self.shape = later.shape;
    }

    fn finish(self) -> impl Serialize {
        let class = |(&class, &pixels): (&u8, &u64)| Class {
            class,
            name: (class % 3 > 0).then(|| ["", ", \"quoted\"", ""][usize::from(class % 3)].into()),
            pixels,
            hectares: pixels as f64 / 7.0,
            rare: pixels < 20,
        };
        match self.shape.as_str() {
            "records" => Shape::Records(self.pixels.iter().map(class).collect()),
            "map" => Shape::Map(self.pixels.iter().map(|entry| (*entry.0, class(entry))).collect()),
            "numbers" => Shape::Numbers(self.pixels),
            _ => Shape::Number(self.pixels.len()),
        }
    }
}

/// Pixels of each class: records, a map of records, a map of numbers, or a number.
#[tile_function]
fn classes(image: Tile<u8>, #[param(default = "records")] shape: String) -> Reduced<Classes> {
    let mut pixels = BTreeMap::new();
    for class in image.valid() {
        *pixels.entry(class).or_default() += 1;
    }
    Reduced(Classes { pixels, shape })
}
