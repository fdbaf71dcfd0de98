//! Expressions at the ends of what is allowed: tiles without valid pixels, large tiles, large numbers, large expressions; and
//! modules that fail while they run.

use crate::expressions::calc;
use crate::support::{Folder, Run};

/// Tiles without a valid pixel: the same values as in other tiles.
#[test]
fn empty_tiles() {
    let f = Folder::new();
    f.python(
        "
        h = np.arange(64 * 64, dtype='f4').reshape(64, 64); h[:, :32] = -9; write('h.tif', h, nodata=-9)
        g = h.copy(); g[:32] = -9; write('g.tif', g, nodata=-9)",
    );
    let tiles = "--set grid.tile=[16,16]";
    for (expression, inputs, output, expected) in [
        ("fill(h, 0)", "-i h=h.tif", "", "np.where(h == -9, 0, h)"),
        ("isvalid(h)", "-i h=h.tif", "--nodata 255", "h != -9"),
        ("count(h)", "-i h=h.tif -i h=g.tif", "--nodata 255", "(h != -9).astype('f4') + (g != -9)"),
        ("where(isvalid(h), h, 7)", "-i h=h.tif", "", "np.where(h == -9, 7, h)"),
        ("pi", "-i h=h.tif", "", "np.full(h.shape, np.float32(np.pi))"),
        // Skipped as before.
        ("h + 1", "-i h=h.tif", "", "np.where(h == -9, np.nan, h + 1)"),
    ] {
        calc(&f, expression, &format!("{inputs} {output} -o x.tif --overwrite {tiles}")).ok();
        f.python(&format!(
            "
            h, g, x = (gdal.Open(n).ReadAsArray() for n in ('h.tif', 'g.tif', 'x.tif'))
            assert np.array_equal(x, {expected}, equal_nan=True), ({expression:?}, x)"
        ));
    }
}

/// Statistics of tiles that have more pixels than are computed at a time, the last ones not a multiple of them.
#[test]
fn statistics_of_large_tiles() {
    let f = Folder::new();
    f.python(
        "
        r = np.random.default_rng(3)
        for i in range(3):
            d = r.integers(0, 900, (2, 61, 87)).astype('u2'); d[r.random(d.shape) < 0.2] = 0
            write(f'd{i}.tif', d, nodata=0)",
    );
    let text = "m = median(dates); s = std(dates); c = count(dates); w = max(median(dates) - mean(scene))";
    let files = "-i dates=d*.tif -i scene=d1.tif -o m=m.tif -o s=s.tif -o c=c.tif -o w=w.tif --set grid.tile=[96,64]";
    calc(&f, text, files).ok();
    f.python(
        "
        import warnings; warnings.simplefilter('ignore')
        read = lambda n: gdal.Open(n).ReadAsArray()
        d = np.stack([read(f'd{i}.tif') for i in range(3)]).astype('f8'); d[d == 0] = np.nan
        m, mean = np.nanmedian(d, 0), np.nanmean(d[1], 0)
        w = np.nanmax(m - mean, 0)
        for name, e in [('m', m), ('s', np.nanstd(d, 0)), ('c', (~np.isnan(d)).sum(0)), ('w', w)]:
            assert np.allclose(read(name + '.tif'), e, rtol=1e-5, atol=1e-4, equal_nan=True), name",
    );
}

/// An expression that the language allows, of which the compiler could take gigabytes.
#[test]
fn too_large() {
    let f = Folder::new();
    f.python("write('q.tif', np.ones((4, 4), 'f4'))");
    let terms: Vec<_> = (0..599).map(|n| format!("q * {n}.5")).collect();
    let outputs: String = (0..64).map(|n| format!("o{n} = all + {n};")).collect();
    let text = format!("all = {};{outputs}", terms.join(" + "));
    let message = "the expression is too large: compute fewer outputs at a time";
    let run = f.tilefn(["build", "--expression", &text, "-o", "x.wasm"]);
    assert_eq!(run.error(2), message);
    let files: String = (0..64).map(|n| format!("-o o{n}=o{n}.tif ")).collect();
    assert_eq!(calc(&f, &text, &format!("-i q=q.tif {files}")).error(2), message);
    assert_eq!(f.files(), ["q.tif"]);
}

/// A name that is given again is a result like others.
#[test]
fn names_given_again() {
    let f = Folder::new();
    f.python("write('q.tif', np.arange(200, dtype='f4').reshape(10, 20))");
    for expression in ["q = q * 2", "y = q; y = y * 2", "y = q + 1; q = q * 2; q = q + 0 * y"] {
        calc(&f, expression, "-i q=q.tif -o x.tif --overwrite").ok();
        f.python("assert (gdal.Open('x.tif').ReadAsArray() == gdal.Open('q.tif').ReadAsArray() * 2).all()");
    }
    let run = f.tilefn(["build", "--expression", "q = q * 2", "-o", "q.wasm"]);
    assert!(run.ok().stdout.contains("  output  q            float32"), "{}", run.stdout);
}

/// Whole numbers at the ends of what floats and integers hold.
#[test]
fn bits_at_the_ends() {
    let f = Folder::new();
    f.python(
        "
        write('q.tif', np.array([[0, 1, 2, 255, 4096, 65535]], 'u2'))
        write('big.tif', np.array([[0, 1, 2**63, 2**63 + 2**40, 2**64 - 2**11, 7]], 'u8'))",
    );
    for (expression, dtype, expected) in [
        ("(q | 0x800000) + 0", "float32", "q | 0x800000"),
        ("(q | 0x1000000) + 0", "float64", "q | 0x1000000"),
        ("(q ^ 0x1000000) * 1", "float64", "q ^ 0x1000000"),
        ("(-(~q ^ 0xFFFFFF)) | 1", "int64", "-(~q ^ 0xFFFFFF) | 1"),
        ("q << 3", "int32", "q << 3"),
        ("q << 9", "int64", "q << 9"),
        ("where(q & (1 << 10 | 1 << 12), nan, q)", "float32", "np.where(q & 0x1400, np.nan, q)"),
        ("(q & 255) == n", "uint8", "(q & 255) == 255"),
        ("q & -9007199254740993", "int64", "q & -9007199254740993"),
        ("q | -0x7fffffffffffffff", "int64", "q | -0x7fffffffffffffff"),
    ] {
        calc(&f, expression, "-i q=q.tif -o x.tif --param n=255 --overwrite").ok();
        f.python(&format!(
            "
            q, x = gdal.Open('q.tif').ReadAsArray()[None].astype('i8'), gdal.Open('x.tif').ReadAsArray()
            assert x.dtype == {dtype:?} and np.array_equal(x.reshape(q.shape), {expected}, equal_nan='float' in {dtype:?}), ({expression:?}, x)"
        ));
    }
    assert_eq!(
        calc(&f, "big & 1", "-i big=big.tif -o y.tif").error(2),
        "& takes whole numbers below 2⁶³, and `big` is of uint64\n  big & 1\n  ^^^\n  \
         round(big) makes larger ones 2⁶³ − 1"
    );
    calc(&f, "round(big) & 3", "-i big=big.tif -o y.tif").ok();
    f.python("assert gdal.Open('y.tif').ReadAsArray().tolist() == [[0, 1, 3, 3, 3, 3]]");
}

/// What is only seen while a built module runs.
#[test]
fn failures_while_running() {
    let f = Folder::new();
    f.python(
        "
        for name, bands in [('one', 1), ('two', 2), ('three', 3)]:
            write(f'{name}.tif', np.ones((bands, 8, 8), 'f4'))",
    );
    let fails = |expression: &str, arguments: &str, job: &str| -> String {
        let build = ["build", "--expression", expression, "-o", "f.wasm"];
        f.tilefn(build.into_iter().chain(arguments.split_whitespace())).ok();
        f.write("job.toml", &format!("[function]\nmodule = 'f.wasm'\n{job}\n[outputs.result]\npath = 'x.tif'\n"));
        let run: Run = f.run("");
        run.error(1).to_owned()
    };
    let list = |name: &str, files: &str| format!("[inputs.{name}]\npaths = [{files}]\n");
    let (a, b) = (list("a", "'one.tif', 'one.tif'"), list("b", "'one.tif', 'one.tif', 'one.tif'"));
    for (expression, arguments, job, message) in [
        (
            "mean(a - b)",
            "-i a:float32[] -i b:float32[]",
            format!("{a}{b}"),
            "the inputs \"a\" and \"b\" have 2 and 3 files",
        ),
        (
            "a + b",
            "",
            "[inputs.a]\npath = 'two.tif'\n[inputs.b]\npath = 'three.tif'\n".to_owned(),
            "the inputs \"a\" and \"b\" have 2 and 3 bands",
        ),
        ("a[3]", "", "[inputs.a]\npath = 'two.tif'\n".to_owned(), "input \"a\" has no band 3"),
        (
            "percentile(a, p)",
            "-i a:float32[] --param p=50.0",
            format!("[params]\np = 100.5\n{a}"),
            "a percentile is from 0 to 100, and the parameter is beyond",
        ),
    ] {
        let found = fails(expression, arguments, &job);
        assert!(found.contains(message), "{expression}: {found}");
    }
}

#[test]
fn what_is_not_used() {
    let f = Folder::new();
    f.python("for name in 'ab': write(name + '.tif', np.ones((4, 4), 'f4'))");
    let run = calc(&f, "a + 1", "-i a=a.tif -i b=b.tif --param k=1 -o x.tif");
    run.ok();
    for warning in ["the expression doesn't use input `b`", "the expression doesn't use parameter `k`"] {
        assert!(run.stderr.contains(warning), "{}", run.stderr);
    }
}

/// Floats beyond the largest integers.
#[test]
fn saturated_64_bits() {
    let f = Folder::new();
    f.python("write('a.tif', np.array([[-1e30, -1e19, -2.5, 0.5, 1.5, 1e18, 1e19, 1e30]]))");
    for (dtype, expected) in [
        ("int64", "[-2**63, -2**63, -2, 0, 2, 10**18, 2**63 - 1, 2**63 - 1]"),
        ("uint64", "[0, 0, 0, 0, 2, 10**18, 10**19, 2**64 - 1]"),
    ] {
        calc(&f, "a", &format!("-i a=a.tif -o x.tif --type {dtype} --overwrite")).ok();
        f.python(&format!("assert gdal.Open('x.tif').ReadAsArray().tolist() == [{expected}]"));
    }
}
