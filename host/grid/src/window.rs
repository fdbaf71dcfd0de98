//! A rectangle of pixels.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A rectangle of pixels of a grid; it may reach outside the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First row; negative above the grid.
    pub row: i64,
    /// First column; negative left of the grid.
    pub col: i64,
    pub rows: u32,
    pub cols: u32,
}

impl Window {
    /// The window at `(row, col)` with this size.
    pub const fn new(row: i64, col: i64, rows: u32, cols: u32) -> Self {
        Self { row, col, rows, cols }
    }

    /// The window from `(row, col)` up to, not including, `(row_end, col_end)`; `None` when a side is negative or
    /// longer than a `u32`.
    pub fn between(row: i64, col: i64, row_end: i64, col_end: i64) -> Option<Self> {
        let rows = u32::try_from(row_end.checked_sub(row)?).ok()?;
        let cols = u32::try_from(col_end.checked_sub(col)?).ok()?;
        Some(Self { row, col, rows, cols })
    }

    /// The first row below the window.
    pub const fn row_end(&self) -> i64 {
        self.row.saturating_add(self.rows as i64)
    }

    /// The first column right of the window.
    pub const fn col_end(&self) -> i64 {
        self.col.saturating_add(self.cols as i64)
    }

    /// Whether there is no pixel in it.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0 || self.cols == 0
    }

    /// Number of pixels.
    pub const fn pixels(&self) -> u64 {
        self.rows as u64 * self.cols as u64
    }

    /// The pixels both have; `None` when there are none.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let window = Self::between(
            self.row.max(other.row),
            self.col.max(other.col),
            self.row_end().min(other.row_end()),
            self.col_end().min(other.col_end()),
        )?;
        (!window.is_empty()).then_some(window)
    }

    /// The smallest window that holds both; `None` when a side would be longer than a `u32`.
    pub fn union(&self, other: &Self) -> Option<Self> {
        Self::between(
            self.row.min(other.row),
            self.col.min(other.col),
            self.row_end().max(other.row_end()),
            self.col_end().max(other.col_end()),
        )
    }

    /// Whether every pixel of `other` is in this window.
    pub const fn contains(&self, other: &Self) -> bool {
        self.row <= other.row
            && self.col <= other.col
            && self.row_end() >= other.row_end()
            && self.col_end() >= other.col_end()
    }

    /// The window with `halo` more pixels on each of its four sides; `None` when that is too large.
    pub fn padded(&self, halo: u32) -> Option<Self> {
        let both = halo.checked_mul(2)?;
        Some(Self {
            row: self.row.checked_sub(halo.into())?,
            col: self.col.checked_sub(halo.into())?,
            rows: self.rows.checked_add(both)?,
            cols: self.cols.checked_add(both)?,
        })
    }

    /// The same pixels, counted from another origin, which lies at `(row, col)` of the present one.
    pub fn relative_to(&self, row: i64, col: i64) -> Option<Self> {
        Some(Self { row: self.row.checked_sub(row)?, col: self.col.checked_sub(col)?, ..*self })
    }
}

impl fmt::Display for Window {
    /// `rows 0..512, columns 512..1024`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows {}..{}, columns {}..{}", self.row, self.row_end(), self.col, self.col_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn windows() -> impl Strategy<Value = Window> {
        (-50i64..50, -50i64..50, 0u32..60, 0u32..60).prop_map(|(r, c, h, w)| Window::new(r, c, h, w))
    }

    fn has(w: &Window, r: i64, c: i64) -> bool {
        r >= w.row && r < w.row + i64::from(w.rows) && c >= w.col && c < w.col + i64::from(w.cols)
    }

    proptest! {
        #[test]
        fn intersection_and_union_by_pixels(a in windows(), b in windows(), r in -60i64..120, c in -60i64..120) {
            let both = a.intersection(&b);
            prop_assert_eq!(both.is_some_and(|w| has(&w, r, c)), has(&a, r, c) && has(&b, r, c));
            let all = a.union(&b).unwrap();
            prop_assert!(!(has(&a, r, c) || has(&b, r, c)) || has(&all, r, c));
            prop_assert!(all.contains(&a) && all.contains(&b));
        }

        #[test]
        fn padding_is_undone_by_shrinking(w in windows(), halo in 0u32..20) {
            let p = w.padded(halo).unwrap();
            prop_assert_eq!(p.row_end() - w.row_end(), i64::from(halo));
            prop_assert_eq!(w.col - p.col, i64::from(halo));
            prop_assert!(p.contains(&w));
        }
    }

    #[test]
    fn extremes_do_not_wrap() {
        assert_eq!(Window::new(0, 0, u32::MAX, 1).padded(1), None);
        assert_eq!(Window::new(i64::MIN, 0, 1, 1).padded(1), None);
        assert_eq!(Window::new(i64::MAX, 0, 9, 1).row_end(), i64::MAX);
        assert_eq!(Window::between(i64::MIN, 0, i64::MAX, 1), None);
        assert_eq!(Window::new(0, 0, 1, 1).relative_to(i64::MIN, 0), None);
    }
}
