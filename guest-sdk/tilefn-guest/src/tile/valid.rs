//! Looking at valid pixels one at a time.

use core::ops::Index;

use super::Tile;
use crate::Element;

impl<T: Element> Tile<T> {
    /// The pixel's value if it is valid; none if it is invalid or outside the tile. Rows and columns count the halo.
    #[inline]
    pub fn get(&self, band: usize, row: usize, col: usize) -> Option<T> {
        let [bands, rows, cols] = self.shape();
        if band >= bands || row >= rows || col >= cols {
            return None;
        }
        let at = self.layout.offset + band * self.layout.band_stride + row * self.layout.row_stride + col;
        self.pixels().get(at).copied().filter(|value| self.check(band).is_valid(*value))
    }

    /// Whether the pixel is valid; false outside the tile.
    #[inline]
    pub fn is_valid(&self, band: usize, row: usize, col: usize) -> bool {
        self.get(band, row, col).is_some()
    }

    /// The values of the valid pixels without the halo, band by band, row by row.
    pub fn valid(&self) -> impl Iterator<Item = T> {
        self.valid_indexed().map(|(_, value)| value)
    }

    /// The valid pixels without the halo, as `((band, row, col), value)`; rows and columns count the halo, as in
    /// [`view`](Self::view).
    pub fn valid_indexed(&self) -> impl Iterator<Item = ((usize, usize, usize), T)> {
        let halo = self.halo();
        (0..self.bands()).flat_map(move |band| {
            let check = self.check(band);
            // Not `enumerate` or an open range, which look for an overflow at each step where the function's crate does.
            let lines = self.plane(band).inset(halo).lines().zip(halo..usize::MAX);
            lines.flat_map(move |(line, row)| {
                let pixels = line.iter().zip(halo..usize::MAX).filter(move |(value, _)| check.is_valid(**value));
                pixels.map(move |(value, col)| ((band, row, col), *value))
            })
        })
    }

    /// The number of valid pixels, without the halo.
    pub fn count_valid(&self) -> usize {
        let planes = (0..self.bands()).map(|band| (self.plane(band).inset(self.halo()), self.check(band)));
        planes
            .flat_map(|(plane, check)| plane.lines().map(move |line| (line, check)))
            .map(|(line, check)| line.iter().filter(|value| check.is_valid(**value)).count())
            .sum()
    }
}

/// The stored value at `[band, row, col]`, valid or not.
impl<T: Element> Index<[usize; 3]> for Tile<T> {
    type Output = T;

    #[expect(clippy::indexing_slicing, reason = "indexing is asked for")]
    fn index(&self, [band, row, col]: [usize; 3]) -> &T {
        let [bands, rows, cols] = self.shape();
        assert!(
            band < bands && row < rows && col < cols,
            "[{band}, {row}, {col}] is outside the tile's {bands} × {rows} × {cols} pixels"
        );
        &self.pixels()[self.layout.offset + band * self.layout.band_stride + row * self.layout.row_stride + col]
    }
}
