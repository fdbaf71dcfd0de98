//! Overlapping files as one raster: each rule is numpy's over the stacked files.

use crate::support::{aligned, folder, path, python, source_spec, values};
use grid::Window;
use tilefn_raster::{Mosaic, MosaicSpec, SourceSpec, inspect};
use types::MosaicRule;

const RULES: [(MosaicRule, &str); 5] = [
    (MosaicRule::First, "first"),
    (MosaicRule::Last, "last"),
    (MosaicRule::Mean, "mean"),
    (MosaicRule::Min, "min"),
    (MosaicRule::Max, "max"),
];

/// Three files of 20 × 20 pixels and two bands on a grid of 30 × 40, each with holes; where each lies; and for each rule what numpy
/// makes of them, NaN where no file has a value.
fn stacked(dtype: &str, nodata: &str) -> String {
    format!(
        "
r = np.random.default_rng(1)
places = [(0, 0), (5, 12), (8, 19)]
stack = np.full((3, 2, 30, 40), np.nan)
for i, (row, col) in enumerate(places):
    a = r.integers(0, 250, (2, 20, 20)).astype('{dtype}')
    a[r.random(a.shape) < 0.2] = {nodata}
    make(f'{{i}}.tif', a, nodata={nodata}, origin=(500000 + 10 * col, 7000000 - 10 * row))
    stack[i, :, row:row + 20, col:col + 20] = np.where(a == {nodata}, np.nan, a)
import warnings; warnings.simplefilter('ignore')
def first(s):
    return np.take_along_axis(s, (~np.isnan(s)).argmax(0)[None], 0)[0]
rules = dict(first=first(stack), last=first(stack[::-1]), mean=np.nanmean(stack, 0), min=np.nanmin(stack, 0), max=np.nanmax(stack, 0))
if np.dtype('{dtype}').kind != 'f':
    rules['mean'] = np.floor(rules['mean'] + 0.5)
for name, expected in rules.items():
    expected.astype('f8').tofile(name + '.bin')
"
    )
}

fn check<T: types::Pixel>(dtype: &str, nodata: &str) {
    let dir = folder();
    python(dir.path(), &stacked(dtype, nodata));
    let parts: Vec<_> = [(0, 0), (5, 12), (8, 19)]
        .into_iter()
        .enumerate()
        .map(|(i, (row, col))| {
            let file = path(dir.path(), &format!("{i}.tif"));
            let plain = source_spec(&file, &inspect(&file).unwrap());
            SourceSpec { way: aligned(row, col), grid_size: (30, 40), ..plain }
        })
        .collect();
    for (rule, name) in RULES {
        let expected: Vec<f64> = values(&std::fs::read(dir.path().join(format!("{name}.bin"))).unwrap());
        // 0 is a value of valid pixels as well, so that the mark must give way.
        let mark = if dtype.starts_with("float") { f64::NAN.to_bits() } else { 0 };
        let spec = MosaicSpec { parts: parts.clone(), rule, mark };
        let mut mosaic = Mosaic::open(&spec, 2).unwrap();
        for window in
            [Window::new(0, 0, 30, 40), Window::new(4, 10, 9, 20), Window::new(29, 0, 1, 3), Window::new(12, 0, 18, 40)]
        {
            let pixels = window.pixels() as usize;
            let mut out = vec![0; 2 * pixels * size_of::<T>()];
            let found = mosaic.read(window, &mut out).unwrap();
            for (band, plane) in values::<T>(&out).chunks(pixels).enumerate() {
                let other = found.marks.iter().find(|(other, _)| *other == band);
                let mark = other.map_or(Some(mark), |(_, mark)| *mark).map(T::from_bits);
                for (i, value) in plane.iter().enumerate() {
                    let (row, col) = (
                        window.row as usize + i / window.cols as usize,
                        window.col as usize + i % window.cols as usize,
                    );
                    let expected = expected[(band * 30 + row) * 40 + col];
                    let invalid = value.is_nan() || mark == Some(*value);
                    assert_eq!(invalid, expected.is_nan(), "{name} {dtype} {window} band {band} at {row}, {col}");
                    let found = value.number().as_float();
                    assert!(
                        invalid || (found - expected).abs() <= 1e-5 * expected.abs(),
                        "{name} {dtype} {window}: {found}, expected {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn each_rule_is_numpys() {
    check::<u8>("uint8", "255");
    check::<i16>("int16", "-5");
    check::<f32>("float32", "-9999");
}
