//! Writing rasters: pixels, what is stored beside them, and what is left when something goes wrong.

mod common;

use common::{bytes, folder, python};
use std::fs;
use std::path::Path;
use tilefn::grid::{Crs, GeoTransform, Grid, Tiling, Window};
use tilefn::raster::{Error, Nodata, Overviews, Target, TargetSpec, Written, inspect};
use tilefn_abi::DType;

fn spec(folder: &Path, name: &str, (rows, cols): (u32, u32), dtype: DType) -> TargetSpec {
    TargetSpec {
        path: folder.join(name).to_str().unwrap().to_owned(),
        driver: None,
        options: vec![],
        grid: Grid {
            transform: GeoTransform::north_up(500_000.0, 7_000_000.0, 10.0, 10.0),
            rows,
            cols,
            crs: Crs::default(),
        },
        bands: 1,
        dtype,
        nodata: None,
        band_names: vec![],
        statistics: false,
        histogram: false,
        overviews: Overviews::None,
        overview_resampling: None,
        color_table: None,
        thematic: false,
        metadata: vec![],
        tile: (128, 128),
        threads: 2,
    }
}

/// Names in a folder, hidden ones included.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Writes a raster tile by tile: `pixel(band, row, col)`.
fn write<T: bytemuck::NoUninit>(
    spec: TargetSpec,
    pixel: impl Fn(i64, i64, i64) -> T,
) -> Result<Written, Error> {
    let tiling = Tiling::new(spec.grid.rows, spec.grid.cols, spec.tile.0, spec.tile.1).unwrap();
    let bands = i64::from(spec.bands);
    let mut target = Target::create(spec)?;
    for index in 0..tiling.count() {
        let w = tiling.tile(index).unwrap().window;
        let mut data = Vec::new();
        for b in 0..bands {
            for r in w.row..w.row_end() {
                data.extend((w.col..w.col_end()).map(|c| pixel(b, r, c)));
            }
        }
        target.write(w, &bytes(&data))?;
    }
    target.finish(&mut |_| true)
}

#[test]
fn pixels_and_description_arrive() {
    let dir = folder();
    let spec = TargetSpec {
        bands: 3,
        nodata: Some(Nodata::Int(-9999)),
        band_names: vec!["a".into(), "b".into(), "c".into()],
        metadata: vec![("SENSOR".into(), "MSI".into())],
        ..spec(dir.path(), "out.tif", (300, 500), DType::Int32)
    };
    let written = write(spec, |b, r, c| (b * 1_000_000 + r * 1000 + c) as i32).unwrap();
    assert_eq!(names(dir.path()), ["out.tif"]);
    assert_eq!(
        written.bytes,
        fs::metadata(dir.path().join("out.tif")).unwrap().len()
    );
    python(
        dir.path(),
        "
ds = gdal.Open('out.tif')
assert (ds.ReadAsArray() == np.fromfunction(lambda b, r, c: b * 1000000 + r * 1000 + c, (3, 300, 500))).all()
assert ds.GetGeoTransform() == (500000, 10, 0, 7000000, 0, -10)
assert [ds.GetRasterBand(i).GetDescription() for i in (1, 2, 3)] == ['a', 'b', 'c']
assert [ds.GetRasterBand(i).GetNoDataValue() for i in (1, 2, 3)] == [-9999] * 3
assert ds.GetMetadataItem('SENSOR') == 'MSI'
assert ds.GetRasterBand(1).GetBlockSize() == [128, 128]
assert ds.GetMetadata('IMAGE_STRUCTURE')['COMPRESSION'] == 'DEFLATE'
assert ds.GetRasterBand(1).GetMetadataItem('STATISTICS_MINIMUM') is None
assert ds.GetRasterBand(1).GetOverviewCount() == 0
",
    );
}
