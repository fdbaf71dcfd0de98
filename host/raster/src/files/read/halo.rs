//! Chooses the pixels that a halo shows beyond the data.

use crate::files::layout::buffer_len;
use crate::{Found, Result};
use grid::Window;
use types::Edge;

/// Reads a window (a tile with its halo) of `[bands, rows, cols]` pixels into `out`, where pixels beyond `data` follow the edge rule.
/// `read` is given the window to read, the part of the wanted one that belongs to no other, and where the pixels go. `None` where the
/// window is too large to be counted.
pub(crate) fn read_with_edge(
    (edge, halo): (Edge, u32),
    window: &Window,
    data: &Window,
    (bands, pixel): (usize, usize),
    out: &mut [u8],
    read: impl FnOnce(&Window, &Window, &mut [u8]) -> Result<Found>,
) -> Option<Result<Found>> {
    let core = without_halo(window, halo);
    if edge == Edge::Nodata || data.contains(window) {
        return Some(read(window, &core, out));
    }
    let shown = Shown::of(edge, window, data)?;
    let mut scratch = vec![0; buffer_len(bands, &shown.window, pixel)?];
    let found = read(&shown.window, &core, &mut scratch);
    if found.is_ok() {
        shown.spread(&scratch, out, pixel);
    }
    Some(found)
}

/// The part of a window that belongs to no other.
fn without_halo(window: &Window, halo: u32) -> Window {
    let halo = i64::from(halo);
    let core = Window::between(
        window.row.saturating_add(halo),
        window.col.saturating_add(halo),
        window.row_end().saturating_sub(halo),
        window.col_end().saturating_sub(halo),
    );
    core.unwrap_or(Window { rows: 0, cols: 0, ..*window })
}

/// How the pixels of a window that reaches beyond the data come from other positions within the data.
struct Shown {
    /// The smallest window that has all pixels which are shown. The positions are consecutive or folded, so these are no more
    /// pixels than the window has.
    window: Window,
    /// For each row of the window, and each column, the one that it shows.
    rows: Vec<usize>,
    cols: Vec<usize>,
}

impl Shown {
    /// `None` where the window is too large to be counted.
    fn of(edge: Edge, window: &Window, data: &Window) -> Option<Self> {
        let rows = positions(edge, window.row, window.rows, data.row, data.row_end());
        let cols = positions(edge, window.col, window.cols, data.col, data.col_end());
        let bounds = |positions: &[i64]| Some((*positions.iter().min()?, positions.iter().max()?.checked_add(1)?));
        let ((row, row_end), (col, col_end)) = (bounds(&rows)?, bounds(&cols)?);
        let from = |positions: Vec<i64>, first: i64| {
            positions.into_iter().map(|at| usize::try_from(at.checked_sub(first)?).ok()).collect::<Option<Vec<_>>>()
        };
        let window = Window::between(row, col, row_end, col_end)?;
        Some(Self { window, rows: from(rows, row)?, cols: from(cols, col)? })
    }

    /// Spreads the pixels of [`Shown::window`] over those that show them: `[bands, rows, cols]` both, `pixel` bytes each.
    fn spread(&self, from: &[u8], to: &mut [u8], pixel: usize) {
        let side = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let from_line = side(self.window.cols).saturating_mul(pixel).max(1);
        let from_plane = side(self.window.rows).saturating_mul(from_line).max(1);
        let to_line = self.cols.len().saturating_mul(pixel).max(1);
        let to_plane = self.rows.len().saturating_mul(to_line).max(1);
        for (from, to) in from.chunks_exact(from_plane).zip(to.chunks_exact_mut(to_plane)) {
            for (row, to) in self.rows.iter().zip(to.chunks_exact_mut(to_line)) {
                let Some(from) = from.chunks_exact(from_line).nth(*row) else { continue };
                for (col, to) in self.cols.iter().zip(to.chunks_exact_mut(pixel)) {
                    if let Some(from) = from.chunks_exact(pixel).nth(*col) {
                        to.copy_from_slice(from);
                    }
                }
            }
        }
    }
}

/// For each position from `start`, which one of `first..end` (not empty) to show.
fn positions(edge: Edge, start: i64, count: u32, first: i64, end: i64) -> Vec<i64> {
    let size = end.saturating_sub(first).max(1);
    (0..i64::from(count))
        .map(|i| start.saturating_add(i))
        .map(|at| match edge {
            Edge::Nodata => at,
            Edge::Nearest => at.clamp(first, first + size - 1),
            Edge::Reflect => {
                let within = at.saturating_sub(first).rem_euclid(size.saturating_mul(2));
                first + if within < size { within } else { 2 * size - 1 - within }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_in_scipy_ndimage() {
        // scipy.ndimage: reflect (d c b a | a b c d | d c b a), nearest (a a a a | a b c d | d d d d).
        assert_eq!(positions(Edge::Reflect, -4, 12, 0, 4), [3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0]);
        assert_eq!(positions(Edge::Nearest, -2, 8, 0, 4), [0, 0, 0, 1, 2, 3, 3, 3]);
        assert_eq!(positions(Edge::Nodata, -2, 3, 0, 4), [-2, -1, 0]);
    }

    #[test]
    fn halo_wider_than_the_data() {
        assert_eq!(positions(Edge::Reflect, -5, 12, 0, 2), [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
        assert_eq!(positions(Edge::Reflect, -2, 5, 0, 1), [0; 5]);
        assert_eq!(positions(Edge::Reflect, 3, 4, 5, 8), [6, 5, 5, 6]);
    }
}
