"""What is wrong with a program or its result, as the user reads it: word by word."""

import numpy as np
import pytest
from host import Host

HEAD = "import numpy as np\nfrom tilefn import *\n"


def told(source, program="f.py"):
    """The mistake that loading a program tells of."""
    return Host(source, program).last("M")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def ndvi(a): pass\n", "f.py:1: there is no tile function: put @tile_function above a def, after from tilefn "
         "import tilefn_function".replace("tilefn_function", "tile_function")),
        ("", "f.py:1: there is no tile function: put @tile_function above a def, after from tilefn import tile_function"),
        ("x = (1,\ny = 2\n", "f.py:1: '(' was never closed\n    x = (1,"),
        ("print 'hello'\n", "f.py:1: Missing parentheses in call to 'print'. Did you mean print(...)?; this looks like "
         "Python 2, and functions are Python {}: convert it with 2to3\n    print 'hello'"),
        ('{"cells": [], "nbformat": 4}',
         "f.py:1: this is a notebook; make a Python file of it: jupyter nbconvert --to script f.py"),
        ("import osgeo\n", "there is no module 'osgeo' in the sandbox: it has Python's own modules, numpy, scipy, pandas "
         'and scikit-learn; name files of pure Python in the job\'s function.include\n  File "f.py", line 1, in <module>\n    import osgeo'),
        (
            HEAD + "class InconsistentVersionWarning(UserWarning):\n    estimator_name = 'Tree'\n"
            "    original_sklearn_version, current_sklearn_version = '1.7.2', '1.9.1'\nraise InconsistentVersionWarning\n",
            "the model (Tree) was made with scikit-learn 1.7.2, the sandbox has 1.9.1: pip install scikit-learn==1.9.1, and "
            'train it again\n  File "f.py", line 6, in <module>\n    raise InconsistentVersionWarning',
        ),
        ("x = 1\ny = x / 0\n", 'ZeroDivisionError: division by zero\n  File "f.py", line 2, in <module>\n    y = x / 0'),
        (HEAD + "exit = 1\nraise SystemExit(3)\n", "the function called exit(), which ends nothing here: return a result or "
         'raise an error\n  File "f.py", line 4, in <module>\n    raise SystemExit(3)'),
    ],
)  # fmt: skip
def test_files(source, message):
    import sys

    text = told(source)
    # Newer versions mark the place in the line.
    text = "\n".join(line for line in text.splitlines() if not line.strip() or set(line.strip()) - set("~^"))
    assert text == message.format(f"{sys.version_info.major}.{sys.version_info.minor}")


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("def f(): pass", 'it needs an input, such as dem: "float32" before the *, or the context, ctx'),
        ('def f(a) -> "uint8": pass', 'argument a needs a type, such as a: "float32"'),
        ('def f(a: "float16") -> "uint8": pass', 'argument a has the type float16, which no pixel has: write "float32", '
         '"uint16", "any", list["float32"], "float32 | None"'),
        ('def f(a: int) -> "uint8": pass', 'argument a has the type int, which no pixel has: write "float32", "uint16", "any", '
         'list["float32"], "float32 | None"; a parameter stands after a *: def f(…, *, a: int)'),
        ('def f(a: "uint8" = 3) -> "uint8": pass',
         "argument a is an input and can have no default but None, which makes it optional"),
        ('def f(a: list["uint8"] = None) -> "uint8": pass',
         "argument a is a list and can't be optional: the job always names its files"),
        ('def f(*a: "uint8") -> "uint8": pass',
         '*a can\'t be an input: a list of files is an argument such as a: list["float32"]'),
        ('def f(a: "uint8"): pass', 'it needs an output: -> "float32" after the arguments, or -> Reduced'),
        ('def f(a: "uint8") -> int: pass', 'the output has the type int: write "float32", list["float32"], a dict such as '
         '{"slope": "float32"}, or Reduced'),
        ('def f(a: "uint8") -> ("uint8", "uint8"): pass',
         'several outputs are a dict with their names: -> {"slope": "float32", "aspect": "float32"}'),
        ('def f(a: "uint8") -> "any": pass',
         'an output is "any", the type of the first input that is "any", but there is no such input'),
        ('def f(a: "uint8", *, n) -> "uint8": pass',
         "parameter n has no type: write n: bool, int, float, str, bytes, or list[int] and the like"),
        ('def f(a: "uint8", *, n: "uint8") -> "uint8": pass',
         "parameter n has the type uint8: write n: bool, int, float, str, bytes, or list[int] and the like"),
        ('def f(a: "uint8", *, n: int = 2.5) -> "uint8": pass', "the default of parameter n is 2.5, which is no int"),
        ('def f(a: "uint8", *, n: list[int] = 2) -> "uint8": pass', "the default of parameter n is 2, which is no list"),
        ('def f(a: "uint8", *, n: int = param(9, max=8)) -> "uint8": pass',
         "the default of parameter n is 9, above max = 8"),
        ('def f(a: "uint8", *, n: int = param(9, min=3, max=2)) -> "uint8": pass', "parameter n: min is above max"),
        ('def f(a: "uint8", *, n: str = param("x", min=1)) -> "uint8": pass',
         "parameter n has bounds, but only an int and a float can have them"),
    ],
)  # fmt: skip
def test_signatures(signature, message):
    text = told(HEAD + "@tile_function\n" + signature + "\n")
    assert text.splitlines()[0] == f"f.py:3: f: {message}"
    # Which line of a decorated def an older Python names differs.
    assert text.splitlines()[1].startswith('  File "f.py", line ')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("halo=-1", "halo is -1; it is a number of pixels from 0 to 16384"),
        ('halo="m"', "halo is 'm'; it is a number of pixels, or the name of an int parameter; its int parameters are: n"),
        ('halo="n"', "halo is the parameter n, which may be negative: give it min=0"),
        ("nodata=300", "nodata is 300; that of uint8 is an integer from 0 to 255"),
        ("nodata=0.5", "nodata is 0.5; that of uint8 is an integer from 0 to 255"),
        ('nodata={"g": 1}', "nodata names 'g', which is no output"),
        ('nodata="no"', "nodata is 'no', which is no number"),
    ],
)
def test_options(options, message):
    text = told(HEAD + f'@tile_function({options})\ndef f(a: "uint8", *, n: int = -2) -> "uint8": pass\n')
    assert text.splitlines()[0] == f"f.py:3: f: {message}"


@pytest.mark.parametrize(
    ("result", "announced", "message"),
    [
        ("None", '"uint8"', "the function returned None: is a return missing?"),
        ("5", '"uint8"', "output 'f': the function returned int, not a numpy array"),
        ("a[0, 0]", '"uint8"', "output 'f': the function returned an array of shape (4,); it is [bands, rows, cols] or [rows, cols]"),
        ("a[:, 1:]", '"uint8"', "output 'f': the function returned 2 × 4 pixels, the tile has 1 × 2, or 3 × 4 with its halo"),
        ("a / 2", '"uint8"', 'output \'f\': the function returned float64, announced is uint8; convert it: .astype("uint8")'),
        ("a + 1j", '"float32"', 'output \'f\': the function returned complex128, announced is float32; convert it: .astype("float32")'),
        ('a.astype("int64") - 2', '"uint8"', "output 'f': the function returned int64 with the value -1, which uint8 can't hold; "
         "announce a wider type"),
        ('a.astype("int32") * 140', '"uint8"', "output 'f': the function returned int32 with the value 280, which uint8 can't hold; "
         "announce a wider type"),
        ("a", 'list["uint8"]', "output 'f': the function returned an array of uint8 where a list is announced"),
        ("a", '{"x": "uint8"}', "the function returned an array of uint8; announced is a dict of x"),
        ('{"y": a}', '{"x": "uint8"}', "the function returned a dict without the output 'x'"),
        ('{"x": a, "y": a}', '{"x": "uint8"}', "the function returned 'y', which is no output: they are x"),
        ("a", "Reduced", "the function returned an array of uint8 where a Reduced is announced"),
        ("a", '("uint8", Reduced)', "the function returned an array of uint8; announced are outputs and a Reduced: return "
         "pixels, Reduced(…)"),
        ("Reduced(open)", "Reduced", None),
        ("Reduced(x for x in [1])", "Reduced", "the state of Reduced can't be stored between tiles: "),
    ],
)  # fmt: skip
def test_results(result, announced, message):
    host = Host(HEAD + f'@tile_function(halo=1)\ndef f(a: "uint8") -> {announced}:\n    return {result}\n')
    names = [] if announced == "Reduced" else [("x" if "{" in announced else "f", 1)]
    a = np.array([[4, 1, 2, 3]] * 3, "u1")
    if message is None:
        host.process("f", [[(a, [None])]], outputs=names, halo=1)
        return
    with pytest.raises(AssertionError):
        host.process("f", [[(a, [None])]], outputs=names, halo=1)
    assert host.last("E").startswith(f"f.py:3: f: {message}")


def test_a_failure_shows_the_users_lines_only():
    host = Host({
        "f.py": HEAD + 'import helper\n@tile_function\ndef f(a: "float32") -> "float32":\n    return helper.double(a)\n',
        "helper.py": "import numpy as np\n\ndef double(a):\n    return np.linalg.inv(a[0])\n",
    })  # fmt: skip
    with pytest.raises(AssertionError):
        host.process("f", [[(np.zeros((2, 2), "f4"), [None])]], outputs=[("f", 1)])
    lines = [line for line in host.last("E").split("\n") if not line or set(line.strip()) - set("~^")]
    assert lines == [
        "numpy.linalg.LinAlgError: Singular matrix",
        '  File "f.py", line 6, in f',
        "    return helper.double(a)",
        '  File "helper.py", line 4, in double',
        "    return np.linalg.inv(a[0])",
    ]


def test_memory_and_recursion():
    host = Host(
        HEAD
        + """
def down(): down()
@tile_function
def f(a: "uint8", *, how: str) -> "uint8":
    if how == "down":
        down()
    raise MemoryError("Unable to allocate 8 TiB")
"""
    )
    for how, begin in [("up", "MemoryError: Unable to allocate 8 TiB; the job's limits.memory says how much there is"),
                       ("down", "RecursionError: maximum recursion depth exceeded")]:  # fmt: skip
        with pytest.raises(AssertionError):
            host.process("f", [[(np.zeros((2, 2), "u1"), [None])]], [how], outputs=[("f", 1)])
        assert host.last("E").startswith(begin)
        assert len(host.last("E").splitlines()) < 12


def test_merge_and_finish_fail_by_name():
    host = Host(
        HEAD
        + """
@tile_function
def f(a: "uint8") -> Reduced:
    return Reduced([1], merge=lambda a, b: a.extend(b), finish=lambda s: {(1, 2): s})
"""
    )
    _, state = host.process("f", [[(np.zeros((2, 2), "u1"), [None])]])
    with pytest.raises(AssertionError):
        host.merge("f", state, state)
    assert host.last("E") == "merge returned None: it must return the joined state"
    with pytest.raises(AssertionError):
        host.finish("f", state)
    assert host.last("E") == "finish returned a dict with the key (1, 2); keys are texts and numbers"


def test_two_keys_that_are_one_in_json():
    host = Host(
        HEAD
        + '@tile_function\ndef f(a: "uint8") -> Reduced:\n    return Reduced(1, finish=lambda s: {"x": {1: s, "1": 2}})\n'
    )
    _, state = host.process("f", [[(np.zeros((2, 2), "u1"), [None])]])
    with pytest.raises(AssertionError):
        host.finish("f", state)
    assert host.last("E") == "finish returned a dict with two keys that are '1' as text, as JSON's are"


def test_a_bundle_above_the_memory_is_a_mistake(monkeypatch):
    def call(self, request):
        self.told.append((request[:1].decode(), request[1:]))
        if request == b"B":
            raise MemoryError

    monkeypatch.setattr(Host, "call", call)
    assert told("") == "MemoryError; the job's limits.memory says how much there is"


def test_after_a_mistake_nothing_runs():
    from tilefn import _shim

    host = Host("1 / 0\n")
    before = len(host.told)
    _shim.describe()
    _shim.process("f", 0)
    assert len(host.told) == before


def test_packages_beside_the_program():
    host = Host({
        "f.py": HEAD + "from package import inner\nfrom package.inner import one\n"
                '@tile_function\ndef f(a: "uint8") -> "uint8":\n    return a + one + inner.one\n',
        "package/__init__.py": "",
        "package/inner.py": "one = 1\n",
    })  # fmt: skip
    ([(pixels, _)],), _ = host.process("f", [[(np.zeros((1, 2), "u1"), [None])]], outputs=[("f", 1)])
    np.testing.assert_array_equal(pixels, [[[2, 2]]])


def test_numba_is_a_warning():
    host = Host(
        HEAD
        + """
from numba import jit, njit, prange, float32
@njit(parallel=True)
def loop(a):
    for row in prange(a.shape[1]):
        a[:, row] += 1
    return a
@jit(float32[:, :](float32[:, :]), nopython=True)
def same(a): return a
@jit
def as_it_is(a): return a
@tile_function
def f(a: "uint8") -> "uint8":
    return as_it_is(same(loop(a)))
"""
    )
    ([(pixels, _)],), _ = host.process("f", [[(np.zeros((1, 2), "u1"), [None])]], outputs=[("f", 1)])
    np.testing.assert_array_equal(pixels, [[[1, 1]]])
    host.describe()
    assert warnings(host) == ["numba isn't there: functions with @jit run as plain Python, which is much slower"]


def warnings(host):
    return [text.decode() for kind, text in host.told if kind == "W"]


def test_modules_that_add_in_32_bits_are_a_warning():
    host = Host(
        HEAD
        + """
@tile_function
def f(a: "uint8") -> "uint8":
    import pandas as pd
    from scipy import ndimage, stats
    import scipy.stats.mstats
    return a
"""
    )
    host.describe()
    text = 'adds integers of less than 64 bits in 32 bits here: give it floats, or .astype("int64")'
    modules = [(6, "pandas"), (7, "scipy.stats"), (8, "scipy.stats")]
    assert warnings(host) == [f"f.py:{line}: {module} {text}" for line, module in modules]
