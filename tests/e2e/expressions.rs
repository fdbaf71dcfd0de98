//! Expressions against numpy, which computes the same texts.

use crate::support::{Folder, ROOT, Run, assert_message, module};

/// Rasters of several types with invalid pixels.
const DATA: &str = r#"
    r = np.random.default_rng(7)
    shape = (53, 131)
    scene = r.integers(1, 4000, (4,) + shape).astype('u2')
    scene[:, 5:9, 3:70] = 0
    scene[1, 20:30, 40:90] = 0
    write('scene.tif', scene, nodata=0)
    dem = r.normal(0, 30, shape).astype('f4').round(2)
    dem[10:14] = -9
    dem[30, ::3] = np.nan
    dem[0, :9] = [0, -0.5, 0.5, 1.5, 2.5, -1, 1, 300, -300]
    write('dem.tif', dem, nodata=-9)
    write('qa.tif', r.integers(0, 256, shape).astype('u1'))
    level = r.integers(-30000, 30000, shape).astype('i2')
    level[40:44] = -1
    write('level.tif', level, nodata=-1)
    write('wide.tif', np.where(r.random(shape) < 0.1, -1, r.random(shape) * 1e6), nodata=-1)
    for i in range(5):
        date = r.integers(1, 2000, (2,) + shape).astype('u2')
        date[r.random((2,) + shape) < 0.3] = 0
        date[:, 3, :20] = 0
        write(f'date{i}.tif', date, nodata=0)
"#;

/// Compares outputs with what numpy makes of their expressions. Masked arrays know which pixels are invalid.
const CHECK: &str = r#"
    np.seterr(all='ignore')
    import warnings
    warnings.simplefilter('ignore')
    def invalid(a):
        return np.ma.array(np.ma.getdata(a), mask=np.ma.getmaskarray(a) | np.isnan(np.ma.getdata(a)))
    def read(path, dtype=None):
        ds = gdal.Open(path)
        a = ds.ReadAsArray()
        nodata = ds.GetRasterBand(1).GetNoDataValue()
        mask = np.isnan(a) if a.dtype.kind == 'f' else np.zeros(a.shape, bool)
        if nodata is not None:
            mask = mask | (a == nodata)
        return np.ma.array(a.astype(dtype) if dtype else a, mask=mask)
    def nans(x):
        return np.ma.filled(np.ma.asarray(x).astype('f8'), np.nan)
    class language:
        def fill(x, y):
            x = invalid(x)
            return np.ma.array(np.where(np.ma.getmaskarray(x), y, x.data), mask=np.ma.getmaskarray(x) & np.ma.getmaskarray(invalid(y)))
        def isvalid(x): return np.ma.array(~np.ma.getmaskarray(invalid(x)))
        def where(c, a, b): return np.ma.where(c, a, b)
        def mean(x): return np.nanmean(nans(x), 0)
        def median(x): return np.nanmedian(nans(x), 0)
        def std(x): return np.nanstd(nans(x), 0)
        def percentile(x, q): return np.nanpercentile(nans(x), q, axis=0)
        def count(x): return (~np.isnan(nans(x))).sum(0).astype('f8')
        def sum(x): return np.where(language.count(x) > 0, np.nansum(nans(x), 0), np.nan)
        def min(*x): return np.nanmin(nans(x[0]), 0) if len(x) == 1 else invalid(np.minimum.reduce(np.broadcast_arrays(*map(nans, x))))
        def max(*x): return np.nanmax(nans(x[0]), 0) if len(x) == 1 else invalid(np.maximum.reduce(np.broadcast_arrays(*map(nans, x))))
        def clip(x, a, b): return language.max(language.min(x, b), a)
        abs, round, asin, acos, atan, atan2 = np.abs, np.rint, np.arcsin, np.arccos, np.arctan, np.arctan2
        minimum, maximum, logical_and = min, max, np.ma.logical_and
    names = {**vars(np), **vars(language), 'np': np, 'invalid': invalid}
    def compare(text, path, dtype, tolerance):
        found, expected = read(path), eval(text, names)
        expected = np.ma.array(np.ma.getdata(expected), mask=np.ma.getmaskarray(expected))
        if expected.dtype.kind == 'f':
            expected = invalid(expected)
        assert found.dtype == np.dtype(dtype), (text, found.dtype)
        fm, em = np.ma.getmaskarray(found), np.broadcast_to(np.ma.getmaskarray(expected), found.shape)
        assert np.array_equal(fm, em), (text, 'validity', fm.sum(), em.sum(), np.argwhere(fm != em)[:3])
        assert (~fm).sum() > 100, text
        f, e = found.data[~fm].astype('f8'), np.broadcast_to(expected.data, found.shape)[~fm].astype('f8')
        close = np.isclose(f, e, rtol=tolerance, atol=tolerance)
        assert close.all(), (text, f[~close][:4], e[~close][:4], (~close).sum())
"#;

/// Computes all expressions in one job and compares each output. `numpy`: Python that gives the names their arrays. Each expression
/// comes with numpy's text, if that is another, and with the output's type.
#[track_caller]
fn compare(inputs: &str, numpy: &str, tolerance: f64, expressions: &[(&str, &str, &str)]) {
    let f = Folder::new();
    f.python(DATA);
    let (mut text, mut outputs, mut checks) = (String::new(), String::new(), String::new());
    for (n, (expression, same, dtype)) in expressions.iter().enumerate() {
        text.push_str(&format!("o{n} = {expression}\n"));
        // A value that no valid pixel of these outputs has.
        let nodata = if dtype.starts_with("float") { "nan" } else { "77" };
        outputs.push_str(&format!("-o o{n}=o{n}.tif --set outputs.o{n}.nodata={nodata} "));
        let same = if same.is_empty() { expression } else { same };
        checks.push_str(&format!("    compare({same:?}, 'o{n}.tif', {dtype:?}, {tolerance})\n"));
    }
    let words = format!("{inputs} {outputs} --set grid.tile=[48,16]");
    f.tilefn(["calc", &text].into_iter().chain(words.split_whitespace())).ok();
    f.python(&format!("{CHECK}\n    names.update({numpy})\n{checks}"));
}

const INPUTS: &str = "-i red=scene.tif:3 -i nir=scene.tif:4 -i dem=dem.tif -i qa=qa.tif -i level=level.tif";
const ARRAYS: &str = "red=read('scene.tif', 'f4')[2], nir=read('scene.tif', 'f4')[3], dem=read('dem.tif'), qa=read('qa.tif', 'i8'), \
                      level=read('level.tif', 'i8'), k=2.5, n=3, nans=nans";

#[test]
fn numpys_results() {
    let all = [
        ("(nir - red) / (nir + red)", "", "float32"),
        ("2.5 * (nir - red) / (nir + 6 * red + 1)", "", "float32"),
        ("dem", "", "float32"),
        ("-dem ** 2", "", "float32"),
        ("2 ** -1 * dem", "", "float32"),
        ("dem ** 3 + dem ** 4 - dem ** 0.5", "", "float32"),
        ("abs(dem) ** 1.7", "", "float32"),
        ("pow(red, dem / 100)", "red ** (dem / 100)", "float32"),
        ("red % 7 + dem // 3", "", "float32"),
        ("dem % -4", "", "float32"),
        ("-dem // 2.5", "", "float32"),
        ("dem / (red % 2)", "nans(dem) / nans(red).__mod__(2)", "float32"),
        ("sqrt(dem)", "", "float32"),
        ("exp(dem / 10)", "", "float32"),
        ("log(dem) + log2(red) - log10(nir)", "log(nans(dem)) + log2(nans(red)) - log10(nans(nir))", "float32"),
        ("sin(dem) + cos(dem) + tan(dem / 100)", "", "float32"),
        ("arctan2(dem, red) - atan2(red, dem) + np.arctan(dem)", "", "float32"),
        ("asin(dem / 100) + arccos(dem / 100)", "", "float32"),
        ("floor(dem) + ceil(dem) + round(dem) + trunc(dem)", "", "float32"),
        ("clip(dem, -10, 10)", "", "float32"),
        ("clip(dem, -red, nir)", "", "float32"),
        ("min(red, nir, dem)", "", "float32"),
        ("max(red, 1000)", "", "float32"),
        ("minimum(dem, 3) + maximum(3, dem)", "", "float32"),
        ("where(dem > 0, red, nir)", "", "float32"),
        ("where(dem > 0, red, nan)", "", "float32"),
        ("where(qa & 3, 1.5, dem)", "", "float32"),
        ("fill(dem, 0) + fill(red, -1)", "", "float32"),
        ("fill(dem, red)", "", "float32"),
        ("isvalid(dem)", "", "uint8"),
        ("not isvalid(dem) or isvalid(red)", "~isvalid(dem) | isvalid(red)", "uint8"),
        ("dem > 0", "", "uint8"),
        ("dem >= 0.5", "", "uint8"),
        ("dem == 1.5", "", "uint8"),
        ("dem != 1.5", "", "uint8"),
        ("(dem < 0) & (red <= 2000)", "", "uint8"),
        ("(dem < 0) ^ (red <= 2000) | ~(nir > 9)", "", "uint8"),
        ("0 < dem <= 20 < red", "(0 < dem) & (dem <= 20) & (20 < red)", "uint8"),
        ("dem > 0 and not red > nir or qa == 3", "((dem > 0) & ~(red > nir)) | (qa == 3)", "uint8"),
        ("logical_and(dem, red > 5)", "", "uint8"),
        ("(qa & 12) + 0", "", "float32"),
        ("qa & 12", "", "int32"),
        ("qa >> 2 & 3 == 1", "", "uint8"),
        ("(qa & 0x81) != 0", "", "uint8"),
        ("qa & 3 == 2", "", "uint8"),
        ("~qa ^ level | 5", "", "int32"),
        ("level >> 3 & ~0x40", "", "int32"),
        ("-level & 32", "", "int32"),
        ("where(qa & 1 == 1, level & 15, 100)", "", "int32"),
        ("fill(level & 7, 9)", "", "int32"),
        ("(qa & 7) * 0.5 + (dem > 0)", "", "float32"),
        ("(dem > 0) == (red > 5)", "", "uint8"),
        ("(dem > 0) + (dem > 10)", "(dem > 0).astype('f4') + (dem > 10)", "float32"),
        ("red * k + n", "", "float32"),
        ("where(flag, red, nir)", "red", "float32"),
        ("level * 1.0", "", "float32"),
        ("True", "np.ones((53, 131))", "uint8"),
        ("pi", "", "float32"),
    ];
    compare(&format!("{INPUTS} --param k=2.5 --param n=3 --param flag=true"), ARRAYS, 2e-5, &all);
}

#[test]
fn double_precision() {
    let all = [
        ("wide * 1.000001 + dem", "", "float64"),
        ("where(wide > 500000, wide % 7, wide // 3)", "", "float64"),
        ("sin(wide) + sqrt(wide) - abs(dem)", "", "float64"),
        ("clip(wide, 1000, 90000) + min(dem, wide) + max(dem, 5)", "", "float64"),
        ("fill(wide, dem)", "", "float64"),
        ("wide > dem", "", "uint8"),
        ("isvalid(wide) & (dem > 0)", "", "uint8"),
        ("(round(wide) & 15) + 100", "(round(wide).astype('i8') & 15) + 100", "float64"),
        ("level << 40 | 1", "", "int64"),
        ("(qa << 33 | 1) >> 30", "", "int64"),
        ("(level << 2) > wide", "", "uint8"),
        ("(qa << 40) + wide", "", "float64"),
        ("qa & bits", "", "int64"),
        ("where(qa > 5, qa << 3, 1)", "", "int64"),
        ("-floor(wide) ** 2", "", "float64"),
    ];
    let arrays = "wide=read('wide.tif'), dem=read('dem.tif', 'f8'), qa=read('qa.tif', 'i8'), level=read('level.tif', 'i8'), bits=5";
    let inputs = "-i wide=wide.tif -i dem=dem.tif -i qa=qa.tif -i level=level.tif --param bits=5";
    compare(inputs, arrays, 1e-12, &all);
}

#[test]
fn lists_and_bands() {
    let all = [
        ("mean(dates)", ""),
        ("median(dates)", ""),
        ("std(dates)", ""),
        ("sum(dates)", ""),
        ("min(dates)", ""),
        ("max(dates) - min(dates)", ""),
        ("count(dates)", ""),
        ("percentile(dates, 25)", ""),
        ("percentile(dates, q)", ""),
        ("mean(dates[2])", "mean(dates[:, 1])"),
        ("median(where(dates > 1000, nan, dates))", "median(np.ma.masked_where(dates > 1000, dates))"),
        ("median(abs(dates - median(dates)))", "median(np.abs(nans(dates) - median(dates)))"),
        ("sum(dates > 1000)", "sum((dates > 1000).astype('f4'))"),
        ("(mean(dates[1]) - red) / mean(dates[2])", "(mean(dates[:, 0]) - red) / mean(dates[:, 1])"),
        ("mean(scene)", ""),
        ("std(scene * 2 - scene[1])", "std(scene * 2 - scene[0])"),
        ("mean(median(dates))", ""),
        ("max(median(dates) - mean(scene) + 1)", ""),
        ("mean(mean(scene) + median(dates) * std(dates[2]))", "mean(mean(scene) + median(dates) * std(dates[:, 1]))"),
        ("scene[2] - scene[1]", "scene[1] - scene[0]"),
        ("scene - red", ""),
        ("median(dates) + where(count(scene) > 3, 1, 0)", ""),
    ];
    let inputs = "-i dates=date*.tif -i scene=scene.tif -i red=scene.tif:3 --param q=62.5";
    let arrays = "dates=np.ma.stack([read(f'date{i}.tif', 'f8') for i in range(5)]), scene=read('scene.tif', 'f8'), \
                  red=read('scene.tif', 'f8')[2], q=62.5, nans=nans";
    compare(inputs, arrays, 1e-5, &all.map(|(text, same)| (text, same, "float32")));
    compare(&format!("{inputs} --type float64"), arrays, 1e-11, &all.map(|(text, same)| (text, same, "float64")));
}

/// What numpy rounds and clips, for each integer type.
#[test]
fn rounded_and_saturated() {
    for (dtype, low, high) in [
        ("uint8", "0", "255"),
        ("int8", "-128", "127"),
        ("uint16", "0", "65535"),
        ("int16", "-32768", "32767"),
        ("uint32", "0", "4294967295"),
        ("int32", "-2147483648", "2147483647"),
    ] {
        // None of them makes 77, the nodata value.
        let all = [
            ("where(abs(dem - 77) < 1, 0, dem)", "round(where(abs(dem - 77) < 1, 0, dem))"),
            ("floor(dem) * 1000.5", "round(floor(dem) * 1000.5)"),
            ("where(dem > 0, inf, -inf)", "where(dem > 0, 1e30, -1e30)"),
            ("level & 4080", "level & 4080"),
            ("~(qa & 15)", "~(qa & 15)"),
            ("dem > 3", "dem > 3"),
        ];
        let expected = all.map(|(_, same)| {
            format!("np.ma.clip({same}, {low}, {high})").replace("np.ma.clip(dem > 3", "np.ma.clip((dem > 3) * 1")
        });
        let all: Vec<_> = all.iter().zip(&expected).map(|((text, _), same)| (*text, same.as_str(), dtype)).collect();
        let arrays = ARRAYS.replace("read('dem.tif')", "read('dem.tif', 'f8')");
        compare(&format!("{INPUTS} --type {dtype}"), &arrays, 1e-12, &all);
    }
}

/// Computes an expression with these arguments.
pub fn calc(f: &Folder, expression: &str, arguments: &str) -> Run {
    f.tilefn(["calc", expression].into_iter().chain(arguments.split_whitespace()))
}

#[test]
fn strict() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', np.arange(300, dtype='f4').reshape(10, 30) / 2)
        write('b.tif', np.arange(250, dtype='u2').reshape(10, 25))",
    );
    let run = calc(&f, "a * 2", "-i a=a.tif -o x.tif --type uint8 --cast strict");
    let message = run.error(1);
    assert!(
        message.contains(
            "output \"result\": the value of band 1 at row 8, column 16 isn't a whole number that uint8 holds, which cast = \
             \"strict\" demands"
        ),
        "{message}"
    );
    assert!(message.contains("tile"), "{message}");
    let run = calc(&f, "y = a", "-i a=a.tif -o x.tif --type int16 --cast strict");
    assert!(run.error(1).contains("output \"y\": the value of band 1 at row 0, column 1 isn't"), "{}", run.stderr);
    calc(&f, "b", "-i b=b.tif -o x.tif --type uint8 --cast strict").ok();
    let run = calc(&f, "b << 1", "-i b=b.tif -o x.tif --type uint8 --cast strict --overwrite");
    assert!(run.error(1).contains("at row 5, column 3 isn't"), "{}", run.stderr);
    f.python("assert (gdal.Open('x.tif').ReadAsArray() == gdal.Open('b.tif').ReadAsArray()).all()");
}

/// Invalid pixels of an integer output are told from valid ones, whatever value these have.
#[test]
fn marks_of_integers() {
    let f = Folder::new();
    f.python(
        "
        a = np.arange(600, dtype='f4').reshape(6, 100) % 256; a[5, 50:] = np.nan; write('a.tif', a)
        b = a.copy(); b[b == 7] = 8; write('b.tif', b)",
    );
    // All values but one, which is left for the invalid pixels.
    calc(&f, "b", "-i b=b.tif -o x.tif --type uint8 --nodata 7").ok();
    f.python(
        "
        x = gdal.Open('x.tif').ReadAsArray(); b = gdal.Open('b.tif').ReadAsArray()
        assert (x == np.where(np.isnan(b), 7, b)).all()",
    );
    let run = calc(&f, "a", "-i a=a.tif -o y.tif --type uint8 --nodata 7");
    let message = "output \"result\": the valid pixels take all values of uint8, and none is left for the invalid ones; give it a \
                   wider type";
    assert!(run.error(1).contains(message), "{}", run.stderr);
    let run = calc(&f, "a", "-i a=a.tif -o y.tif --type int16");
    assert!(run.error(1).contains("set outputs.result.nodata"), "{}", run.stderr);
}

#[test]
fn a_job_file_with_every_kind_of_worker() {
    let f = Folder::new();
    f.python(DATA);
    f.write(
        "job.toml",
        "[function]\nexpression = '''\n# water\nndwi = (green - nir) / (green + nir)\nwet = ndwi > limit\n'''\n\
         [params]\nlimit = 0.2\n[inputs.green]\npath = 'scene.tif'\nbands = [2]\n[inputs.nir]\npath = 'scene.tif'\nbands = [4]\n\
         [outputs.ndwi]\npath = 'ndwi.tif'\n[outputs.wet]\npath = 'wet.tif'\nnodata = 255\n[grid]\ntile = [32, 16]\n",
    );
    let first = f.report("--workers threads:2");
    assert_eq!(first["job"]["function"], "expression");
    let check = |limit: f32| {
        f.python(&format!(
            "
            s = gdal.Open('scene.tif').ReadAsArray().astype('f4'); s[s == 0] = np.nan
            e = (s[1] - s[3]) / (s[1] + s[3])
            assert np.array_equal(gdal.Open('ndwi.tif').ReadAsArray(), e, equal_nan=True)
            wet = np.where(np.isnan(e), 255, e > np.float32({limit}))
            assert np.array_equal(gdal.Open('wet.tif').ReadAsArray(), wet)"
        ));
    };
    check(0.2);
    f.report("--workers processes:2 --overwrite");
    check(0.2);
    // Another value of a parameter is the same module, and another job.
    let second = f.report("--set params.limit=0.5 --overwrite");
    check(0.5);
    assert_eq!(first["job"]["module_sha256"], second["job"]["module_sha256"]);
    assert_ne!(first["job"]["sha256"], second["job"]["sha256"]);
    let run = f.run("--set params.limit=x --overwrite");
    let message = "params.limit: an expression takes numbers and true or false, not texts";
    assert_eq!(run.error(2), message);
    let run = f.run("--dry-run --overwrite");
    assert!(run.ok().stdout.contains("wet.tif (GTiff, uint8, nodata 255)"), "{}", run.stdout);
    // An output that is left out isn't computed.
    f.write("job.toml", &f.read("job.toml").replace("[outputs.ndwi]\npath = 'ndwi.tif'\n", ""));
    f.report("--overwrite");
    check(0.2);
}

#[test]
fn built_modules() {
    let f = Folder::new();
    f.python(DATA);
    let build = |expression: &str, arguments: &str| {
        f.tilefn(["build", "--expression", expression].into_iter().chain(arguments.split_whitespace()))
    };
    let run = build("clip(mean(dates) - k * base, 0, 9)", "-i dates:uint16[] --param k=2.5 -o f.wasm");
    let shown = run.ok().stdout.clone();
    for line in [
        "\n\nexpression\n  clip(mean(dates) - k * base, 0, 9)\n",
        "  input   dates        list of float32",
        "  input   base         float32",
        "  param   k            float, default 2.5",
        "  output  result       float32",
        "  imports tilefn.report",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    f.write(
        "job.toml",
        "[function]\nmodule = 'f.wasm'\n[inputs.dates]\npaths = ['date0.tif', 'date1.tif']\n[inputs.base]\npath = 'dem.tif'\n\
         [outputs.result]\npath = 'x.tif'\ndtype = 'float32'\n",
    );
    f.report("");
    let files = "-i dates=date0.tif -i dates=date1.tif -i base=dem.tif -o y.tif";
    calc(&f, "clip(mean(dates) - 2.5 * base, 0, 9)", files).ok();
    f.python("assert gdal.Open('x.tif').ReadAsArray().tobytes() == gdal.Open('y.tif').ReadAsArray().tobytes()");
    let run = f.run("--set outputs.result.dtype=uint8 --overwrite");
    assert!(run.error(2).contains("outputs.result.dtype: the function makes float32, not uint8"), "{}", run.stderr);
    assert_eq!(
        build("a & 3", "-o g.wasm").error(2),
        "& takes whole numbers, and this may have a fraction\n  a & 3\n  ^\n  \
         round(…) makes whole numbers; inputs of integer types are whole"
    );
    build("a & 3", "-i a:uint8 --type uint8 -o g.wasm").ok();
    assert!(build("a", "").error(2).contains("--output"));
}

#[test]
fn mistakes() {
    let f = Folder::new();
    f.python(DATA);
    let inputs = "-i red=scene.tif:3 -i scene=scene.tif -i dates=date*.tif -i wide=wide.tif -o x.tif";
    for (expression, message) in [
        (
            "(red - wide) / (rde + 1)",
            "`rde` is neither an input nor a parameter, nor has it been given a value before\n  (red - wide) / (rde + 1)\n                  \
             ^^^\n  did you mean `red`? the inputs are: red, scene, dates, wide",
        ),
        ("red +", "expected a value, found the end\n  red +\n       ^"),
        ("(red + 1", "nothing closes this: ) is missing\n  (red + 1\n  ^"),
        (
            "x = wide > 1 = 2",
            "= gives a value a name\n  x = wide > 1 = 2\n               ^\n  to compare two values, write ==",
        ),
        (
            "red if red > 3 else 0",
            "expected an operator, or the end\n  red if red > 3 else 0\n      ^^\n  write where(condition, then, otherwise)",
        ),
        (
            "mean(dates, axis=0)",
            "= gives a value a name, and arguments have none\n  mean(dates, axis=0)\n                  ^\n  \
             write the values alone, in their order; to compare two, write ==",
        ),
        (
            "0xFFFFFFFFFFFFFFFF & 1",
            "0xFFFFFFFFFFFFFFFF is too large\n  0xFFFFFFFFFFFFFFFF & 1\n  ^^^^^^^^^^^^^^^^^^\n  whole numbers end at 2⁶³ − 1",
        ),
        (
            "floor(red) | 1e20",
            "100000000000000000000 is too large for |\n  floor(red) | 1e20\n               ^^^^\n  \
             the whole numbers of bit operators end at 2⁶³ − 1, and are written without a point or an exponent",
        ),
        ("scene[5]", "`scene` has 4 bands, and no band 5\n  scene[5]\n        ^"),
        ("scene[0]", "bands are counted from 1\n  scene[0]\n        ^"),
        (
            "dates + 1",
            "`dates` is a list of files, and an output has one raster\n  dates + 1\n  ^^^^^^^^^\n  \
             say what to make of them: mean(dates), median(dates), max(dates)",
        ),
        (
            "scene + mean(dates)",
            "`scene` has 4 bands and `dates` has 2\n  scene + mean(dates)\n  ^^^^^^^^^^^^^^^^^^^\n  choose a band: scene[1]",
        ),
        (
            "mean(red)",
            "`mean` is for each pixel over the files of a list, or over bands, and this has one value\n  mean(red)\n       ^^^\n  \
             paths = [\"a.tif\", \"b.tif\"] makes an input a list; a statistic over the whole raster is none of a pixel",
        ),
        (
            "where(red > 1, 2)",
            "`where` takes 3 values, and has 2\n  where(red > 1, 2)\n  ^^^^^^^^^^^^^^^^^\n  \
             write where(condition, then, otherwise)",
        ),
        (
            "red > 1 & wide > 2",
            "& binds more tightly than comparisons, so this is compared on both sides\n  red > 1 & wide > 2\n        ^^^^^^^^\n  \
             write (a > 1) & (b > 2), or a > 1 and b > 2",
        ),
        ("isnan(red)", "there is no function `isnan`\n  isnan(red)\n  ^^^^^\n  write not isvalid(x)"),
        (
            "wide ^ 2",
            "^ takes whole numbers, and this may have a fraction; a power is written **\n  wide ^ 2\n  ^^^^\n  \
             round(…) makes whole numbers; inputs of integer types are whole",
        ),
        (
            "x = 1; y = 2",
            "output `result` gets no value\n  x = 1; y = 2\n  ^^^^^^^^^^^^\n  write result = …; these have values: x, y",
        ),
    ] {
        assert_eq!(calc(&f, expression, inputs).error(2), message, "{expression}");
    }
    f.write(
        "job.toml",
        "[function]\nexpression = \"a + b\"\n[inputs.a]\npath = 'dem.tif'\n[outputs.x]\npath = 'x.tif'\n",
    );
    assert_message(
        &f,
        f.run("").error(2),
        "job.toml:2:14: function.expression: `b` is neither an input nor a parameter, nor has it been given a value before\n  \
         a + b\n      ^\n  the inputs are: a",
    );
    f.write("job.toml", "[function]\nexpression = 'a'\nmodule = 'a.wasm'\nname = 'x'\n[inputs.a]\npath = 'dem.tif'\n");
    let run = f.run("");
    assert!(run.error(2).contains("give a module or an expression"), "{}", run.stderr);
    let run = f.tilefn(["calc", "a", "-i", "a=gone.tif", "-o", "x.tif"]);
    let message = run.error(2);
    assert!(message.starts_with("-i a: can't open ") && message.ends_with("\n1 mistake in the arguments"), "{message}");
    let run = calc(&f, "red * k", "-i red=scene.tif:3 -o x.tif --param k=inf");
    assert_eq!(run.error(2), "--param k=inf: expected a finite number, or true or false");
    assert!(!f.files().contains(&"x.tif".to_owned()));
}

/// Expressions that nobody has thought of, and numpy's text of each.
#[test]
fn random_expressions() {
    /// A source of numbers that are the same in each run.
    struct Random(u64);
    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }
        fn expression(&mut self, depth: u32) -> (String, String) {
            let leaf = ["red", "nir", "dem", "wide", "2.5", "-3", "0.125"];
            if depth == 0 || self.below(8) == 0 {
                let name = leaf[usize::try_from(self.below(7)).unwrap()];
                return (name.to_owned(), name.to_owned());
            }
            let mut operand = || self.expression(depth - 1);
            let ((a, x), (b, y), (c, z)) = (operand(), operand(), operand());
            match self.below(11) {
                0 => (format!("({a} + {b})"), format!("({x} + {y})")),
                1 => (format!("({a} - {b})"), format!("({x} - {y})")),
                2 => (format!("{a} * ({b})"), format!("{x} * ({y})")),
                3 => (format!("({a}) / (abs({b}) + 1)"), format!("({x}) / (abs({y}) + 1)")),
                4 => (format!("min({a}, {b})"), format!("np.minimum({x}, {y})")),
                5 => (format!("max({a}, {b})"), format!("np.maximum({x}, {y})")),
                6 => (format!("where({a} > {b}, {c}, {a})"), format!("pick({x}, {y}, {z}, {x})")),
                7 => (format!("fill({a}, {c})"), format!("np.where(np.isnan({x}), {z}, {x})")),
                8 => (format!("sqrt(abs({a}))"), format!("sqrt(abs({x}))")),
                9 => (format!("isvalid({a}) * ({b})"), format!("~np.isnan({x}) * ({y})")),
                _ => (format!("-floor({a})"), format!("-floor({x})")),
            }
        }
    }
    let mut random = Random(1);
    // A sum with a raster, so that none is a constant.
    let texts: Vec<_> = (0..60)
        .map(|_| random.expression(4))
        .map(|(a, x)| (format!("{a} + 0 * red"), format!("{x} + 0 * red")))
        .collect();
    let all: Vec<_> = texts.iter().map(|(text, same)| (text.as_str(), same.as_str(), "float64")).collect();
    let arrays = "**{name: nans(read(path, 'f8')) for name, path in (('dem', 'dem.tif'), ('wide', 'wide.tif'))}, \
                  red=nans(read('scene.tif'))[2], nir=nans(read('scene.tif'))[3], \
                  pick=lambda a, b, x, y: np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(a > b, x, y))";
    compare("-i red=scene.tif:3 -i nir=scene.tif:4 -i dem=dem.tif -i wide=wide.tif", arrays, 1e-9, &all);
}

/// The runtime that is part of the program is that of its source: as far as compilers of several versions agree.
#[test]
fn the_runtime_is_built() {
    let f = Folder::new();
    let shown = |path: &std::path::Path| -> serde_json::Value {
        let run = f.tilefn(["inspect", path.to_str().unwrap(), "--json"]);
        serde_json::from_str(run.ok().stdout.trim()).unwrap()
    };
    let (built, committed) = (
        shown(&module("host/expression/runtime")),
        shown(&std::path::Path::new(ROOT).join("host/expression/runtime.wasm")),
    );
    let exports = |module: &serde_json::Value| {
        let mut names: Vec<_> =
            module["exports"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(exports(&built), exports(&committed));
    let sizes = [&built, &committed].map(|module| module["bytes"].as_u64().unwrap());
    assert!(
        sizes[0].abs_diff(sizes[1]) < sizes[1] / 10,
        "{sizes:?}: tilefn build host/expression/runtime --output host/expression/runtime.wasm"
    );
}
