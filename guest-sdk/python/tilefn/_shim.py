"""Between the host and a program, in the sandbox only. The host calls these functions by `turn`.

Each answers by `_host.call`: B asks for the bundle, D + JSON are the descriptions, O + address is an outcome, E + text a
failure, M + text a mistake in the program, L + text a line for the log, W + text a warning.
"""

from __future__ import annotations

import gc
import json
import linecache
import os
import struct
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from . import _call, _program, _reduce, _source, _wide
from ._errors import TileFunctionError
from ._result import Size

try:
    import _host
except ImportError:  # natively, in tests, which put their own here
    _host = None  # type: ignore[assignment]


class _At:
    def __init__(self, address: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.__array_interface__ = {"data": (address, False), "shape": shape, "typestr": dtype.str, "version": 3}


def _array_at(address: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.asarray(_At(address, shape, dtype))


def _address_of(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


memory = _call.Memory(_array_at, _address_of)
_loaded: tuple[_program.Program, dict[str, Any]] | None = None
_alive: list[np.ndarray] = []
WARM = b"""from tilefn import param, tile_function
@tile_function(halo="n", nodata=-1)
def f(a: "float32", *, n: int = param(1, min=0)) -> "float32":
    '''Text.'''
    return a.sum(dtype=int)
"""


def prepare() -> None:
    """Once, before the snapshot is taken: everything that no program changes."""
    _wide.prepare()
    # Python is quicker where it was before.
    _program.execute(ModuleType("warm"), "warm.py", WARM)
    linecache.clearcache()
    _source.NOTES.clear()
    warnings.showwarning = _show_warning
    sys.argv = ["tilefn"]
    gc.collect()
    gc.freeze()


def _show_warning(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
    # What numpy warns of in passing is for the log; what the program says itself is for the report.
    kind = "W" if issubclass(category, UserWarning) else "L"
    _send(kind, f"{filename.rpartition('/')[2]}:{lineno}: {message}")


def _send(kind: str, text: str) -> bytes:
    _flush()
    return _host.call(kind.encode() + text.encode("utf-8", "replace"))


def _flush() -> None:
    # What was printed would be lost with the instance.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def load() -> None:
    """Runs the program's file."""
    global _loaded
    try:
        os.chdir("/function")
    except OSError:
        pass  # the program is its only file
    program = _program.Program("", {})
    try:
        program = _program.read(_host.call(b"B"))
        _loaded = program, _program.functions(program)
    except BaseException as e:
        _send("M", _program.failure(e, program))


def describe() -> None:
    """Tells the host what the program's functions take and return."""
    if _loaded is not None:
        for note in _source.NOTES:
            _send("W", note)
        _send("D", json.dumps([function.signature.description() for function in _loaded[1].values()]))


def process(name: str, address: int) -> None:
    """Runs a function on a tile."""
    _answer(name, lambda function: _process(function, address))


def _process(function: Any, address: int) -> tuple[list[Any], bytes]:
    call = _call.read(memory, address, function.signature)
    window = call.context.window
    returned = function.run(call.arrays, call.params, call.context)
    size = Size(window.rows, window.cols, call.context.halo)
    try:
        made, reduced = function.results(returned, call.any_dtype, call.files, size)
        state = b"" if reduced is None else _reduce.encode(reduced)
    except TileFunctionError as e:
        raise TileFunctionError(f"{function.place}: {e}") from e.__cause__
    return [made[output.name] for output in function.signature.outputs], state


def merge(name: str, a: int, a_len: int, b: int, b_len: int) -> None:
    """Joins two states."""
    _answer(name, lambda function: ([], _reduce.merged(_bytes(a, a_len), _bytes(b, b_len))))


def finish(name: str, state: int, length: int) -> None:
    """Makes a state the result for the report."""
    _answer(name, lambda function: ([], _reduce.finished(_bytes(state, length)).encode()))


def _bytes(address: int, length: int) -> bytes:
    return memory.array_at(address, (length,), np.dtype("u1")).tobytes() if length else b""


def _answer(name: str, work: Callable[[Any], tuple[list[Any], bytes]]) -> None:
    global _alive
    if _loaded is None:
        return
    program, functions = _loaded
    try:
        address, _alive = _call.write(memory, *work(functions[name]))
    except BaseException as e:
        _send("E", _program.failure(e, program))
        return
    _flush()
    _host.call(b"O" + struct.pack("<I", address))
