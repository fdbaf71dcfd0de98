//! Where pixels lie in a buffer.

use grid::Window;

/// Where pixels lie in a buffer, in bytes. Pixels of a row follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// First byte of the first pixel.
    pub(crate) start: usize,
    /// Bytes of a pixel.
    pub(crate) pixel: usize,
    /// From a row to the next.
    pub(crate) line: usize,
    /// From a band to the next.
    pub(crate) band: usize,
}

impl Layout {
    /// Pixels packed as `[bands, rows, cols]`; `None` when a plane has more bytes than there can be.
    pub(crate) fn packed(rows: u32, cols: u32, pixel: usize) -> Option<Self> {
        let line = usize::try_from(cols).ok()?.checked_mul(pixel)?;
        let band = usize::try_from(rows).ok()?.checked_mul(line)?;
        Some(Self { start: 0, pixel, line, band })
    }

    /// The byte after the last pixel.
    pub(crate) fn end(&self, bands: usize, window: &Window) -> Option<usize> {
        let rows = usize::try_from(window.rows).ok()?.checked_sub(1)?;
        let cols = usize::try_from(window.cols).ok()?;
        let last = bands.checked_sub(1)?.checked_mul(self.band)?.checked_add(rows.checked_mul(self.line)?)?;
        self.start.checked_add(last)?.checked_add(cols.checked_mul(self.pixel)?)
    }
}

/// Bytes of `[bands, rows, cols]` pixels; `None` when there can't be so many.
pub(crate) fn buffer_len(bands: usize, window: &Window, pixel: usize) -> Option<usize> {
    Layout::packed(window.rows, window.cols, pixel)?.band.checked_mul(bands)
}
