//! Puts pixels that were read in the file's own type to their place in the reader's buffer: converts and marks them, and counts those
//! that change.

use crate::files::fill::fill;
use crate::files::layout::Layout;
use crate::files::read::convert::{Conversion, Stats, unused_mark};
use crate::{Found, SourceBand};
use grid::{Turn, Window};
use tilefn_abi::DType;

/// Where pixels of a window go.
pub(crate) struct Place<'a> {
    /// The window, as it was read.
    pub(crate) window: &'a Window,
    /// Where its pixels lie in the buffer.
    pub(crate) layout: &'a Layout,
    /// The type that the reader wants.
    pub(crate) dtype: DType,
    pub(crate) counted: &'a Counted,
    /// Whether the window covers all of the buffer.
    pub(crate) whole: bool,
}

impl Place<'_> {
    /// Puts a band's pixels, `from`, packed and of the band's own type, into its `plane`. Where `mask` is 0 they are invalid.
    pub(crate) fn put(
        &self,
        (index, band): (usize, &SourceBand),
        from: &[u8],
        mask: Option<&[u8]>,
        plane: &mut [u8],
        found: &mut Found,
    ) {
        let layout = self.layout;
        let mut how = Conversion::new(band, self.dtype);
        let (all, mut counts) = self.convert(&how, band, from, mask, plane);
        if all.marked > 0 {
            // A valid pixel has the value that marks invalid ones.
            let mark =
                if all.invalid { unused_mark(self.dtype, plane.get(..layout.band).unwrap_or(plane)) } else { None };
            match mark {
                Some(mark) => {
                    how.mark = Some(mark);
                    fill(plane.get_mut(..layout.band).unwrap_or_default(), mark, self.dtype);
                    self.convert(&how, band, from, mask, plane);
                    found.marks.push((index, Some(mark)));
                    counts.marked = 0;
                }
                None if all.invalid => {
                    how.avoid_mark = true;
                    self.convert(&how, band, from, mask, plane);
                }
                None => {
                    found.marks.push((index, None));
                    counts.marked = 0;
                }
            }
        }
        found.clamped += counts.clamped;
        found.rounded += counts.rounded;
        found.moved += counts.marked;
    }

    /// Statistics of all pixels, and of those that are counted.
    fn convert(
        &self,
        how: &Conversion,
        band: &SourceBand,
        from: &[u8],
        mask: Option<&[u8]>,
        plane: &mut [u8],
    ) -> (Stats, Stats) {
        let (own, wanted) = (band.dtype.size(), self.dtype.size());
        let cols = usize::try_from(self.window.cols).unwrap_or_default();
        let counted = self.counted;
        let (mut all, mut counts) = (Stats { invalid: !self.whole, ..Stats::default() }, Stats::default());
        let lines = from.chunks_exact((cols * own).max(1)).zip(rows(plane, self.layout, self.window, cols));
        for (n, (from, to)) in lines.enumerate() {
            let mask = mask.and_then(|mask| mask.get(n * cols..(n + 1) * cols));
            let mut from_here = 0;
            for end in [counted.first_col, counted.end_col, cols] {
                let pixels = from_here..end;
                let bytes = |size: usize| pixels.start * size..pixels.end * size;
                if let (Some(from), Some(to)) = (from.get(bytes(own)), to.get_mut(bytes(wanted))) {
                    let stats = how.row(from, mask.and_then(|mask| mask.get(pixels.clone())), to);
                    all += stats;
                    if end == counted.end_col && (counted.first_row..counted.end_row).contains(&n) {
                        counts += stats;
                    }
                }
                from_here = end;
            }
        }
        (all, counts)
    }
}

/// The part of a window that belongs to no other, as rows and columns of its pixels in the file.
pub(crate) struct Counted {
    first_row: usize,
    end_row: usize,
    first_col: usize,
    end_col: usize,
}

impl Counted {
    /// `core` within `inside`, as the file has it before it is turned.
    pub(crate) fn of(inside: &Window, core: &Window, turn: Turn) -> Self {
        let core = inside.intersection(core).unwrap_or(Window { rows: 0, cols: 0, ..*inside });
        let at = |n: i64, from: i64| usize::try_from(n.saturating_sub(from)).unwrap_or_default();
        let rows = match turn.rows {
            false => (at(core.row, inside.row), at(core.row_end(), inside.row)),
            true => (at(inside.row_end(), core.row_end()), at(inside.row_end(), core.row)),
        };
        let cols = match turn.cols {
            false => (at(core.col, inside.col), at(core.col_end(), inside.col)),
            true => (at(inside.col_end(), core.col_end()), at(inside.col_end(), core.col)),
        };
        Self { first_row: rows.0, end_row: rows.1, first_col: cols.0, end_col: cols.1 }
    }
}

/// The rows of a window in a band of a buffer.
pub(crate) fn rows<'a>(
    plane: &'a mut [u8],
    layout: &Layout,
    window: &Window,
    cols: usize,
) -> impl Iterator<Item = &'a mut [u8]> {
    let (line, len) = (layout.line, cols.saturating_mul(layout.pixel));
    let all = plane.get_mut(layout.start..).unwrap_or_default().chunks_mut(line.max(1));
    all.take(usize::try_from(window.rows).unwrap_or(usize::MAX)).filter_map(move |row| row.get_mut(..len))
}
