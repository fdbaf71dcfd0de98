//! Statistics, histograms and overviews of outputs.

use crate::support::Folder;
use serde_json::json;

/// C23: no statistics unless asked for. C25: statistics of a file without nodata.
#[test]
fn c23_c25_statistics_only_when_asked_for() {
    let f = Folder::new();
    f.python("write('a.tif', ramp())");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    f.run("").ok();
    f.python(
        "
        b = band('copy.tif')
        assert b.GetMetadata() == {}, b.GetMetadata()
        assert b.GetOverviewCount() == 0 and not os.path.exists('copy.tif.aux.xml')
        ",
    );
    f.run("--overwrite --set outputs.copy.statistics=true --set outputs.copy.histogram=true").ok();
    f.python(
        "
        b = band('copy.tif')
        items = b.GetMetadata()
        number = lambda name: float(items['STATISTICS_' + name])
        assert number('MINIMUM') == 0 and number('MAXIMUM') == 100
        assert abs(number('MEAN') - 49.501004) < 1e-9 and abs(number('STDDEV') - 20.455229135650963) < 1e-9
        check_histogram(b, ramp())
        ",
    );
}

/// W5: exactly the nodata pixels are left out of a histogram, for a negative nodata value as well. W12: whatever the
/// values, it stays small.
#[test]
fn w5_w12_histograms() {
    let f = Folder::new();
    f.python(
        "
        a = ramp().astype('i2') - 50
        write('a.tif', a, nodata=-7)
        big = ramp().astype('u8') * (2**64 // 101)
        write('big.tif', big)
        ",
    );
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nnodata = -7\nstatistics = true\nhistogram = true\n",
    );
    f.run("").ok();
    f.python(
        "
        values = (ramp().astype('i2') - 50).ravel()
        valid = values[values != -7]
        b = band('copy.tif')
        assert check_histogram(b, valid) == 101
        assert abs(float(b.GetMetadataItem('STATISTICS_MEAN')) - valid.mean()) < 1e-9
        ",
    );
    f.run("--overwrite --set inputs.image.path=big.tif --set outputs.copy.nodata=none").ok();
    f.python(
        "
        assert check_histogram(band('copy.tif'), read('big.tif')) <= 4096
        ",
    );
}

/// The values of the ramp that a test writes, and the checks of what is stored of them.
const RAMP: &str = "
def values(dtype, scale): return (ramp().astype('f8') * scale).astype(dtype)
def check(path, dtype, scale, nodata):
    a = values(dtype, scale); a = a[a != nodata] if nodata is not None else a.ravel()
    b = band(path); number = lambda name: float(b.GetMetadataItem('STATISTICS_' + name))
    for name, expected in [('MINIMUM', a.min()), ('MAXIMUM', a.max()), ('MEAN', a.mean(dtype='f8')), ('STDDEV', a.std(dtype='f8'))]:
        assert abs(number(name) - expected) <= 1e-6 * scale, (path, name, number(name), expected)
    check_histogram(b, a)
    if b.GetMetadataItem('STATISTICS_MEDIAN') is not None:
        assert abs(number('MEDIAN') - np.median(a)) <= 0.5 * scale and abs(number('MODE') - 50 * scale) <= 0.5 * scale, (path, number('MEDIAN'), number('MODE'))
    return b
";

/// C22: mean, standard deviation, extremes, median, mode and histogram. All types and scales are in `host/raster/tests/raster/statistics.rs`.
#[test]
fn c22_statistics_by_type() {
    let f = Folder::new();
    f.python("write('a.tif', ramp())");
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nstatistics = true\nhistogram = true\n[grid]\ntile = [128, 128]\n",
    );
    for (driver, dtype, scale, thematic) in [
        ("GTiff", "u1", 1.0, false),
        ("HFA", "u1", 1.0, false),
        ("GTiff", "u2", 1.0, false),
        ("GTiff", "u2", 1.0, true),
        ("GTiff", "i2", 300.0, false),
        ("GTiff", "i8", 30000.0, false),
        ("HFA", "f4", 0.01, false),
    ] {
        let nodata = f.python(&format!("{RAMP}\nnodata = np.array([52 * {scale}]).astype('{dtype}')[0].item()\nwrite('a.tif', values('{dtype}', {scale}), nodata=nodata); result = nodata"));
        let copy = if driver == "HFA" { "copy.img" } else { "copy.tif" };
        f.run(&format!(
            "--overwrite --set outputs.copy.path={copy} --set outputs.copy.nodata={nodata} --set outputs.copy.thematic={thematic}"
        ))
        .ok();
        f.python(&format!("{RAMP}\ncheck('{copy}', '{dtype}', {scale}, {nodata})"));
    }
    // The numbers of the reference.
    f.python("v = ramp()[ramp() != 52]; assert v.size == 245245 and abs(v.mean() - 49.452551530102554) < 1e-9 and abs(v.std() - 20.649589584904483) < 1e-9");
}

/// C27: signed bytes have a bin for each value.
#[test]
fn c27_signed_bytes() {
    let f = Folder::new();
    f.python("write('a.tif', np.arange(-128, 128, dtype='i1')[None])");
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nstatistics = true\nhistogram = true\n",
    );
    f.run("").ok();
    f.python(
        "
        b = band('copy.tif'); item = lambda name: b.GetMetadataItem('STATISTICS_HISTO' + name)
        assert (read('copy.tif').view('i1')[0, 0] == np.arange(-128, 128)).all()
        assert (float(item('MIN')), float(item('MAX')), item('BINVALUES')) == (-128, 127, '1|' * 256), (item('MIN'), item('MAX'))
        ",
    );
}

/// C29: what is to be noted in a file, each output its own; RIOS has a function for it that is called before the file is closed.
#[test]
fn c29_metadata_of_outputs() {
    let f = Folder::new();
    f.python("write('a.tif', ramp())");
    f.job("places", "[inputs.image]\npath = 'a.tif'\n[outputs.index]\npath = 'i.tif'\nmetadata = { FIRST = 'rows and columns' }\n[outputs.tile]\npath = 't.tif'\nmetadata = { SECOND = 'tiles' }\n");
    f.run("").ok();
    f.python(
        "
        a, b = (gdal.Open(name).GetMetadata() for name in ('i.tif', 't.tif'))
        assert a['FIRST'] == 'rows and columns' and 'SECOND' not in a and b['SECOND'] == 'tiles' and 'FIRST' not in b
        ",
    );
}

/// W4: overviews are GDAL's of the whole file, for tiles that aren't multiples of the level and levels larger than a tile.
#[test]
fn w4_overviews_of_any_level() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', ramp(700, 600))
        for name, driver in ('gdal.tif', 'GTiff'), ('gdal.img', 'HFA'):
            write(name, ramp(700, 600), driver=driver)
            dataset = gdal.Open(name, gdal.GA_Update); dataset.BuildOverviews('NEAREST', [3, 8, 64]); dataset = None
        ",
    );
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nlevels = [3, 8, 64]\n");
    // Imagine's (HFA) are made in a second pass.
    for (copy, tile) in
        [("copy.tif", "[100,100]"), ("copy.tif", "[77,13]"), ("copy.tif", "[32,500]"), ("copy.img", "[77,13]")]
    {
        f.run(&format!("--overwrite --set outputs.copy.path={copy} --set grid.tile={tile} --workers threads:3")).ok();
        f.python(&format!(
            "
            theirs, mine = band('{copy}'.replace('copy', 'gdal')), band('{copy}')
            assert mine.GetOverviewCount() == 3
            assert all((mine.GetOverview(n).ReadAsArray() == theirs.GetOverview(n).ReadAsArray()).all() for n in range(3))
            "
        ));
    }
    // Means of the valid pixels, in both formats.
    f.python("a = np.random.default_rng(2).normal(0, 9, (64, 96)).astype('f4'); a[a > 0] = -99; write('a.tif', a, nodata=-99)");
    let average = "--overwrite --set outputs.copy.levels=[2] --set outputs.copy.overview_resampling=average --set outputs.copy.nodata=-99";
    for copy in ["copy.tif", "copy.img"] {
        f.run(&format!("{average} --set outputs.copy.path={copy} --set grid.tile=[16,32]")).ok();
        f.python(&format!(
            "
            import warnings; warnings.simplefilter('ignore')
            a = read('a.tif')[0].astype('f8'); a[a == -99] = np.nan
            expected = np.nanmean(a.reshape(32, 2, 48, 2), (1, 3))
            assert np.isnan(expected).any()
            b = band('{copy}'); found = b.GetOverview(0).ReadAsArray()
            assert np.allclose(found, np.where(np.isnan(expected), -99, expected), rtol=1e-6), '{copy}'
            "
        ));
    }
}

/// W11: statistics, histogram and overviews of floats, each with and without the others.
#[test]
fn w11_any_of_them_alone() {
    let f = Folder::new();
    f.python("write('a.tif', ramp().astype('f4') / 4)");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    for choice in 0..8 {
        let [statistics, histogram, overviews] = [1, 2, 4].map(|bit| choice & bit != 0);
        f.run(&format!("--overwrite --set outputs.copy.statistics={statistics} --set outputs.copy.histogram={histogram} --set outputs.copy.overviews={overviews}")).ok();
        let [s, h, o] = [statistics, histogram, overviews].map(u8::from);
        f.python(&format!(
            "
            b = band('copy.tif')
            has = (b.GetMetadataItem('STATISTICS_MEAN') is not None, b.GetMetadataItem('STATISTICS_HISTOBINVALUES') is not None, b.GetOverviewCount() > 0)
            assert has == (bool({s}), bool({h}), bool({o})), has
            if has[1]: check_histogram(b, ramp().astype('f4') / 4)
            "
        ));
    }
}

/// W13: the variance of a small spread on a large offset, the same to the last bit whoever runs the tiles in which order.
#[test]
fn w13_variance_of_a_large_offset() {
    let f = Folder::new();
    f.python("write('a.tif', 1e9 + np.random.default_rng(4).normal(0, 0.01, (300, 300)))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nstatistics = true\nhistogram = true\n[grid]\ntile = [64, 50]\n");
    let mut found = Vec::new();
    for workers in ["threads:1", "threads:4", "processes:2", "processes:3 --set workers.reads=worker"] {
        f.run(&format!("--overwrite --workers {workers}")).ok();
        found.push(f.python(
            "
            b = band('copy.tif'); spread = read('a.tif').astype(np.longdouble).std()
            # Rounding a mean of 1e9 alone costs some 1e-8; the difference of squares has no digit left.
            assert abs(float(b.GetMetadataItem('STATISTICS_STDDEV')) / spread - 1) < 1e-6
            result = sorted(b.GetMetadata().items())
            ",
        ));
    }
    assert!(found.iter().all(|items| *items == found[0]) && found[0] != json!([]), "{found:?}");
}
