//! Statistics and histograms against numpy.

use crate::support::{folder, names, python, target_spec, write};
use tilefn_abi::DType;
use tilefn_raster::TargetSpec;
use types::Nodata;

/// RIOS's test raster: see `ramp` in the Python helpers.
fn ramp(r: i64, c: i64) -> i64 {
    (r + c) * 100 / 998
}

/// Compares all that is stored in a file with numpy, and with the histogram that GDAL makes of it.
pub const CHECK: &str = r#"
def stored(band, key, kind=float):
    return kind(band.GetMetadataItem('STATISTICS_' + key))

def check(path, valid, mean=None, stddev=None, gdal_counts=False):
    band = open_band(path)
    pixels = valid.astype(np.float64)
    mean = pixels.mean() if mean is None else mean
    stddev = pixels.std() if stddev is None else stddev
    scale = max(1, abs(mean))
    for key, expected in (('MINIMUM', pixels.min()), ('MAXIMUM', pixels.max()), ('MEAN', mean), ('STDDEV', stddev)):
        assert abs(stored(band, key) - expected) <= 1e-6 * scale, (path, key, stored(band, key), expected)
    low, high, bins = stored(band, 'HISTOMIN'), stored(band, 'HISTOMAX'), stored(band, 'HISTONUMBINS', int)
    counts = [int(n) for n in band.GetMetadataItem('STATISTICS_HISTOBINVALUES').rstrip('|').split('|')]
    assert len(counts) == bins and sum(counts) == valid.size, (path, sum(counts), valid.size)
    expected = np.histogram(pixels, bins=bins, range=(low, high))[0]
    assert (np.array(counts) == expected).all(), (path, np.nonzero(np.array(counts) != expected))
    if gdal_counts:
        half = 0.5 if band.GetMetadataItem('STATISTICS_HISTOBINFUNCTION') == 'direct' else 0
        assert band.GetHistogram(low - half, high + half, bins, include_out_of_range=1, approx_ok=0) == counts, path
    return band, bins, low, high
"#;

#[test]
fn c22_matrix() {
    let dir = folder();
    let mut checks = String::from(CHECK);
    for (dtype, scale) in [
        (DType::UInt8, 1.0),
        (DType::UInt16, 1.0),
        (DType::Int16, 300.0),
        (DType::UInt16, 300.0),
        (DType::Int32, 30000.0),
        (DType::UInt32, 30000.0),
        (DType::Float32, 1.0),
        (DType::Float32, 100.0),
        (DType::Float32, 0.01),
        (DType::Float64, 1.0),
        (DType::Float64, 100.0),
        (DType::Int64, 30000.0),
        (DType::UInt64, 30000.0),
        (DType::Int8, 1.0),
    ] {
        for (driver, thematic) in [("GTiff", false), ("GTiff", true), ("HFA", false), ("HFA", true)] {
            let is_wide = dtype.size() > 2 || dtype.is_float();
            if (thematic && is_wide) || (driver == "HFA" && matches!(dtype, DType::Int64 | DType::UInt64)) {
                continue;
            }
            let name = format!("{}-{scale}-{thematic}.{driver}", dtype.name());
            let nodata = match dtype {
                DType::Float32 => Nodata::Float(f64::from(52f32 * scale as f32)),
                _ => Nodata::Float(52.0 * scale),
            };
            let spec = TargetSpec {
                driver: Some(driver.into()),
                statistics: true,
                histogram: true,
                thematic,
                nodata: Some(nodata),
                ..target_spec(dir.path(), &name, (500, 500), dtype)
            };
            let value = move |r, c| ramp(r, c) as f64 * scale;
            match dtype {
                DType::UInt8 => write(spec, |_, r, c| value(r, c) as u8),
                DType::Int8 => write(spec, |_, r, c| value(r, c) as i8),
                DType::UInt16 => write(spec, |_, r, c| value(r, c) as u16),
                DType::Int16 => write(spec, |_, r, c| value(r, c) as i16),
                DType::UInt32 => write(spec, |_, r, c| value(r, c) as u32),
                DType::Int32 => write(spec, |_, r, c| value(r, c) as i32),
                DType::UInt64 => write(spec, |_, r, c| value(r, c) as u64),
                DType::Int64 => write(spec, |_, r, c| value(r, c) as i64),
                DType::Float32 => write(spec, |_, r, c| ramp(r, c) as f32 * scale as f32),
                DType::Float64 => write(spec, |_, r, c| value(r, c)),
            }
            .unwrap();
            checks.push_str(&format!(
                "
full = ramp()
scaled = full.astype('{dtype}') * np.array({scale}, '{dtype}')
assert (read('{name}').view('{dtype}') == scaled).all(), '{name}'
band, bins, low, high = check('{name}', scaled[full != 52], mean=49.452551530102554 * {scale}, stddev=20.649589584904483 * {scale},
                              gdal_counts='{dtype}' != 'int8')
assert abs(stored(band, 'MEDIAN') - 49 * {scale}) <= 0.3 * {scale} + 1e-9, stored(band, 'MEDIAN')
assert abs(stored(band, 'MODE') - 50 * {scale}) <= 0.3 * {scale} + 1e-9, stored(band, 'MODE')
",
                dtype = dtype.name()
            ));
        }
    }
    // HFA has no place of its own for some items, and below GDAL leaves its histograms beside the files.
    let left: Vec<_> = names(dir.path()).into_iter().filter(|n| n.contains("GTiff.")).collect();
    assert!(left.is_empty(), "{left:?}");
    python(dir.path(), &checks);
}

#[test]
fn c23_any_combination_can_be_left_out() {
    let dir = folder();
    for (statistics, histogram) in [(false, false), (true, false), (false, true)] {
        for dtype in [DType::UInt8, DType::Float32] {
            let name = format!("{statistics}-{histogram}-{}.tif", dtype.name());
            let spec = TargetSpec { statistics, histogram, ..target_spec(dir.path(), &name, (500, 500), dtype) };
            if dtype == DType::UInt8 {
                write(spec, |_, r, c| ramp(r, c) as u8)
            } else {
                write(spec, |_, r, c| ramp(r, c) as f32)
            }
            .unwrap();
        }
    }
    python(
        dir.path(),
        "
for statistics in (False, True):
    for histogram in (False, True):
        for dtype in ('uint8', 'float32'):
            if statistics and histogram:
                continue
            name = f'{str(statistics).lower()}-{str(histogram).lower()}-{dtype}.tif'
            items = open_band(name).GetMetadata()
            assert ('STATISTICS_MEAN' in items) == statistics, (name, items)
            assert ('STATISTICS_HISTOBINVALUES' in items) == histogram, (name, items)
            assert statistics or histogram or not items, (name, items)
",
    );
}

#[test]
fn c25_without_nodata() {
    let dir = folder();
    let spec = TargetSpec {
        statistics: true,
        histogram: true,
        ..target_spec(dir.path(), "out.tif", (500, 500), DType::UInt8)
    };
    write(spec, |_, r, c| ramp(r, c) as u8).unwrap();
    python(
        dir.path(),
        &format!(
            "{CHECK}
band, bins, low, high = check('out.tif', ramp(), mean=49.501004, stddev=20.455229135650963)
assert (bins, low, high) == (101, 0, 100)
assert band.GetMetadataItem('STATISTICS_HISTOBINFUNCTION') == 'direct'"
        ),
    );
}

#[test]
fn w5_negative_nodata_is_left_out_exactly() {
    let dir = folder();
    let spec = TargetSpec {
        statistics: true,
        histogram: true,
        nodata: Some(Nodata::Int(-5)),
        ..target_spec(dir.path(), "out.tif", (100, 100), DType::Int16)
    };
    write(spec, |_, r, c| ((r * 100 + c) % 21 - 10) as i16).unwrap();
    python(
        dir.path(),
        &format!(
            "{CHECK}
a = (np.arange(10000) % 21 - 10).astype(np.int16)
band, bins, low, high = check('out.tif', a[a != -5])
assert (bins, low, high) == (21, -10, 10)
counts = [int(n) for n in band.GetMetadataItem('STATISTICS_HISTOBINVALUES').rstrip('|').split('|')]
assert counts[5] == 0 and counts[4] == (a == -6).sum()"
        ),
    );
}

#[test]
fn w12_the_full_range_of_64_bits_has_at_most_1024_bins() {
    let dir = folder();
    let spec = |name: &str, dtype, nodata| TargetSpec {
        statistics: true,
        histogram: true,
        nodata: Some(Nodata::Int(nodata)),
        ..target_spec(dir.path(), name, (64, 64), dtype)
    };
    write(spec("u64.tif", DType::UInt64, u64::MAX.into()), |_, r, c| ((r * 64 + c) as u64) << 52).unwrap();
    write(
        spec("i64.tif", DType::Int64, i64::MIN.into()),
        |_, r, c| {
            if r == 0 { i64::MIN } else { (r * 64 + c - 2048) << 51 }
        },
    )
    .unwrap();
    // Large values of a thematic band don't ask for a bin each, small ones do.
    write(TargetSpec { thematic: true, ..spec("u32.tif", DType::UInt32, 0) }, |_, r, c| {
        (r * 64 + c) as u32 * 1_000_000
    })
    .unwrap();
    write(TargetSpec { thematic: true, ..spec("classes.tif", DType::Int32, -1) }, |_, r, c| (r * 64 + c) as i32 * 15)
        .unwrap();
    python(
        dir.path(),
        &format!(
            "{CHECK}
n = np.arange(4096)
assert check('u64.tif', n.astype(np.uint64) << np.uint64(52))[1:] == (1024, 0, 2.0 ** 64)
assert check('i64.tif', (n[64:].astype(np.int64) - 2048) << 51)[1:] == (1008, -1984 * 2.0 ** 51, 2.0 ** 62)
assert check('u32.tif', (n[1:] * 1000000).astype(np.uint32))[1:] == (977, 0, 977 * 2 ** 22)
assert check('classes.tif', n * 15)[1:] == (61426, 0, 61425)"
        ),
    );
}

#[test]
fn w13_a_small_spread_on_a_large_offset() {
    let dir = folder();
    let spec = TargetSpec { statistics: true, ..target_spec(dir.path(), "out.tif", (300, 300), DType::Float64) };
    write(spec, |_, r, c| 1e9 + ((r * 300 + c) % 7) as f64).unwrap();
    python(
        dir.path(),
        "
band = open_band('out.tif')
expected = (np.arange(90000) % 7).astype(float)
assert abs(float(band.GetMetadataItem('STATISTICS_STDDEV')) - expected.std()) < 1e-6
assert abs(float(band.GetMetadataItem('STATISTICS_MEAN')) - 1e9 - expected.mean()) < 1e-4
",
    );
}

#[test]
fn bands_without_valid_pixels_nan_and_infinity() {
    let dir = folder();
    let spec = |name: &str, nodata| TargetSpec {
        statistics: true,
        histogram: true,
        nodata,
        ..target_spec(dir.path(), name, (100, 100), DType::Float32)
    };
    write(spec("nodata.tif", Some(Nodata::Float(-1.0))), |_, _, _| -1f32).unwrap();
    write(spec("nan.tif", Some(Nodata::Float(f64::NAN))), |_, _, _| f32::NAN).unwrap();
    write(spec("nan-none.tif", None), |_, _, _| f32::NAN).unwrap();
    write(spec("some-nan.tif", None), |_, r, c| if r < 50 { f32::NAN } else { c as f32 }).unwrap();
    write(spec("inf.tif", None), |_, r, c| if r == 5 { f32::INFINITY } else { c as f32 }).unwrap();
    // #191: one value, everywhere.
    write(spec("one.tif", Some(Nodata::Float(f64::NAN))), |_, r, _| if r < 50 { f32::NAN } else { 2.5 }).unwrap();
    let spec =
        TargetSpec { dtype: DType::Int32, color_table: None, nodata: Some(Nodata::Int(-1)), ..spec("int.tif", None) };
    write(spec, |_, _, _| -1i32).unwrap();
    python(
        dir.path(),
        &format!(
            "{CHECK}
for name in ('nodata', 'nan', 'nan-none', 'int'):
    # GDAL stores that no pixel is valid.
    assert open_band(name + '.tif').GetMetadata() == {{'STATISTICS_VALID_PERCENT': '0'}}, (name, open_band(name + '.tif').GetMetadata())
check('some-nan.tif', np.tile(np.arange(100.0), 50))
assert check('one.tif', np.full(5000, 2.5))[1:] == (1, 2.5, 3)
# Infinite values are left out.
check('inf.tif', np.tile(np.arange(100.0), 99))
assert open_band('inf.tif').GetMetadataItem('STATISTICS_VALID_PERCENT') == '99'"
        ),
    );
    let left: Vec<_> = names(dir.path()).into_iter().filter(|n| !n.ends_with(".tif")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// GDAL compares integers of 32 and 64 bits with the nodata value as float32.
#[test]
fn valid_pixels_near_the_nodata_value_count() {
    let dir = folder();
    for (dtype, nodata) in
        [(DType::Int32, 16_777_217), (DType::UInt32, 4_294_967_295), (DType::Int64, -9_007_199_254_740_993)]
    {
        let spec = TargetSpec {
            statistics: true,
            histogram: true,
            nodata: Some(Nodata::Int(nodata)),
            ..target_spec(dir.path(), &format!("{}.tif", dtype.name()), (10, 10), dtype)
        };
        // One row of nodata, and numbers just below it.
        let value = |r: i64| nodata as i64 - r;
        match dtype {
            DType::Int32 => write(spec, |_, r, _| value(r) as i32),
            DType::UInt32 => write(spec, |_, r, _| value(r) as u32),
            _ => write(spec, |_, r, _| value(r)),
        }
        .unwrap();
    }
    python(
        dir.path(),
        &format!(
            "{CHECK}
for name, nodata in (('int32', 16777217), ('uint32', 4294967295)):
    check(name + '.tif', nodata - np.repeat(np.arange(1, 10), 10))
for name in ('int32', 'uint32', 'int64'):
    band = open_band(name + '.tif')
    counts = band.GetMetadataItem('STATISTICS_HISTOBINVALUES').rstrip('|').split('|')
    assert sum(int(n) for n in counts) == 90, (name, counts)
    assert band.GetMetadataItem('STATISTICS_VALID_PERCENT') == '90', name
assert open_band('uint32.tif').GetMetadataItem('STATISTICS_MAXIMUM') == '4294967294'"
        ),
    );
}

#[test]
fn histograms_of_many_bands_are_all_stored() {
    let dir = folder();
    let spec = TargetSpec {
        statistics: true,
        histogram: true,
        bands: 60,
        ..target_spec(dir.path(), "out.tif", (128, 128), DType::Float32)
    };
    write(spec, |b, r, c| (b * 16384 + r * 128 + c) as f32).unwrap();
    python(
        dir.path(),
        "
ds = gdal.Open('out.tif')
for b in range(60):
    items = ds.GetRasterBand(b + 1).GetMetadata()
    assert items['STATISTICS_HISTOBINVALUES'] == '16|' * 1024, (b, items)
    assert float(items['STATISTICS_MINIMUM']) == b * 16384
",
    );
}

/// The attribute table of a format that has one gets the histogram and the colours.
#[test]
fn histogram_and_colours_in_the_attribute_table() {
    let dir = folder();
    let spec = TargetSpec {
        driver: Some("HFA".into()),
        statistics: true,
        histogram: true,
        thematic: true,
        color_table: Some("viridis".into()),
        nodata: Some(Nodata::Int(7)),
        ..target_spec(dir.path(), "out.img", (100, 100), DType::UInt8)
    };
    write(spec, |_, r, c| ((r + c) % 20) as u8).unwrap();
    python(
        dir.path(),
        "
table = open_band('out.img').GetDefaultRAT()
usages = {table.GetUsageOfCol(i): i for i in range(table.GetColumnCount())}
counts = table.ReadAsArray(usages[gdal.GFU_PixelCount])
r, c = np.mgrid[0:100, 0:100]
expected = np.bincount(((r + c) % 20).ravel(), minlength=len(counts))
expected[7] = 0
assert (counts == expected).all(), counts
colors = open_band('out.img').GetColorTable()
for usage, channel in ((gdal.GFU_Red, 0), (gdal.GFU_Green, 1), (gdal.GFU_Blue, 2)):
    column = table.ReadAsArray(usages[usage])
    assert all(abs(column[i] * (255 if column.dtype == float else 1) - colors.GetColorEntry(i)[channel]) <= 1 for i in range(20)), column
",
    );
}
