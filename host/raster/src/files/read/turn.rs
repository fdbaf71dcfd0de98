//! Turns pixels of a file whose rows run north, or whose columns run west, to the order of the working grid.

use crate::files::layout::Layout;
use grid::{Turn, Window};

/// Turns the `window`'s pixels, which lie in `out` as they lie in the file: `layout` says where, for each of `bands` bands.
pub(crate) fn turn(turn: Turn, window: &Window, out: &mut [u8], layout: &Layout, bands: usize) {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let (rows, line) = (size(window.rows), size(window.cols).saturating_mul(layout.pixel));
    for band in 0..bands {
        let start = layout.start.saturating_add(band.saturating_mul(layout.band));
        let Some(plane) = out.get_mut(start..) else { continue };
        if turn.rows {
            let mut lines: Vec<&mut [u8]> =
                plane.chunks_mut(layout.line).take(rows).filter_map(|whole| whole.get_mut(..line)).collect();
            let half = lines.len() / 2;
            let (upper, lower) = lines.split_at_mut(half);
            for (above, below) in upper.iter_mut().zip(lower.iter_mut().rev()) {
                above.swap_with_slice(below);
            }
        }
        if turn.cols {
            for whole in plane.chunks_mut(layout.line).take(rows) {
                let Some(pixels) = whole.get_mut(..line) else { continue };
                // All bytes backwards, then those of each pixel forwards again.
                pixels.reverse();
                pixels.chunks_exact_mut(layout.pixel).for_each(<[u8]>::reverse);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two bands of a window of 3 × 2 pixels of two bytes, which lies in the middle of a buffer of 4 × 4 pixels.
    #[test]
    fn only_the_window_is_turned() {
        let pixels = |band: u8| (0..16u8).flat_map(move |i| [band + i, 100 + band + i]);
        let before: Vec<u8> = pixels(0).chain(pixels(16)).collect();
        let layout = Layout { start: 2, pixel: 2, line: 8, band: 32 };
        let turned = |rows, cols| {
            let mut out = before.clone();
            turn(Turn { rows, cols }, &Window::new(7, 7, 3, 2), &mut out, &layout, 2);
            out.chunks_exact(2).map(|pixel| (pixel[0], pixel[1] - 100)).map(|(a, b)| [a, b]).collect::<Vec<_>>()
        };
        let expect = |order: [u8; 16]| -> Vec<[u8; 2]> {
            order.iter().map(|i| [*i; 2]).chain(order.iter().map(|i| [i + 16; 2])).collect()
        };
        assert_eq!(turned(false, false), expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]));
        assert_eq!(turned(true, false), expect([0, 9, 10, 3, 4, 5, 6, 7, 8, 1, 2, 11, 12, 13, 14, 15]));
        assert_eq!(turned(false, true), expect([0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 13, 14, 15]));
        assert_eq!(turned(true, true), expect([0, 10, 9, 3, 4, 6, 5, 7, 8, 2, 1, 11, 12, 13, 14, 15]));
    }
}
