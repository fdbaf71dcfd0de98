//! What to do about a tile that broke a limit.

use super::runner::Error;
use grid::Tile;
use std::time::Duration;

/// Sides of a tile are not halved below this: the function is what takes the memory or time then.
const SMALLEST: u32 = 64;

/// A line to be added to the error's text; empty where the text says what to do.
pub fn advice(error: &Error, tile: &Tile, halo: u32) -> String {
    let (key, part) = match error {
        Error::Function(sandbox::Error::OutOfMemory { wanted, limit, .. }) => {
            // What it wants is what it had asked for so far.
            ("memory", (*limit as f64 / (*wanted).max(1) as f64).min(1.0) / 2.0)
        }
        Error::Function(sandbox::Error::Deadline { limit, .. }) if *limit > Duration::ZERO => ("time", 0.25),
        _ => return String::new(),
    };
    let window = &tile.window;
    let mut text = format!("\nraise limits.{key}");
    if let Some((cols, rows)) = smaller((window.cols, window.rows), halo, part) {
        text.push_str(&format!(", or set a smaller tile: grid.tile = [{cols}, {rows}]"));
    }
    let around = if halo > 0 { format!(", and a halo of {halo} around them") } else { String::new() };
    text.push_str(&format!(". This tile has {} × {} pixels{around}", window.cols, window.rows));
    text
}

/// Columns and rows of a tile that has this part of the pixels, halo included; none where there is no sensible one.
fn smaller((cols, rows): (u32, u32), halo: u32, part: f64) -> Option<(u32, u32)> {
    let side = |pixels: u32| f64::from(pixels) + 2.0 * f64::from(halo);
    let most = side(cols) * side(rows) * part;
    let halved = |side: u32| (side / 2).next_power_of_two();
    let (mut cols, mut rows) = (cols, rows);
    while side(cols) * side(rows) > most {
        let longer = if cols >= rows { &mut cols } else { &mut rows };
        if *longer <= SMALLEST {
            return None;
        }
        *longer = halved(*longer).min(*longer - 1);
    }
    Some((cols, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_tile_has_the_part_that_fits() {
        assert_eq!(smaller((512, 512), 0, 0.5), Some((256, 512)));
        assert_eq!(smaller((512, 512), 0, 0.25), Some((256, 256)));
        // 512 × 300 would be a little too many.
        assert_eq!(smaller((1000, 300), 0, 0.5), Some((256, 300)));
        // A halo counts on every side.
        assert_eq!(smaller((512, 512), 128, 0.25), Some((128, 128)));
        assert_eq!(smaller((64, 64), 0, 0.5), None);
        assert_eq!(smaller((512, 512), 1000, 0.1), None);
    }
}
