//! A composite of many dates: the median of what isn't cloud.

use tilefn_guest::prelude::*;

/// Median over the dates of each pixel's clear values; invalid where no date is clear.
///
/// Every band of every file is a date, so a list of single-band files, one file with a band for each date, and several
/// such files all work alike. Images and classes must name the dates in the same order.
#[tile_function]
pub fn cloud_free_median(
    /// One band of the scene, such as red, at all dates.
    images: Vec<Tile<f32>>,
    /// What each pixel shows at these dates, such as Sentinel-2's scene classification or a cloud mask.
    classes: Vec<Tile<u8>>,
    /// Classes that count as clear. Default: Sentinel-2's vegetation, bare soil, water, unclassified and snow.
    #[param(default = [4, 5, 6, 7, 11])]
    clear: Vec<u8>,
) -> Result<Tile<f32>, Error> {
    let images: Vec<_> = images.iter().flat_map(Tile::iter_bands).collect();
    let classes: Vec<_> = classes.iter().flat_map(Tile::iter_bands).collect();
    if images.len() != classes.len() {
        return Err(format!("{} dates of images, but {} of classes", images.len(), classes.len()).into());
    }
    Ok(Tile::series(&images).where_in(&classes, &clear).median())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: [f32; 3]) -> Tile<f32> {
        Tile::from_rows([values]).with_nodata(0.0)
    }

    /// Three dates; the middle pixel is clear at two of them, the last at none.
    fn dates() -> ([Tile<f32>; 3], [Tile<u8>; 3]) {
        let images = [row([5.0, 10.0, 1.0]), row([7.0, 20.0, 2.0]), row([0.0, 99.0, 3.0])];
        let classes = [[4, 4, 9], [5, 6, 8], [4, 9, 3]].map(|row| Tile::from_rows([row]));
        (images, classes)
    }

    const SENTINEL_2: [u8; 5] = [4, 5, 6, 7, 11];

    #[test]
    fn files_and_bands_are_the_same() {
        let (images, classes) = dates();
        let expected = Tile::from_rows([[6.0, 15.0, f32::NAN]]);
        let of_files = cloud_free_median(images.to_vec(), classes.to_vec(), SENTINEL_2.into()).unwrap();
        assert_eq!(of_files, expected);
        let (images, classes) = (vec![Tile::stack(&images)], vec![Tile::stack(&classes)]);
        assert_eq!(cloud_free_median(images, classes, SENTINEL_2.into()).unwrap(), expected);
    }

    #[test]
    fn a_date_without_classes_is_an_error() {
        let (images, classes) = dates();
        let error = cloud_free_median(images.into(), classes[1..].into(), vec![4]).unwrap_err();
        assert_eq!(error.message(), "3 dates of images, but 2 of classes");
    }
}
