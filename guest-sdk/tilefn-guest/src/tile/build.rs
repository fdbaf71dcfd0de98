//! Making tiles: from what the host wrote, from arrays in tests, from results.

use alloc::{sync::Arc, vec::Vec};

use ndarray::{Array, Array3, Axis, Dimension};

use super::{Layout, Nodata, Pixels, Tile};
use crate::Element;

impl<T: Element> Tile<T> {
    /// A tile around what the host wrote.
    pub(crate) fn from_host(
        pixels: &'static [T],
        shape: [usize; 3],
        halo: usize,
        nodata: impl IntoIterator<Item = Option<T>>,
    ) -> Self {
        Self { pixels: Pixels::Host(pixels), layout: Layout::contiguous(shape), halo, nodata: Nodata::bands(nodata) }
    }

    /// A tile that owns its pixels; `shape` counts them, more may follow.
    pub(super) fn made(pixels: Vec<T>, shape: [usize; 3], halo: usize, nodata: Nodata<T>) -> Self {
        debug_assert!(pixels.len() >= shape.iter().product());
        Self { pixels: Pixels::Made(Arc::new(pixels)), layout: Layout::contiguous(shape), halo, nodata }
    }

    /// A tile from an array `[bands, rows, cols]`, or `[rows, cols]` for a single band; without nodata and halo.
    ///
    /// # Panics
    ///
    /// When the array has other than two or three axes.
    #[track_caller]
    pub fn from_array<D: Dimension>(array: Array<T, D>) -> Self {
        let axes = array.ndim();
        assert!(axes == 2 || axes == 3, "a tile is [bands, rows, cols] or [rows, cols]; this array has {axes} axes");
        let bands = if axes == 3 { array.len_of(Axis(0)) } else { 1 };
        let shape = [bands, array.len_of(Axis(axes - 2)), array.len_of(Axis(axes - 1))];
        let pixels = array.into_dyn().as_standard_layout().into_owned();
        let (pixels, offset) = pixels.into_raw_vec_and_offset();
        let offset = offset.unwrap_or(0);
        let mut tile = Self::made(pixels, shape, 0, Nodata::None);
        tile.layout.offset = offset;
        tile
    }

    /// A tile of one band from its rows; without nodata and halo.
    ///
    /// # Panics
    ///
    /// When the rows differ in length.
    #[track_caller]
    pub fn from_rows<R: AsRef<[T]>>(rows: impl IntoIterator<Item = R>) -> Self {
        let mut pixels = Vec::new();
        let (mut count, mut cols) = (0, None);
        for row in rows {
            let row = row.as_ref();
            let cols = *cols.get_or_insert(row.len());
            assert!(row.len() == cols, "row {count} has {} pixels, the rows before it {cols}", row.len());
            pixels.extend_from_slice(row);
            count += 1;
        }
        Self::made(pixels, [1, count, cols.unwrap_or(0)], 0, Nodata::None)
    }

    /// A tile from its pixels in the order of the shape `[bands, rows, cols]`; without nodata and halo.
    ///
    /// # Panics
    ///
    /// When the number of pixels isn't the shape's.
    #[track_caller]
    pub fn from_vec(shape: [usize; 3], pixels: Vec<T>) -> Self {
        let [bands, rows, cols] = shape;
        assert!(
            bands.checked_mul(rows).and_then(|n| n.checked_mul(cols)) == Some(pixels.len()),
            "{} pixels don't make {bands} × {rows} × {cols}",
            pixels.len()
        );
        Self::made(pixels, shape, 0, Nodata::None)
    }

    /// A tile with the same value everywhere; `[bands, rows, cols]`.
    pub fn filled([bands, rows, cols]: [usize; 3], value: T) -> Self {
        Self::from_array(Array3::from_elem((bands, rows, cols), value))
    }

    /// The same pixels; those equal to `nodata` are invalid, in every band, and those that were invalid before.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let mask = Tile::from_rows([[0u8, 1, 255]]).with_nodata(255).with_nodata(0);
    /// assert_eq!([0, 1, 2].map(|col| mask.is_valid(0, 0, col)), [false, true, false]);
    /// ```
    #[must_use]
    pub fn with_nodata(self, nodata: T) -> Self {
        let bands = self.bands();
        self.marking(alloc::vec![Some(nodata); bands])
    }

    /// The same pixels; each band has its own nodata value or none. Pixels that were invalid before stay so.
    ///
    /// # Panics
    ///
    /// When the number of values isn't that of the bands.
    #[must_use]
    #[track_caller]
    pub fn with_band_nodata(self, nodata: impl IntoIterator<Item = Option<T>>) -> Self {
        let nodata: Vec<_> = nodata.into_iter().collect();
        assert!(nodata.len() == self.bands(), "{} nodata values for {} bands", nodata.len(), self.bands());
        self.marking(nodata)
    }

    /// The bands with these nodata values, besides those that they have; where a band has another, its invalid pixels
    /// are rewritten.
    fn marking(mut self, mut nodata: Vec<Option<T>>) -> Self {
        let mut rewrite = false;
        for (band, nodata) in nodata.iter_mut().enumerate() {
            let before = self.nodata(band);
            rewrite |= before.is_some() && nodata.is_some() && before != *nodata;
            *nodata = nodata.or(before);
        }
        if rewrite {
            let mut pixels = Vec::with_capacity(self.shape().iter().product());
            for (band, nodata) in nodata.iter().enumerate() {
                self.append_band_or(band, nodata.unwrap_or(T::MARKER), &mut pixels);
            }
            self = Self::made(pixels, self.shape(), self.halo, Nodata::None);
        }
        self.nodata = Nodata::bands(nodata);
        self
    }

    /// The same pixels, all valid except NaN.
    #[must_use]
    pub fn without_nodata(mut self) -> Self {
        self.nodata = Nodata::None;
        self
    }

    /// The same pixels, of which the outermost `halo` on each side are the halo.
    ///
    /// # Panics
    ///
    /// When the tile has no pixel left inside.
    #[must_use]
    #[track_caller]
    pub fn with_halo(mut self, halo: usize) -> Self {
        let [_, rows, cols] = self.shape();
        assert!(
            halo == 0 || (halo < rows.div_ceil(2) && halo < cols.div_ceil(2)),
            "{rows} × {cols} pixels leave nothing inside a halo of {halo}"
        );
        self.halo = halo;
        self
    }

    /// One tile with the bands of all of them, in order; each band keeps its nodata value.
    ///
    /// # Panics
    ///
    /// When there is no tile, or their windows differ in size.
    #[must_use]
    #[track_caller]
    pub fn stack(tiles: &[Self]) -> Self {
        assert!(!tiles.is_empty(), "there is no tile to stack");
        let halo = tiles.iter().map(Tile::halo).min().unwrap_or(0);
        let (mut pixels, mut nodata) = (Vec::new(), Vec::new());
        let mut window = None;
        for (number, tile) in tiles.iter().enumerate() {
            let tile = tile.inset(halo, 0, 0);
            let (rows, cols) = *window.get_or_insert((tile.rows(), tile.cols()));
            assert!(
                (tile.rows(), tile.cols()) == (rows, cols),
                "tile {number} has {} × {} pixels, the ones before it {rows} × {cols}",
                tile.rows(),
                tile.cols()
            );
            tile.copy_pixels(&mut pixels);
            nodata.extend((0..tile.bands()).map(|band| tile.nodata(band)));
        }
        let (rows, cols) = window.unwrap_or((0, 0));
        Self::made(pixels, [nodata.len(), rows, cols], halo, Nodata::bands(nodata))
    }

    /// The pixels in order.
    fn copy_pixels(&self, to: &mut Vec<T>) {
        to.reserve(self.shape().iter().product());
        for band in 0..self.bands() {
            self.plane(band).lines().for_each(|line| to.extend_from_slice(line));
        }
    }

    /// The pixels in order, the invalid ones as `fill`.
    pub(super) fn pixels_or(&self, fill: T) -> Vec<T> {
        let mut pixels = Vec::with_capacity(self.shape().iter().product());
        (0..self.bands()).for_each(|band| self.append_band_or(band, fill, &mut pixels));
        pixels
    }

    /// Appends a band's pixels, the invalid ones as `fill`.
    fn append_band_or(&self, band: usize, fill: T, to: &mut Vec<T>) {
        let check = self.check(band);
        for line in self.plane(band).lines() {
            to.extend(line.iter().map(|value| if check.is_valid(*value) { *value } else { fill }));
        }
    }

    /// The tile as the host reads it: the pixels end to end, one nodata value for all bands.
    pub(crate) fn into_output(self) -> Self {
        let tile = if matches!(self.nodata, Nodata::Bands(_)) { self.map_valid(|v| v) } else { self };
        tile.contiguous()
    }

    /// The tile with its pixels end to end, which [`as_slice`](Self::as_slice) needs; copies only if they aren't.
    fn contiguous(self) -> Self {
        if self.as_slice().is_some() {
            return self;
        }
        let mut pixels = Vec::new();
        self.copy_pixels(&mut pixels);
        Self::made(pixels, self.shape(), self.halo, self.nodata)
    }

    /// The pixels in order, if they lie end to end.
    pub fn as_slice(&self) -> Option<&[T]> {
        let shape = self.shape();
        let end_to_end = Layout { offset: self.layout.offset, ..Layout::contiguous(shape) };
        if self.layout != end_to_end {
            return None;
        }
        self.pixels().get(self.layout.offset..)?.get(..shape.iter().product())
    }
}
