//! Nearest neighbour without the warper, for a file whose columns and rows run along the grid's: each pixel of the grid is one of
//! the file's, found once for each row and column.

use crate::files::resample::transformer::Transformer;
use grid::Window;

/// Which rows and columns of a file the rows and columns of a window show.
#[derive(Debug)]
pub(crate) struct Nearest {
    /// The pixels of the file that are needed.
    pub(crate) source: Window,
    /// For each row of the window, the row of `source`; `None` outside the file.
    rows: Vec<Option<usize>>,
    cols: Vec<Option<usize>>,
}

impl Nearest {
    /// `None` where no pixel of the window lies in the file, whose size this is (rows, columns).
    pub(crate) fn new(transformer: &Transformer, window: &Window, size: (u32, u32)) -> Option<Self> {
        let middle = |at: i64, n: u32| at as f64 + f64::from(n) + 0.5;
        let first = (middle(window.row, 0), middle(window.col, 0));
        let rows: Vec<_> = (0..window.rows).map(|n| (middle(window.row, n), first.1)).collect();
        let cols: Vec<_> = (0..window.cols).map(|n| (first.0, middle(window.col, n))).collect();
        let rows: Vec<_> =
            transformer.to_file(&rows).into_iter().map(|at| pixel(at.map(|(row, _)| row), size.0)).collect();
        let cols: Vec<_> =
            transformer.to_file(&cols).into_iter().map(|at| pixel(at.map(|(_, col)| col), size.1)).collect();
        let range = |all: &[Option<i64>]| {
            let known = || all.iter().copied().flatten();
            Some((known().min()?, known().max()?.checked_add(1)?))
        };
        let ((row, row_end), (col, col_end)) = (range(&rows)?, range(&cols)?);
        let source = Window::between(row, col, row_end, col_end)?;
        let relative = |all: Vec<Option<i64>>, from: i64| {
            all.into_iter().map(|at| usize::try_from(at?.checked_sub(from)?).ok()).collect()
        };
        Some(Self { source, rows: relative(rows, row), cols: relative(cols, col) })
    }

    /// The window's pixels, of `size` bytes each, from those of `source`. Where the file has none, `out` keeps what it has.
    pub(crate) fn put(&self, source: &[u8], size: usize, out: &mut [u8]) {
        let line = self.source.cols as usize * size;
        for (row, to) in self.rows.iter().zip(out.chunks_exact_mut((self.cols.len() * size).max(1))) {
            let Some(from) = row.and_then(|row| source.get(row * line..(row + 1) * line)) else { continue };
            for (col, to) in self.cols.iter().zip(to.chunks_exact_mut(size.max(1))) {
                if let Some(from) = col.and_then(|col| from.get(col * size..(col + 1) * size)) {
                    to.copy_from_slice(from);
                }
            }
        }
    }
}

/// The pixel at a position, as GDAL's warper finds it.
fn pixel(at: Option<f64>, size: u32) -> Option<i64> {
    let at = at.filter(|at| *at >= 0.0 && at + 1e-10 <= size.into())?;
    #[expect(clippy::cast_possible_truncation, reason = "within the file's size")]
    Some(((at + 1e-10) as i64).min(i64::from(size) - 1))
}
