"""A tile through the shim: call block in, outcome out, as the host does it."""

import math
import sys

import numpy as np
import pytest
from host import Host, bundle
from tilefn import _program, _reduce, _wide

HEAD = "import numpy as np\nfrom tilefn import *\n"


def test_ndvi_with_nodata_and_nan():
    host = Host(
        HEAD
        + '@tile_function\ndef ndvi(red: "float32", nir: "float32") -> "float32":\n    return (nir - red) / (nir + red)\n'
    )
    red = np.array([[1, 2, -9999, 4]], "f4")
    nir = np.array([[3, np.nan, 3, 4]], "f4")
    ([(pixels, nodata)],), state = host.process("ndvi", [[(red, [-9999.0])], [(nir, [None])]], outputs=[("ndvi", 1)])
    np.testing.assert_array_equal(pixels, np.array([[[0.5, np.nan, np.nan, 0]]], "f4"))
    assert nodata is None and state == b""


def test_description_is_as_in_the_abi():
    host = Host(
        HEAD
        + '''
@tile_function(halo="radius", nodata=-9999)
def focal_mean(dem: "float32", *, radius: int = param(2, min=1, max=50)) -> "float32":
    """Mean of the pixels around each.

    dem: Heights.
    """
'''
    )
    assert host.describe() == [{
        "name": "focal_mean",
        "doc": "Mean of the pixels around each.",
        "inputs": [{"name": "dem", "dtype": "float32", "list": False, "optional": False, "doc": "Heights."}],
        "params": [{"name": "radius", "type": "int", "list": False, "default": 2, "min": 1, "max": 50, "doc": ""}],
        "outputs": [{"name": "focal_mean", "dtype": "float32", "list": False, "nodata": -9999, "doc": ""}],
        "halo": "radius",
        "reduce": False,
    }]  # fmt: skip


@pytest.mark.parametrize("result", ["dem + 1", "dem[:, 1:-1, 1:-1] + 1", "dem[0] + 1"])
def test_the_halo_is_cut_off_unless_the_function_did(result):
    host = Host(HEAD + f'@tile_function(halo=1)\ndef f(dem: "int16") -> "int16":\n    return {result}\n')
    dem = np.arange(20).reshape(4, 5).astype("i2")
    ([(pixels, _)],), _ = host.process("f", [[(dem, [None])]], outputs=[("f", 1)], halo=1)
    np.testing.assert_array_equal(pixels, dem[np.newaxis, 1:-1, 1:-1] + 1)


def test_masks_and_marks_of_integers():
    host = Host(
        HEAD
        + """
@tile_function(nodata=7)
def f(a: "uint8", ctx) -> "uint8":
    return np.ma.masked_array(a + 1, ~ctx.valid("a"))
"""
    )
    a = np.array([[[0, 1, 6]], [[9, 1, 6]]], "u1")
    ([(pixels, nodata)],), _ = host.process("f", [[(a, [0, 9])]], outputs=[("f", 1)])
    # 7 is the file's nodata value and a valid pixel here: the mark is another.
    np.testing.assert_array_equal(pixels, [[[255, 2, 7]], [[255, 2, 7]]])
    assert nodata == 255


@pytest.mark.parametrize("nodata", [-9999, 0.5, math.nan])
def test_nodata_that_is_no_value_of_the_inputs_type_marks_nothing(nodata):
    host = Host(
        HEAD
        + f'nan = float("nan")\n@tile_function(nodata={nodata})\ndef f(a: "any") -> "any":\n    return np.ma.masked_equal(a, 3)\n'
    )
    ([(pixels, mark)],), _ = host.process("f", [[(np.array([[2, 3]], "u1"), [None])]], outputs=[("f", 1)])
    np.testing.assert_array_equal(pixels, [[[2, 255]]])
    assert mark == 255


def test_a_mark_is_found_among_all_values_or_refused():
    host = Host(
        HEAD + '@tile_function\ndef f(a: "int16") -> "int8":\n    return np.ma.masked_equal(a, 999).astype("int8")\n'
    )
    values = [value for value in range(-128, 128) if value != 5]
    ([(pixels, nodata)],), _ = host.process("f", [[(np.array([[*values, 999]], "i2"), [None])]], outputs=[("f", 1)])
    assert nodata == 5 and pixels[0, 0, -1] == 5
    with pytest.raises(AssertionError):
        host.process("f", [[(np.array([[*values, 5, 999]], "i2"), [None])]], outputs=[("f", 1)])
    assert host.last("E") == (
        "f.py:3: f: output 'f': every value of int8 is a valid pixel, so none is left to mark invalid ones; announce a wider type"
    )


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_every_type_goes_through_any(dtype):
    host = Host(
        HEAD + '@tile_function\ndef f(a: "any", ctx) -> "any":\n    return np.where(ctx.valid("a"), a, 1).astype(a.dtype)\n'
    )
    end = np.finfo(dtype).max if dtype[0] == "f" else np.iinfo(dtype).max
    a = np.array([[end, 0, 5]], dtype)
    ([(pixels, _)],), _ = host.process("f", [[(a, [end])]], outputs=[("f", 1)])
    np.testing.assert_array_equal(pixels, np.array([[[1, 0, 5]]], dtype))


def test_the_bytes_of_a_file():
    host = Host(
        HEAD + '@tile_function\ndef f(a: "uint8", *, table: bytes) -> "uint8":\n    return np.frombuffer(table, "u1")[a]\n'
    )
    assert host.describe()[0]["params"][0]["type"] == "bytes"
    table = bytes(reversed(range(256)))
    ([(pixels, _)],), _ = host.process("f", [[(np.array([[0, 3, 255]], "u1"), [None])]], [table], outputs=[("f", 1)])
    np.testing.assert_array_equal(pixels, [[[255, 252, 0]]])


def test_lists_optional_inputs_params_and_several_outputs():
    host = Host(
        HEAD
        + """
@tile_function(nodata={"total": 0})
def f(scenes: list["float32"], mask: "uint8" = None, *, weights: list[float], word: str = "no", words: list[str] = [],
      on: bool = False, n: int = -1, ctx) -> {"total": "int32", "copies": list["float32"]}:
    assert mask is None and ctx.valid("mask") is None
    assert (word, words, on, n) == ("ja", ["ä", ""], True, -(2**63)), (word, words, on, n)
    total = sum(weight * scene for weight, scene in zip(weights, scenes))
    assert [valid.all() for valid in ctx.valid("scenes")] == [True, False]
    return {"total": np.ma.masked_array(np.nan_to_num(total).astype("int64"), np.isnan(total)), "copies": scenes}
"""
    )
    scenes = [(np.array([[1, 2]], "f4"), [None]), (np.array([[10, -1]], "f4"), [-1.0])]
    params = [[1.0, 2.0], "ja", ["ä", ""], True, -(2**63)]
    outputs, _ = host.process("f", [scenes, []], params, outputs=[("total", 1), ("copies", 2)])
    [(total, nodata)], copies = outputs
    assert total.dtype == "int32" and nodata == 0
    np.testing.assert_array_equal(total, [[[21, 0]]])
    np.testing.assert_array_equal([pixels for pixels, _ in copies], [[[[1, 2]]], [[[10, math.nan]]]])
    outputs, _ = host.process("f", [scenes, []], params, outputs=[("total", 0), ("copies", 2)])
    assert outputs[0] == []
    host_told = len(host.told)
    with pytest.raises(AssertionError):
        host.process("f", [scenes, []], params, outputs=[("total", 1), ("copies", 3)])
    assert "output 'copies': the function returned 2 arrays, the job names 3 files" in host.told[host_told][1].decode()


def test_context():
    host = Host(
        HEAD
        + """
@tile_function(halo=1)
def f(a: "uint8", ctx: Context) -> "float64":
    assert (ctx.index, ctx.count, ctx.matrix, ctx.matrix_size) == (3, 12, (1, 0), (4, 3))
    assert (ctx.window, ctx.grid_size, ctx.halo) == (Window(20, 30, 2, 3), (100, 200), 1)
    assert (ctx.crs, ctx.pixel_size, ctx.is_first, ctx.is_last) == ("EPSG:32755", (10.0, 10.0), False, False)
    file = ctx.inputs[0].files[0]
    assert (file.path, file.dtype, file.bands) == ("a.tif", "uint8", [BandInfo("band 0", 7)])
    x, y = ctx.coordinates()
    return x + y
"""
    )
    ([(pixels, _)],), _ = host.process(
        "f", [[(np.zeros((4, 5), "u1"), [7])]], outputs=[("f", 1)], halo=1, place=(20, 30), grid=(100, 200)
    )
    rows, cols = np.mgrid[20:22, 30:33]
    np.testing.assert_array_equal(pixels[0], 500 + 10 * (cols + 0.5) + 8000 - 10 * (rows + 0.5))


def test_accumulates():
    host = Host(
        HEAD
        + """
@tile_function
def f(a: "uint8") -> Reduced:
    most = 200
    return Reduced({"sum": int(a.sum(dtype="i8")), "tiles": 1},
                   merge=lambda a, b: {key: a[key] + b[key] for key in a},
                   finish=lambda state: {**state, 5: np.float32(0.5), "nan": float("nan"), "most": most})
"""
    )
    _, one = host.process("f", [[(np.array([[250, 250]], "u1"), [None])]])
    _, two = host.process("f", [[(np.array([[1, 2]], "u1"), [None])]])
    both = host.merge("f", one, host.merge("f", b"", two))
    assert host.finish("f", both) == {"sum": 503, "tiles": 2, "5": 0.5, "nan": None, "most": 200}
    assert host.finish("f", b"") is None
    assert host.describe()[0]["reduce"] and host.describe()[0]["outputs"] == []


def test_accumulates_besides_outputs_with_a_counter():
    host = Host(
        HEAD
        + """
from collections import Counter
@tile_function
def f(a: "uint8") -> ("uint8", Reduced):
    values, counts = np.unique(a, return_counts=True)
    return a, Reduced(Counter(dict(zip(values.tolist(), counts.tolist()))))
"""
    )
    outputs, one = host.process("f", [[(np.array([[1, 1, 2]], "u1"), [None])]], outputs=[("f", 1)])
    np.testing.assert_array_equal(outputs[0][0][0], [[[1, 1, 2]]])
    assert host.finish("f", host.merge("f", one, one)) == {"1": 4, "2": 2}


def test_functions_of_a_state_keep_their_defaults():
    host = Host(
        HEAD
        + """
import math
@tile_function
def f(a: "uint8") -> Reduced:
    return Reduced(1, merge=lambda a, b, c=10, *, d=100, e=math: e.fsum([a, b, c, d]), finish=lambda s, *, text="t": f"{s}{text}")
"""
    )
    _, state = host.process("f", [[(np.zeros((1, 1), "u1"), [None])]])
    assert host.finish("f", host.merge("f", host.merge("f", state, state), state)) == "223.0t"


@pytest.mark.parametrize("merge", ["np.add", "np.maximum", "np.union1d", "np.ma.union1d", "np.ma.add", "np.linalg.solve",
                                   "lambda a, b, *, np=np: np.add(a, b)"])  # fmt: skip
def test_functions_of_numpy_are_the_programs_own_between_tiles(merge, monkeypatch):
    # As in the sandbox, whose numpy has 32-bit integers.
    monkeypatch.setattr(_wide, "NARROW", True)
    monkeypatch.setattr(_wide, "MODULES", _wide._modules())
    host = Host(
        HEAD + f'@tile_function\ndef f(a: "uint8") -> Reduced:\n    return Reduced(a[0], merge={merge}, finish=np.asarray)\n'
    )
    program = vars(__import__("f"))["np"]
    assert program is _wide.MODULES["numpy"]
    a = np.array([[1, 2], [3, 4]], "u1")
    _, state = host.process("f", [[(a, [None])]])
    both = host.merge("f", state, state)
    assert host.finish("f", both) == eval(merge, {"np": np})(a, a).tolist()
    joined = _reduce.decode(both)
    assert joined.finish is program.asarray
    if merge.startswith("lambda"):
        assert joined.merge.__kwdefaults__["np"] is program
    else:
        assert joined.merge is eval(merge, {"np": program})


def test_warnings_go_to_the_report():
    host = Host(
        HEAD + 'import warnings\n@tile_function\ndef f(a: "uint8") -> "uint8":\n    warnings.warn("odd")\n    return a\n'
    )
    import warnings

    from tilefn import _shim

    before = warnings.showwarning
    warnings.showwarning = _shim._show_warning
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = _shim._show_warning
            host.process("f", [[(np.zeros((1, 1), "u1"), [None])]], outputs=[("f", 1)])
    finally:
        warnings.showwarning = before
    assert ("W", b"f.py:6: odd") in host.told


def test_no_input():
    host = Host(HEAD + '@tile_function\ndef f(ctx) -> "float64":\n    return ctx.coordinates()[0]\n')
    assert host.describe()[0]["inputs"] == []
    ([(pixels, _)],), _ = host.process("f", [], outputs=[("f", 1)], size=(2, 3))
    np.testing.assert_array_equal(pixels, [[[505, 515, 525]] * 2])


def test_of_a_bundle_only_python_files_are_kept():
    files = {"f.py": "", "big.npy": b"x" * 1000, "a/b.py": "1", "py": b"2"}
    program = _program.read(bundle(files))
    assert program == ("f.py", {"f.py": b"", "a/b.py": b"1"})


def test_a_folder_comes_after_pythons_own_module():
    names = ("wave", "wave.notes", "sunau_notes", "sunau_notes.inner", "xml", "xml.etree", "xml.etree.notes")
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    try:
        host = Host({
            "f.py": HEAD + "import wave, sunau_notes.inner\nfrom sunau_notes import inner\nimport xml.etree\nwave.Wave_read\n"
                    'try:\n    import xml.etree.notes\n    raise ValueError\nexcept ModuleNotFoundError: pass\n'
                    '@tile_function\ndef f(a: "uint8") -> "uint8":\n    return a + inner.one\n',
            "wave/notes.py": "", "sunau_notes/inner.py": "one = 1\n", "xml/etree/notes.py": "",
        })  # fmt: skip
        ([(pixels, _)],), _ = host.process("f", [[(np.zeros((1, 1), "u1"), [None])]], outputs=[("f", 1)])
        assert pixels == 1
    finally:
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)
