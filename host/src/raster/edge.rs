//! What a halo shows beyond the data.

use serde::{Deserialize, Serialize};
/// What a tile's halo shows where it reaches beyond the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Edge {
    /// The band's nodata value.
    #[default]
    Nodata,
    /// The pixels mirrored at the edge, the edge pixel included: `c b a | a b c`.
    Reflect,
    /// The pixel nearest to it: `a a a | a b c`.
    Nearest,
}

impl Edge {
    /// For each position from `start`, which one of `first..end` (not empty) to show.
    pub(super) fn positions(self, start: i64, count: u32, first: i64, end: i64) -> Vec<i64> {
        let size = end.saturating_sub(first).max(1);
        (0..i64::from(count))
            .map(|i| start.saturating_add(i))
            .map(|at| match self {
                Self::Nodata => at,
                Self::Nearest => at.clamp(first, first + size - 1),
                Self::Reflect => {
                    let within = at.saturating_sub(first).rem_euclid(size.saturating_mul(2));
                    first + if within < size { within } else { 2 * size - 1 - within }
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_in_scipy_ndimage() {
        // scipy.ndimage: reflect (d c b a | a b c d | d c b a), nearest (a a a a | a b c d | d d d d).
        assert_eq!(Edge::Reflect.positions(-4, 12, 0, 4), [3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0]);
        assert_eq!(Edge::Nearest.positions(-2, 8, 0, 4), [0, 0, 0, 1, 2, 3, 3, 3]);
        assert_eq!(Edge::Nodata.positions(-2, 3, 0, 4), [-2, -1, 0]);
    }

    #[test]
    fn halo_wider_than_the_data() {
        assert_eq!(Edge::Reflect.positions(-5, 12, 0, 2), [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
        assert_eq!(Edge::Reflect.positions(-2, 5, 0, 1), [0; 5]);
        assert_eq!(Edge::Reflect.positions(3, 4, 5, 8), [6, 5, 5, 6]);
    }
}
