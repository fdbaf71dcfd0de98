"""Tile functions called directly, as their authors' tests do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import List, Optional

import numpy as np
import pytest
from tilefn import Context, Reduced, TileFunctionError, Window, param, tile_function
from tilefn._signature import read

PACKAGE = Path(__file__).parent.parent


@tile_function(halo="radius")
def window_sum(dem: "float32", *, radius: int = param(1, min=1, max=5), ctx: Context) -> "float32":
    """Sum of a square window.

    Longer text.
    dem: Heights.
    radius: Pixels.
    """
    size = 2 * radius + 1
    rows, cols = dem.shape[1] - size + 1, dem.shape[2] - size + 1
    shifted = [dem[:, r : r + rows, c : c + cols] for r in range(size) for c in range(size)]
    return np.sum(shifted, axis=0)


def test_a_call_is_a_tile_with_its_halo():
    dem = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(window_sum(dem), [[[45, 54]]])
    assert window_sum(dem).dtype == "float32"
    assert window_sum.__doc__.startswith("Sum") and window_sum.__name__ == "window_sum"
    np.testing.assert_array_equal(window_sum.function(dem[np.newaxis], radius=1, ctx=None), [[[45, 54]]])


def test_invalid_pixels_are_nan_and_its_mask_says_so():
    @tile_function
    def f(a: "float32", b: "int16", ctx) -> "float32":
        assert ctx.valid("a").tolist() == [[[True, False, False]]] and ctx.valid("b").tolist() == [[[True, True, False]]]
        return np.where(ctx.valid("b"), a, 0)

    a = np.ma.masked_array([[1, 2, np.nan]], [[0, 1, 0]])
    b = np.ma.masked_equal([[1, 2, 3]], 3)
    np.testing.assert_array_equal(f(a, b), np.array([[[1, np.nan, 0]]], "f4"))
    assert a.data[0, 1] == 2, "the test's own array stays"


def test_nan_is_invalid_where_integers_are_wanted():
    @tile_function
    def f(a: "uint8", ctx) -> "uint8":
        return ctx.valid("a").astype("uint8") * 10 + a

    assert f(np.array([[np.nan, 2.0]]))[0, 0, 1] == 12 and f(np.array([[np.nan, 2.0]]))[0, 0, 0] < 10


def test_invalid_integers_are_masked():
    @tile_function(nodata={"odd": 0})
    def f(a: "uint8") -> {"odd": "uint8", "copies": list["uint8"]}:
        return {"odd": np.ma.masked_equal(a % 2, 0), "copies": [a, a]}

    result = f(np.array([[1, 2]], "u1"))
    assert result["odd"].mask.tolist() == [[[False, True]]] and result["odd"][0, 0, 0] == 1
    assert [copy.shape for copy in result["copies"]] == [(1, 1, 2)] * 2


def test_context_of_a_call():
    @tile_function
    def x(a: "uint8", ctx) -> "float64":
        return ctx.coordinates()[0]

    ctx = Context.for_test(1, 2, geotransform=(100.0, 30.0, 0.0, 0.0, 0.0, -30.0))
    np.testing.assert_array_equal(x(np.zeros((1, 2)), ctx=ctx), [[[115, 145]]])
    np.testing.assert_array_equal(x(np.zeros((1, 2)), ctx), [[[115, 145]]])
    with pytest.raises(TileFunctionError, match="the context is of 1 × 2 pixels with a halo of 0, the arrays are of 1 × 3"):
        x(np.zeros((1, 3)), ctx)


def test_no_input():
    @tile_function
    def distance(ctx) -> "float64":
        return np.hypot(*ctx.coordinates())

    ctx = Context.for_test(1, 2, geotransform=(0.0, 6.0, 0.0, 8.0, 0.0, -8.0))
    np.testing.assert_array_equal(distance(ctx), [[[5, 97**0.5]]])
    with pytest.raises(TileFunctionError, match=r"distance\(\) needs the array of an input, or a context"):
        distance()


def test_places():
    ctx = Context.for_test(2, 3, geotransform=(500.0, 10.0, 0.0, 8000.0, 0.0, -10.0))
    assert ctx.bounds == (500.0, 7980.0, 530.0, 8000.0)
    assert ctx.centre(0, 0) == (505.0, 7995.0)
    assert ctx.row_col_of(500.0, 8000.0) == (0, 0) and ctx.row_col_of(529.9, 7980.1) == (1, 2)
    assert ctx.row_col_of(530.0, 7990.0) is None
    halo = Context.for_test(2, 3, geotransform=ctx.geotransform, halo=1, window=Window(4, 5, 2, 3), grid_size=(9, 9))
    assert halo.centre(1, 1) == (555.0, 7955.0) and halo.row_col_of(555.0, 7955.0) == (1, 1)
    assert [halo.is_in_halo(1, col) for col in (0, 1, 3, 4)] == [True, False, False, True]
    assert halo.is_in_halo(np.array([0, 1]), 1).tolist() == [True, False]
    rotated = Context.for_test(2, 3, geotransform=(0.0, 2.0, 1.0, 0.0, -1.0, 2.0))
    assert rotated.row_col_of(*rotated.centre(1, 2)) == (1, 2)
    assert (ctx.is_first, ctx.is_last, ctx.pixel_size) == (True, True, (10.0, 10.0))


def test_reduced():
    @tile_function
    def f(a: "uint8") -> ("uint8", Reduced):
        return a, Reduced(int(a.sum()), finish=lambda total: total / 2)

    pixels, reduced = f(np.array([[1, 2]], "u1"))
    assert pixels.tolist() == [[[1, 2]]]
    assert reduced.finish(reduced.merge(reduced.state, reduced.state)) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: window_sum(), "window_sum() needs the input dem"),
        (lambda: window_sum(np.zeros((3, 3)), radius=6), "parameter radius is 6, above max = 5"),
        (lambda: window_sum(np.zeros((3, 3)), radius=1.5), "parameter radius is 1.5, which is no int"),
        (lambda: window_sum(np.zeros((3, 3)), size=1), "window_sum() has no argument 'size'"),
        (lambda: window_sum(np.zeros((3, 3)), 2), "window_sum() takes 1 arrays; parameters are given by name"),
        (lambda: window_sum(np.zeros(3)), "input 'dem' has the shape (3,); it is [bands, rows, cols] or [rows, cols]"),
        (lambda: window_sum(np.zeros((2, 3))), "2 × 3 pixels with a halo of 1 on each side leave no tile"),
    ],
)
def test_wrong_calls(call, message):
    with pytest.raises((TileFunctionError, TypeError)) as raised:
        call()
    assert str(raised.value) == message


def kinds(function):
    signature = read(function, 0, None)
    inputs = [(item.dtype, item.list, item.optional) for item in signature.inputs]
    params = [(item.type, item.list, item.default) for item in signature.params]
    return inputs, params, [(item.name, item.dtype, item.list) for item in signature.outputs]


EXPECTED = (
    [("float32", False, False), ("uint8", True, False), ("any", False, True)],
    [("int", False, 2), ("float", True, [1.0]), ("str", False, None)],
    [("x", "float32", False), ("y", "int16", True)],
)


def test_annotations_as_text():
    # This file has `from __future__ import annotations`.
    def f(
        a: "float32",
        b: list["uint8"],
        c: "any" | None,
        *,
        n: int = 2,
        w: list[float] = [1],
        s: str,
    ) -> {"x": "float32", "y": list["int16"]}: ...

    def g(
        a: np.float32, b: List["uint8"], c: Optional["any"], *, n=2, w: List[float] = (1,), s: "str"
    ) -> {"x": np.float32, "y": "list[int16]"}: ...

    def h(
        a: float32, b: "list['uint8']", c: "any" = None, *, n: "int" = 2, w: "list[float]" = (1.0,), s: str
    ) -> "{'x': 'float32', 'y': list['int16']}": ...

    assert kinds(f) == kinds(g) == kinds(h) == EXPECTED


OBJECTS = """
from typing import List, Optional
import numpy as np
def f(a: "float32", b: list["uint8"], c: "any | None", *, n: int = 2, w: list[float] = [1], s: str) -> {
    "x": "float32", "y": list["int16"]}: ...
def g(a: np.float32, b: List["uint8"], c: Optional["any"], *, n=2, w: List[float] = (1,), s: "str") -> {
    "x": np.float32, "y": "list[int16]"}: ...
"""


def test_annotations_as_objects():
    names: dict = {}
    exec(compile(OBJECTS, "objects.py", "exec", dont_inherit=True), names)
    assert kinds(names["f"]) == kinds(names["g"]) == EXPECTED


def test_decorated_by_mistake():
    with pytest.raises(TileFunctionError, match="@tile_function belongs above a def, not above type"):
        tile_function(int)
    with pytest.raises(TileFunctionError, match="a lambda has no types: write a def"):
        tile_function(lambda a: a)


def test_the_package_needs_nothing_of_the_sandbox():
    code = "import sys, tilefn; print(sorted(name for name in sys.modules if name.startswith('tilefn._')))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE)
    assert result.stdout.strip() == str([f"tilefn._{name}" for name in ("context", "errors", "function", "reduce", "result",
                                                                         "signature")])  # fmt: skip
