//! Which pixels are valid: those that GDAL's own mask band says, whatever type they are read as.

use crate::support::{aligned, folder, path, python};
use grid::Window;
use serde::Deserialize;
use tilefn_abi::DType;
use tilefn_raster::{Found, Info, Mask, Source, SourceBand, SourceSpec, inspect};
use types::Edge;

/// Makes `N.tif` of every type, nodata tag and mask, with pixels at and around the tag and the type's ends, and says for
/// each which pixels GDAL takes for valid.
const RASTERS: &str = r"
gdal.PushErrorHandler('CPLQuietErrorHandler')
FM = float(np.finfo('f4').max)
tags = {
    'uint8': [0, 255, 254.5, 255.5, -9999, float('nan')],
    'int16': [-9999, -5.5, 40000, 32767],
    'uint16': [65535, 65535.5, 70000, -1],
    'int32': [16777216, -2147483648, 2147483647.5],
    'uint32': [4294967295, 16777217],
    'int64': [2**60, -(2**63), 2**53 + 1],
    'uint64': [2**64 - 1, 2**63 + 1, 0],
    'float32': [-3.4e38, -3.402823e38, -FM, 1e300, float('inf'), float('nan'), -9999, 0.1, 0, 255, 16777216],
    'float64': [-3.4e38, -1.7976931348623157e308, float('-inf'), -9999, 0.1, 1e-310, 300],
}
n, said = 0, []
for name, values in tags.items():
    t = np.dtype(name)
    for tag in [None] + values:
        if t.kind == 'f':
            around = [0, 1, -1, 254.6, 255, 300, 16777216, 16777217, FM, -FM, -1e36, -2e35, np.inf, -np.inf, np.nan, 1e-40]
            if tag is not None and np.isfinite(tag):
                with np.errstate(over='ignore'):
                    x = t.type(tag)
                    around += [tag, np.nextafter(x, t.type(np.inf)), np.nextafter(x, t.type(-np.inf)), tag * (1 + 3e-7), tag * (1 - 6e-7), tag * 1.001]
            with np.errstate(over='ignore'):
                a = np.array(around, dtype=t)
        else:
            i = np.iinfo(t)
            around = [i.min, i.min + 1, 0, 1, 127, 254, 255, i.max - 1, i.max, 65535, 16777216, 16777217, 2**60, 2**60 + 1]
            if tag is not None and np.isfinite(tag):
                around += [int(tag) - 1, int(tag), int(tag) + 1]
            a = np.array([v for v in around if i.min <= v <= i.max], dtype=t)
        for masked in [False, True]:
            gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES' if n % 4 < 2 else 'NO')
            file = f'{n}.tif'
            ds = gdal.GetDriverByName('GTiff').Create(file, len(a), 1, 1, TYPES[name])
            band = ds.GetRasterBand(1)
            if tag is not None:
                band.SetNoDataValue(tag)
            if masked:
                ds.CreateMaskBand(gdal.GMF_PER_DATASET)
                band.GetMaskBand().WriteArray((np.arange(len(a)) % 3 != 0).astype('u1')[None] * 255)
            band.WriteRaster(0, 0, len(a), 1, a.tobytes())
            band = ds = None
            band = open_band(file)
            valid = np.frombuffer(band.GetMaskBand().ReadRaster(), 'u1') != 0
            # NaN is never a number to us.
            valid = valid & (a == a) if t.kind == 'f' else valid
            said.append({'label': f'{name} nodata {tag} masked {masked}', 'valid': valid.tolist(), 'values': [repr(v.item()) for v in a]})
            n += 1
print(json.dumps(said))
";

#[derive(Deserialize)]
struct Said {
    label: String,
    valid: Vec<bool>,
    values: Vec<String>,
}

/// How a job with `mask = "auto"` reads the first band.
fn spec(file: &str, info: &Info, dtype: DType) -> (SourceSpec, Option<u64>) {
    let band = &info.bands[0];
    let mask = band.mask != Mask::None;
    let nodata = band.nodata.filter(|_| !mask).map(|v| v.as_bits_for(band.dtype).unwrap());
    let band = SourceBand { number: 1, dtype: band.dtype, nodata, mask, scale: None, mark: None };
    let (band, declared) = band.marked(dtype);
    let size = (info.grid.rows, info.grid.cols);
    let path = file.to_owned();
    let (edge, bands) = (Edge::Nodata, vec![band]);
    (SourceSpec { path, bands, dtype, way: aligned(0, 0), file_size: size, grid_size: size, halo: 0, edge }, declared)
}

/// Reads all pixels, and says which the function would take for valid.
fn valid(spec: &SourceSpec, declared: Option<u64>) -> (Vec<bool>, Vec<f64>, Found) {
    let (rows, cols) = spec.file_size;
    let mut out = vec![0; rows as usize * cols as usize * spec.dtype.size()];
    let found = Source::open(spec).unwrap().read(Window::new(0, 0, rows, cols), &mut out).unwrap();
    let mark = found.marks.first().map_or(declared, |(_, mark)| *mark);
    let pixels = out.chunks_exact(spec.dtype.size());
    let numbers: Vec<f64> = pixels.clone().map(|bytes| number(spec.dtype, bytes)).collect();
    let valid = pixels.zip(&numbers).map(|(bytes, number)| !number.is_nan() && Some(bits(spec.dtype, bytes)) != mark);
    (valid.collect(), numbers, found)
}

/// A pixel's bits as the ABI has them.
fn bits(dtype: DType, bytes: &[u8]) -> u64 {
    let mut wide = [if dtype.is_signed() && bytes.last().unwrap() & 0x80 != 0 { 0xff } else { 0 }; 8];
    match dtype {
        DType::Float32 => f64::from(f32::from_le_bytes(bytes.try_into().unwrap())).to_bits(),
        DType::Float64 => u64::from_le_bytes(bytes.try_into().unwrap()),
        _ => {
            wide[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(wide)
        }
    }
}

fn number(dtype: DType, bytes: &[u8]) -> f64 {
    let bits = bits(dtype, bytes);
    if dtype.is_float() {
        f64::from_bits(bits)
    } else if dtype.is_signed() {
        bits.cast_signed() as f64
    } else {
        bits as f64
    }
}

#[test]
fn as_gdals_mask_band_whatever_the_type() {
    let dir = folder();
    let said: Vec<Said> = serde_json::from_str(&python(dir.path(), RASTERS)).unwrap();
    assert!(said.len() > 90, "{}", said.len());
    for (n, Said { label, valid: expected, values }) in said.iter().enumerate() {
        let file = path(dir.path(), &format!("{n}.tif"));
        let info = inspect(&file).unwrap();
        for dtype in DType::ALL {
            let (spec, declared) = spec(&file, &info, dtype);
            let (found, numbers, _) = valid(&spec, declared);
            assert_eq!(&found, expected, "{label} as {}: {values:?} {numbers:?}", dtype.name());
        }
    }
}

/// The mark is one that no valid pixel has, as long as there is one; then a pixel is moved, and counted.
#[test]
fn marks_avoid_valid_pixels() {
    let dir = folder();
    python(
        dir.path(),
        "a = np.arange(256, dtype='u1').reshape(16, 16)
def masked(file, pixels):
    ds = gdal.GetDriverByName('GTiff').Create(file, 16, pixels.shape[0], 1, gdal.GDT_Byte)
    ds.GetRasterBand(1).WriteArray(pixels)
    ds.CreateMaskBand(gdal.GMF_PER_DATASET)
    m = np.full(pixels.shape, 255, 'u1')
    m[0, 0] = 0
    ds.GetRasterBand(1).GetMaskBand().WriteArray(m)
gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
masked('some.tif', np.vstack([a[:1], a[15:]]))
masked('all.tif', np.vstack([a[:1], a]))
make('f.tif', np.array([[255, 255.4, 254, 1e9]], 'f4'))",
    );
    let read = |name: &str, dtype| {
        let file = path(dir.path(), name);
        let (spec, declared) = spec(&file, &inspect(&file).unwrap(), dtype);
        (declared, valid(&spec, declared))
    };
    // 255 is a valid pixel, so are all from 240 up: the next free value marks the masked one.
    let (declared, (valid, numbers, found)) = read("some.tif", DType::UInt8);
    assert_eq!((declared, &found.marks[..]), (Some(255), &[(0, Some(239))][..]));
    assert_eq!((valid[0], valid.iter().filter(|v| **v).count(), numbers[0], numbers[31]), (false, 31, 239.0, 255.0));
    assert_eq!(found.moved, 0);
    // All 256 are taken.
    let (_, (valid, numbers, found)) = read("all.tif", DType::UInt8);
    assert_eq!((found.marks.len(), found.moved), (0, 1));
    assert_eq!((valid.iter().filter(|v| !**v).count(), numbers[0], numbers[271]), (1, 255.0, 254.0));
    // Without an invalid pixel nothing needs a mark.
    let (declared, (valid, numbers, found)) = read("f.tif", DType::UInt8);
    assert_eq!((declared, &found.marks[..]), (Some(255), &[(0, None)][..]));
    assert_eq!((valid, numbers), (vec![true; 4], vec![255.0, 255.0, 254.0, 255.0]));
    assert_eq!((found.rounded, found.clamped), (1, 1));
}

/// What a halo shows counts for the tile that it belongs to, and only there.
#[test]
fn changes_are_counted_once_whatever_the_halo() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.random.default_rng(5).integers(0, 600, (2, 40, 50)).astype('u2'))
print(int((read('a.tif') > 255).sum()))",
    );
    let expected: u64 = python(dir.path(), "print(int((read('a.tif') > 255).sum()))").trim().parse().unwrap();
    let file = path(dir.path(), "a.tif");
    let info = inspect(&file).unwrap();
    for edge in [Edge::Reflect, Edge::Nearest] {
        let (one, _) = spec(&file, &info, DType::UInt8);
        let bands = vec![one.bands[0], SourceBand { number: 2, ..one.bands[0] }];
        let spec = SourceSpec { bands, halo: 3, edge, ..one };
        let mut source = Source::open(&spec).unwrap();
        let tiling = grid::Tiling::new(40, 50, 16, 16).unwrap();
        let mut clamped = 0;
        for tile in (0..tiling.count()).map(|n| tiling.tile(n).unwrap()) {
            let window = tile.window.padded(3).unwrap();
            let mut out = vec![0; 2 * window.pixels() as usize];
            clamped += source.read(window, &mut out).unwrap().clamped;
        }
        assert_eq!(clamped, expected, "{edge:?}");
    }
}
