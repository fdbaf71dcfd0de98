//! Chooses the pixels that a halo shows beyond the data.

use types::Edge;

/// For each position from `start`, which one of `first..end` (not empty) to show.
pub(crate) fn positions(edge: Edge, start: i64, count: u32, first: i64, end: i64) -> Vec<i64> {
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
