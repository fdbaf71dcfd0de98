//! Statistics, histogram and overviews of files that somebody else has made, against numpy and GDAL.

use crate::support::{folder, names, path, python};
use tilefn_raster::{BandStatistics, Error, complete};

/// Makes files: two bands, no nodata; floats with nodata and old statistics; classes; a COG; one of a format that can't be changed.
const MAKE: &str = "
make('plain.tif', np.stack([ramp(700, 900), ramp(700, 900)[::-1]]), options=['TILED=YES'])
a = np.arange(700.0 * 900).reshape(700, 900).astype(np.float32) / 4
a[::3] = -1
make('float.tif', a, nodata=-1)
ds = gdal.Open('float.tif', gdal.GA_Update)
ds.GetRasterBand(1).SetMetadataItem('STATISTICS_MEAN', '-77')
ds.GetRasterBand(1).SetMetadataItem('STATISTICS_APPROXIMATE', 'YES')
ds.GetRasterBand(1).SetMetadataItem('OTHER', 'stays')
ds = None
make('class.img', ramp() // 10, driver='HFA')
ds = gdal.Open('class.img', gdal.GA_Update)
ds.GetRasterBand(1).SetMetadataItem('LAYER_TYPE', 'thematic')
ds = None
make('empty.tif', np.zeros((20, 30), np.int16), nodata=0)
gdal.GetDriverByName('COG').CreateCopy('cog.tif', gdal.Open('float.tif'))
gdal.GetDriverByName('PNG').CreateCopy('a.png', gdal.Open('class.img'))
for name in os.listdir('.'):
    if name.endswith('.aux.xml'):
        os.remove(name)
";

#[test]
fn numbers_are_returned_and_stored() {
    let dir = folder();
    python(dir.path(), MAKE);
    let cog = std::fs::read(dir.path().join("cog.tif")).unwrap();
    let mut script = String::new();
    for name in ["plain.tif", "float.tif", "class.img", "cog.tif", "a.png", "empty.tif"] {
        for (band, found) in
            complete(&path(dir.path(), name), Some("average"), &mut |_| true).unwrap().iter().enumerate()
        {
            let BandStatistics { count, min, max, mean, stddev, median, mode } = found;
            script.push_str(&format!(
                "check('{name}', {band}, {count}, {min}, {max}, {mean}, {stddev}, {median}, {mode})\n"
            ));
        }
    }
    assert_eq!(std::fs::read(dir.path().join("cog.tif")).unwrap(), cog);
    python(
        dir.path(),
        &format!(
            "
inf = np.inf
def check(name, band, count, low, high, mean, stddev, median, mode):
    ds = gdal.Open(name)
    b = ds.GetRasterBand(band + 1)
    pixels = b.ReadAsArray()
    valid = pixels[pixels != b.GetNoDataValue()].astype(float)
    items = b.GetMetadata()
    assert count == valid.size, (name, count)
    if count == 0:
        assert items == {{'STATISTICS_VALID_PERCENT': '0'}}, items
        return
    near = lambda x, y: abs(x - y) <= 1e-9 * max(1, abs(y))
    assert (low, high) == (valid.min(), valid.max()) and near(mean, valid.mean()) and near(stddev, valid.std()), name
    assert abs(median - np.median(valid)) <= (high - low) / 500, (name, median)
    for key, value in (('MINIMUM', low), ('MAXIMUM', high), ('MEAN', mean), ('STDDEV', stddev), ('MEDIAN', median), ('MODE', mode)):
        assert near(float(items['STATISTICS_' + key]), value), (name, key, items)
    counts = [int(n) for n in items['STATISTICS_HISTOBINVALUES'].rstrip('|').split('|')]
    expected = np.histogram(valid, len(counts), (float(items['STATISTICS_HISTOMIN']), float(items['STATISTICS_HISTOMAX'])))[0]
    assert (np.array(counts) == expected).all(), name
    # What a file that stays as it is says itself can't be taken back.
    assert name == 'cog.tif' or 'STATISTICS_APPROXIMATE' not in items, name
    if name == 'float.tif':
        assert items['OTHER'] == 'stays'
    if name == 'class.img':
        assert len(counts) == 11 and mode == valid[valid == mode][0]
    assert b.GetOverviewCount() > 0, name
{script}
small = open_band('plain.tif').GetOverview(0).ReadAsArray()
gdal.Translate('copy.tif', 'plain.tif', creationOptions=['TILED=YES'])
ds = gdal.Open('copy.tif', gdal.GA_Update)
ds.BuildOverviews('AVERAGE', [2, 4])
assert (ds.GetRasterBand(1).GetOverview(0).ReadAsArray() == small).all()
"
        ),
    );
    assert!(names(dir.path()).contains(&"cog.tif.aux.xml".to_owned()));
}

#[test]
fn without_overviews_stopped_and_refused() {
    let dir = folder();
    python(dir.path(), "make('a.tif', ramp(2000, 2000))");
    let file = path(dir.path(), "a.tif");
    let error = complete(&file, None, &mut |done| done < 0.1).unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    complete(&file, None, &mut |_| true).unwrap();
    python(dir.path(), "assert open_band('a.tif').GetOverviewCount() == 0");
    assert!(matches!(complete(&path(dir.path(), "no.tif"), None, &mut |_| true), Err(Error::Open { .. })));
}
