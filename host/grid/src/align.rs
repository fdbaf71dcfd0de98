//! The extent of several grids on the pixels of one.

use super::{Error, Grid, Window};
use types::Footprint;

/// The working grid's window, in pixels of `reference`, from the named windows that the inputs cover there.
///
/// # Errors
/// [`Error::NoIntersection`] names two inputs that are apart; [`Error::TooLarge`] when the union is too large for a
/// grid; [`Error::Invalid`] without any input, unless the reference decides.
pub fn footprint<'a>(
    kind: Footprint,
    reference: &Grid,
    inputs: impl IntoIterator<Item = (&'a str, Window)> + Clone,
) -> Result<Window, Error> {
    if kind == Footprint::Reference {
        return Ok(reference.window());
    }
    let mut all = inputs.clone().into_iter();
    let Some((_, mut result)) = all.next() else {
        return Err(Error::Invalid("no input says what its extent is; give a reference grid".into()));
    };
    for (name, window) in all {
        result = match kind {
            Footprint::Union => {
                result.union(&window).ok_or_else(|| Error::TooLarge(format!("the union of {result} and {window}")))?
            }
            // Rectangles that overlap pairwise overlap as a whole, so there is always one to name.
            _ => result.intersection(&window).ok_or_else(|| Error::NoIntersection {
                first: inputs
                    .clone()
                    .into_iter()
                    .find(|(_, w)| w.intersection(&window).is_none())
                    .map_or_else(String::new, |(first, _)| first.to_owned()),
                second: name.to_owned(),
            })?,
        };
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Crs, GeoTransform};
    use proptest::prelude::*;

    fn grid(x: f64, y: f64, px: f64, rows: u32, cols: u32) -> Grid {
        Grid { transform: GeoTransform::north_up(x, y, px, px), rows, cols, crs: Crs::default() }
    }

    #[test]
    fn c14_footprints() {
        let a = grid(500_000.0, 7_000_000.0, 10.0, 500, 500);
        let b = grid(501_000.0, 6_999_000.0, 10.0, 500, 500);
        let windows = [("a", a.window()), ("b", Window::new(100, 100, b.rows, b.cols))];
        let extent = |kind| {
            let w = footprint(kind, &a, windows).unwrap();
            let Bounds { x_min, y_min, x_max, y_max } = a.crop(&w).bounds();
            ([x_min, x_max, y_min, y_max], w.rows, w.cols)
        };
        assert_eq!(extent(Footprint::Intersection), ([501_000.0, 505_000.0, 6_995_000.0, 6_999_000.0], 400, 400));
        assert_eq!(extent(Footprint::Union), ([500_000.0, 506_000.0, 6_994_000.0, 7_000_000.0], 600, 600));
        assert_eq!(extent(Footprint::Reference), ([500_000.0, 505_000.0, 6_995_000.0, 7_000_000.0], 500, 500));
    }

    #[test]
    fn an_empty_intersection_names_both() {
        let a = grid(0.0, 0.0, 1.0, 10, 10);
        let windows = [
            ("dem", Window::new(0, 0, 10, 10)),
            ("slope", Window::new(5, 5, 10, 10)),
            ("rain", Window::new(2, 10, 5, 5)),
        ];
        assert_eq!(
            footprint(Footprint::Intersection, &a, windows).unwrap_err().to_string(),
            "dem and rain have no pixel in common, so the intersection of the inputs is empty"
        );
        assert!(footprint(Footprint::Intersection, &a, []).is_err());
        assert!(footprint(Footprint::Reference, &a, []).is_ok());
        let far = [("a", Window::new(0, 0, 1, 1)), ("b", Window::new(1 << 40, 0, 1, 1))];
        assert!(matches!(footprint(Footprint::Union, &a, far), Err(Error::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn w6_the_intersection_lies_in_every_input(
            windows in prop::collection::vec((-20i64..20, -20i64..20, 1u32..40, 1u32..40), 1..6)
        ) {
            let reference = grid(0.0, 0.0, 1.0, 10, 10);
            let windows: Vec<_> = windows.into_iter().map(|(r, c, h, w)| ("x", Window::new(r, c, h, w))).collect();
            match footprint(Footprint::Intersection, &reference, windows.iter().copied()) {
                Ok(all) => prop_assert!(!all.is_empty() && windows.iter().all(|(_, w)| w.contains(&all))),
                Err(_) => {
                    let apart = |a: &Window, b: &Window| a.intersection(b).is_none();
                    prop_assert!(windows.iter().any(|(_, a)| windows.iter().any(|(_, b)| apart(a, b))));
                }
            }
        }
    }
}
