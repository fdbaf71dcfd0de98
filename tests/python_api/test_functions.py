"""Functions on arrays, against numpy."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import tilefn

from conftest import ROOT, ndvi_of


def test_a_module(ndvi_wasm, bands):
    ndvi = tilefn.Function(ndvi_wasm)
    assert set(ndvi.inputs) == {"red", "nir"} and ndvi.outputs == {"result": "float32"}
    assert ndvi.params == {"k": 0.0} and ndvi.halo == 0 and len(ndvi.sha256) == 64
    np.testing.assert_allclose(ndvi(**bands), ndvi_of(**bands), rtol=1e-6)
    planes = ndvi(red=bands["red"][np.newaxis], nir=bands["nir"][np.newaxis])
    assert planes.shape == (1, 300, 400) and planes.dtype == np.float32
    changed = ndvi(**bands, k=1000)
    red, nir = bands["red"].astype("float32"), bands["nir"].astype("float32")
    np.testing.assert_allclose(changed, (nir - red) / (nir + red + 1000), rtol=1e-6)


def test_an_expression(bands):
    ndvi = tilefn.expression("(nir - red) / (nir + red)")
    np.testing.assert_allclose(ndvi(**bands), ndvi_of(**bands), rtol=1e-6)
    two = tilefn.expression("low = a < k; high = a * 2")(a=bands["red"], k=500)
    np.testing.assert_array_equal(two["low"], bands["red"] < 500)
    np.testing.assert_array_equal(two["high"].astype("int64"), bands["red"].astype("int64") * 2)
    mean = tilefn.expression("mean(dates)")(dates=[bands["red"], bands["nir"]])
    np.testing.assert_allclose(mean, (bands["red"].astype("f8") + bands["nir"]) / 2, rtol=1e-6)


def test_masked_arrays_and_nan_are_invalid(bands):
    masked = np.ma.masked_less(bands["red"], 5000)
    result = tilefn.expression("a + b")(a=masked, b=bands["nir"].astype("float32"))
    np.testing.assert_array_equal(np.isnan(result), masked.mask)
    bit = tilefn.expression("a > 7000", nodata=255)(a=masked)
    np.testing.assert_array_equal(np.ma.getmaskarray(bit), masked.mask)
    np.testing.assert_array_equal(bit.compressed(), masked.compressed() > 7000)


def test_a_python_function_with_a_halo(bands):
    pytest.importorskip("scipy")
    from scipy.ndimage import uniform_filter

    mean = tilefn.Function(ROOT / "examples/python/focal_mean.py", edge="nearest")
    dem = bands["red"].astype("float32")
    expected = uniform_filter(dem.astype("f8"), size=5, mode="nearest")
    np.testing.assert_allclose(mean(dem), expected, rtol=1e-5)


def test_it_travels(ndvi_wasm, bands):
    for function in (tilefn.Function(ndvi_wasm), tilefn.expression("nir - red")):
        again = pickle.loads(pickle.dumps(function))
        np.testing.assert_array_equal(again(**bands), function(**bands))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda f, b: f(b["red"]), TypeError, "needs the input"),
        (lambda f, b: f(b["red"], b["nir"], b["nir"]), TypeError, "takes 2 arrays"),
        (lambda f, b: f(b["red"], red=b["nir"], nir=b["nir"]), TypeError, "given twice"),
        (lambda f, b: f(**b, other=1), TypeError, "no argument other"),
        (lambda f, b: f(b["red"], b["nir"][:10]), ValueError, "different sizes"),
        (lambda f, b: f(b["red"] + 0j, b["nir"]), TypeError, "complex"),
        (lambda f, b: f(**b, k="many"), tilefn.JobFileError, "k: expected a number"),
        (lambda f, b: f(b["red"][0], b["nir"][0]), ValueError, "of 1 dimensions"),
    ],
)
def test_mistakes(ndvi_wasm, bands, call, error, said):
    with pytest.raises(error, match=said):
        call(tilefn.Function(ndvi_wasm), bands)


def test_no_value_changes_on_the_way_in(tmp_path, bands):
    program = tmp_path / "counts.py"
    program.write_text(
        'from tilefn import tile_function\n\n\n@tile_function\ndef counts(a: "uint16") -> "uint16":\n    return a\n'
    )
    counts = tilefn.Function(program)
    for dtype in ("uint16", "int64", ">u2"):
        np.testing.assert_array_equal(counts(bands["red"].astype(dtype)), bands["red"])
    np.testing.assert_array_equal(counts(bands["red"] > 5000), bands["red"] > 5000)
    with pytest.raises(TypeError, match="takes uint16, not float32"):
        counts(bands["red"].astype("f4"))
    with pytest.raises(ValueError, match="doesn't hold the numbers"):
        counts(bands["red"].astype("i4") - 20_000)


def test_mistakes_of_the_function(tmp_path, bands):
    with pytest.raises(tilefn.JobFileError, match=r"none\.wasm"):
        tilefn.Function(tmp_path / "none.wasm")
    with pytest.raises(tilefn.JobFileError, match=r"(?s)nirr.*nir"):
        tilefn.expression("nirr - red")(**bands)
    program = tmp_path / "fails.py"
    program.write_text(
        'from tilefn import tile_function\n\n\n@tile_function\ndef fails(a: "uint16") -> "float32":\n    return a / [1][1]\n'
    )
    with pytest.raises(tilefn.JobError, match=r"(?s)IndexError.*fails\.py"):
        tilefn.Function(program)(bands["red"])
    program.write_text(
        "from tilefn import tile_function\n\n\n"
        '@tile_function\ndef f(a: "uint16") -> "uint16":\n    while True:\n        pass\n'
    )
    with pytest.raises(tilefn.JobError, match=r"limits\.time|time"):
        tilefn.Function(program, seconds=0.5)(bands["red"])


def test_importing_is_quick_and_needs_no_compiled_part():
    code = "import sys, tilefn; assert 'tilefn._tilefn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
