//! Coordinates of pixels and pixels of coordinates.

use proptest::prelude::*;
use tilefn_guest::{Window, prelude::*};

/// A grid of 40 × 60 pixels in tiles of 7 × 11, each with a halo of 2.
fn tiles(geotransform: [f64; 6], halo: usize) -> Vec<Context> {
    let starts = |len: usize, step: usize| (0..len).step_by(step).map(move |start| (start, step.min(len - start)));
    let window = |(row, rows), (col, cols)| Window { row, col, rows, cols };
    starts(40, 7)
        .flat_map(|rows| starts(60, 11).map(move |cols| window(rows, cols)))
        .map(|w| {
            let ctx = Context::for_test(w.rows, w.cols).with_window(w, (40, 60));
            ctx.with_geotransform(geotransform).with_halo(halo)
        })
        .collect()
}

/// Geotransforms whose numbers don't come out even.
fn geotransforms() -> impl Strategy<Value = [f64; 6]> {
    let step = prop_oneof![Just(0.1), Just(1.0 / 3.0), Just(30.0), 1e-6..1e3];
    let origin = prop_oneof![Just(0.0), Just(500_000.1), -1e7..1e7];
    (origin.clone(), step.clone(), origin, step, any::<bool>())
        .prop_map(|(x, dx, y, dy, north_up)| [x, dx, 0.0, y, 0.0, if north_up { -dy } else { dy }])
}

proptest! {
    #[test]
    fn each_point_of_the_grid_is_in_one_pixel(
        geotransform in geotransforms(), row in 0usize..40, col in 0usize..60,
        edge in any::<[bool; 2]>(), at in [0.0..0.999, 0.0..0.999],
    ) {
        // On an edge as it is computed everywhere, or anywhere inside.
        let [x0, dx, _, y0, _, dy] = geotransform;
        let x = if edge[0] { x0 + col as f64 * dx } else { x0 + (col as f64 + at[0]) * dx };
        let y = if edge[1] { y0 + row as f64 * dy } else { y0 + (row as f64 + at[1]) * dy };
        let found: Vec<_> = tiles(geotransform, 2)
            .iter()
            .filter_map(|ctx| {
                let (r, c) = ctx.row_col_of(x, y)?;
                (!ctx.is_in_halo(r, c)).then(|| (ctx.window().row + r - 2, ctx.window().col + c - 2))
            })
            .collect();
        prop_assert_eq!(found.len(), 1);
        if edge == [true, true] {
            prop_assert_eq!(found[0], (row, col));
        }
    }

    #[test]
    fn a_pixel_contains_its_centre(geotransform in geotransforms()) {
        for ctx in tiles(geotransform, 2) {
            for (row, col) in [(0, 0), (1, 3), (ctx.window().rows + 3, ctx.window().cols + 3)] {
                let (x, y) = ctx.centre(row, col);
                prop_assert_eq!(ctx.row_col_of(x, y), Some((row, col)));
            }
        }
    }

    #[test]
    fn rotated_pixels_contain_their_centre(angle in 0.0..std::f64::consts::TAU, row in 0usize..11, col in 0usize..15) {
        let (sin, cos) = angle.sin_cos();
        let geotransform = [5e5, 30.0 * cos, 30.0 * sin, 6e6, 30.0 * sin, -30.0 * cos];
        let ctx = &tiles(geotransform, 2)[8];
        let (x, y) = ctx.centre(row, col);
        prop_assert_eq!(ctx.row_col_of(x, y), Some((row, col)));
    }
}

#[test]
fn coordinates_are_the_centres_of_all_pixels() {
    for ctx in tiles([100.0, 10.0, 1.0, 50.0, 0.5, -10.0], 2) {
        let (x, y) = ctx.coordinates();
        let (rows, cols) = (ctx.window().rows + 4, ctx.window().cols + 4);
        assert_eq!((x.shape(), y.shape(), x.halo(), y.halo()), ([1, rows, cols], [1, rows, cols], 2, 2));
        for (row, col) in [(0, 0), (3, 1), (rows - 1, cols - 1)] {
            assert_eq!((x.get(0, row, col), y.get(0, row, col)), {
                let (x, y) = ctx.centre(row, col);
                (Some(x), Some(y))
            });
        }
    }
    // Neighbours meet, and together they are the grid.
    let all = tiles([100.0, 10.0, 0.0, 50.0, 0.0, -10.0], 2);
    assert_eq!((all[0].bounds().2, all[0].bounds().1), (all[1].bounds().0, all[6].bounds().3));
    assert_eq!((all[0].bounds().0, all[0].bounds().3), (100.0, 50.0));
    assert_eq!((all[all.len() - 1].bounds().2, all[all.len() - 1].bounds().1), (700.0, -350.0));
}

#[test]
fn a_point_outside_is_in_no_pixel() {
    let ctx = Context::for_test(2, 3).with_geotransform([100.0, 10.0, 0.0, 50.0, 0.0, -10.0]);
    let just_below = |v: f64| v - v * f64::EPSILON;
    assert_eq!(ctx.row_col_of(100.0, 50.0), Some((0, 0)));
    assert_eq!(ctx.row_col_of(just_below(100.0), 50.0), None);
    assert_eq!(ctx.row_col_of(100.0, 50.1), None);
    assert_eq!(ctx.row_col_of(just_below(130.0), 31.0), Some((1, 2)));
    assert_eq!(ctx.row_col_of(130.0, 31.0), None);
    assert_eq!(ctx.row_col_of(105.0, 30.0), None);
    for nowhere in [f64::NAN, f64::INFINITY, -1e300] {
        assert_eq!(ctx.row_col_of(nowhere, 45.0), None);
    }
}

#[test]
fn a_context_for_a_test_says_what_it_was_told() {
    let ctx = Context::for_test(4, 5).with_matrix((1, 2), (3, 4)).with_crs("LOCAL_CS[\"x\"]");
    assert_eq!((ctx.index(), ctx.count(), ctx.matrix(), ctx.matrix_size()), (6, 12, (1, 2), (3, 4)));
    assert_eq!((ctx.is_first(), ctx.is_last(), ctx.crs()), (false, false, "LOCAL_CS[\"x\"]"));
    let only = Context::for_test(4, 5).with_geotransform([0.0, 0.5, 0.0, 0.0, 0.0, -2.0]);
    assert_eq!(
        (only.is_first(), only.is_last(), only.grid_size(), only.pixel_size()),
        (true, true, (4, 5), (0.5, 2.0))
    );
}
