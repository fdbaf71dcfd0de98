//! Several tiles taken pixel by pixel: matching them by place, and the inner loops.
//!
//! The loops are written so that LLVM vectorises them: over slices of equal length, with validity as a mask instead of
//! an early exit, in one version for tiles without declared nodata and one for all others, and writing each result
//! once, into memory that nobody filled before.

use alloc::vec::Vec;

use super::{Nodata, Tile, plane::Plane};
use crate::Element;

/// What the operands have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) bands: usize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) halo: usize,
}

impl Frame {
    pub(crate) fn of<T: Element>(tile: &Tile<T>) -> Self {
        Self { bands: tile.bands(), rows: tile.rows(), cols: tile.cols(), halo: tile.halo() }
    }

    /// The frame of the smallest halo; a single band goes with any number of bands.
    #[track_caller]
    pub(crate) fn common(frames: &[Self]) -> Self {
        let halo = frames.iter().map(|f| f.halo).min().unwrap_or(0);
        let bands = frames.iter().map(|f| f.bands).find(|bands| *bands != 1).unwrap_or(1);
        let mut common: Option<Self> = None;
        for frame in frames {
            let margin = 2 * (frame.halo - halo);
            let frame = Self { bands, rows: frame.rows - margin, cols: frame.cols - margin, halo };
            let first = *common.get_or_insert(frame);
            assert!(
                frame == first,
                "tiles of different size don't go together: {} × {} and {} × {} pixels without halo",
                first.rows - 2 * halo,
                first.cols - 2 * halo,
                frame.rows - 2 * halo,
                frame.cols - 2 * halo
            );
        }
        for frame in frames {
            assert!(
                frame.bands == bands || frame.bands == 1,
                "tiles of {} and {bands} bands don't go together; only a single band goes with many",
                frame.bands
            );
        }
        common.unwrap_or(Self { bands: 0, rows: 0, cols: 0, halo })
    }
}

/// What tells a band's valid pixels.
#[derive(Clone, Copy)]
pub(crate) struct Check<T> {
    nodata: T,
    declared: bool,
}

impl<T: Element> Check<T> {
    pub(crate) fn new(nodata: Option<T>) -> Self {
        Self { nodata: nodata.unwrap_or(T::MARKER), declared: nodata.is_some() }
    }

    /// Without a branch, so that a loop over it vectorises.
    #[inline]
    pub(crate) fn is_valid(self, value: T) -> bool {
        // Undeclared in floats it is NaN, which nothing equals.
        !value.is_nan() & !((self.declared | T::DTYPE.is_float()) & (value == self.nodata))
    }

    /// Whether a line has only valid pixels.
    #[inline]
    pub(crate) fn all_valid(self, line: &[T]) -> bool {
        line.iter().fold(true, |all, value| all & self.is_valid(*value))
    }
}

/// Tiles to take pixel by pixel: a tuple of references, or an array of them.
pub(crate) trait Operands: Copy {
    /// One pixel of each.
    type Pixels: Copy;

    /// What they have in common; panics if they don't go together.
    fn frame(self) -> Frame;

    /// Whether any band has a nodata value.
    fn declared(self) -> bool;

    /// Appends a band's results to `out`; `f` is told whether all its pixels are valid.
    fn append_band<V>(self, frame: Frame, band: usize, out: &mut Vec<V>, f: impl FnMut(bool, Self::Pixels) -> V);
}

impl<T: Element> Tile<T> {
    pub(super) fn declares_nodata(&self) -> bool {
        !matches!(self.nodata, Nodata::None)
    }

    pub(super) fn check(&self, band: usize) -> Check<T> {
        Check::new(self.nodata(band))
    }

    /// A band's pixels inside the frame, and what tells the valid ones.
    pub(super) fn operand(&self, frame: Frame, band: usize) -> (Plane<'_, T>, Check<T>) {
        let band = band.min(self.bands().saturating_sub(1));
        (self.plane(band).inset(self.halo() - frame.halo), self.check(band))
    }
}

macro_rules! tuple_operands {
    ($($tile:ident $check:ident: $type:ident),+) => {
        impl<$($type: Element),+> Operands for ($(&Tile<$type>,)+) {
            type Pixels = ($($type,)+);

            #[track_caller]
            fn frame(self) -> Frame {
                let ($($tile,)+) = self;
                Frame::common(&[$(Frame::of($tile)),+])
            }

            fn declared(self) -> bool {
                let ($($tile,)+) = self;
                $($tile.declares_nodata())||+
            }

            // Lines are cut to one length, so LLVM drops the checks of the indices.
            #[inline]
            fn append_band<V>(
                self,
                frame: Frame,
                band: usize,
                out: &mut Vec<V>,
                mut f: impl FnMut(bool, Self::Pixels) -> V,
            ) {
                let declared = self.declared();
                let ($($tile,)+) = self;
                $(let ($tile, $check) = $tile.operand(frame, band);)+
                let flat = $($tile.is_contiguous())&&+;
                $(let $tile = if flat { $tile.flattened() } else { $tile };)+
                let (lines, len) = if flat { (1, frame.rows * frame.cols) } else { (frame.rows, frame.cols) };
                for line in 0..lines {
                    $(let $tile = &$tile.line(line)[..len];)+
                    if declared {
                        out.extend((0..len).map(|i| f($($check.is_valid($tile[i]))&+, ($($tile[i],)+))));
                    } else {
                        out.extend((0..len).map(|i| f($(!$tile[i].is_nan())&+, ($($tile[i],)+))));
                    }
                }
            }
        }
    };
}

tuple_operands!(a check_a: A);
tuple_operands!(a check_a: A, b check_b: B);
tuple_operands!(a check_a: A, b check_b: B, c check_c: C);

impl<T: Element, const N: usize> Operands for [&Tile<T>; N] {
    type Pixels = [T; N];

    #[track_caller]
    fn frame(self) -> Frame {
        Frame::common(&self.map(Frame::of))
    }

    fn declared(self) -> bool {
        self.iter().any(|tile| tile.declares_nodata())
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "lines cut to one length, so LLVM drops the checks")]
    fn append_band<V>(self, frame: Frame, band: usize, out: &mut Vec<V>, mut f: impl FnMut(bool, [T; N]) -> V) {
        let declared = self.declared();
        let operands = self.map(|tile| tile.operand(frame, band));
        let (planes, checks) = (operands.map(|(plane, _)| plane), operands.map(|(_, check)| check));
        let flat = planes.iter().all(Plane::is_contiguous);
        let planes = if flat { planes.map(Plane::flattened) } else { planes };
        let (lines, len) = if flat { (1, frame.rows * frame.cols) } else { (frame.rows, frame.cols) };
        for line in 0..lines {
            let tiles = planes.map(|plane| &plane.line(line)[..len]);
            if declared {
                out.extend((0..len).map(|i| {
                    let pixels = tiles.map(|tile| tile[i]);
                    let valid = (0..N).fold(true, |valid, k| valid & checks[k].is_valid(pixels[k]));
                    f(valid, pixels)
                }));
            } else {
                out.extend((0..len).map(|i| {
                    let pixels = tiles.map(|tile| tile[i]);
                    f(pixels.iter().fold(true, |valid, pixel| valid & !pixel.is_nan()), pixels)
                }));
            }
        }
    }
}

/// A tile whose pixels come with their place `(band, row, col)`.
pub(crate) struct Indexed<'a, T: Element>(pub(crate) &'a Tile<T>);

impl<T: Element> Clone for Indexed<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Element> Copy for Indexed<'_, T> {}

impl<T: Element> Operands for Indexed<'_, T> {
    type Pixels = ((usize, usize, usize), T);

    fn frame(self) -> Frame {
        Frame::of(self.0)
    }

    fn declared(self) -> bool {
        self.0.declares_nodata()
    }

    #[inline]
    fn append_band<V>(self, frame: Frame, band: usize, out: &mut Vec<V>, mut f: impl FnMut(bool, Self::Pixels) -> V) {
        let (plane, check) = self.0.operand(frame, band);
        for (row, line) in plane.lines().enumerate() {
            let pixels = line.iter().enumerate();
            out.extend(pixels.map(|(col, value)| f(check.is_valid(*value), ((band, row, col), *value))));
        }
    }
}
