"""Accumulating over a whole raster: states, and how they are stored between tiles."""

from __future__ import annotations

import importlib
import io
import json
import marshal
import math
import operator
import pickle
from collections.abc import Callable, Mapping
from types import CellType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ._errors import TileFunctionError


def _as_it_is(state: Any) -> Any:
    return state


class Reduced:
    """A tile's part of something gathered over the whole raster.

    `merge(a, b)` joins the states of earlier and later tiles; without it they are added with `+`. `finish(state)` makes
    the result for the report, which JSON can hold; without it the result is the state.
    """

    def __init__(
        self,
        state: Any,
        *,
        merge: Callable[[Any, Any], Any] = operator.add,
        finish: Callable[[Any], Any] = _as_it_is,
    ) -> None:
        self.state, self.merge, self.finish = state, merge, finish


class _Pickler(pickle.Pickler):
    """Stores functions that no module has by name, such as a lambda, with their code: only this interpreter reads it."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, ModuleType):
            return _module, (value.__name__,)
        if isinstance(value, FunctionType) and hasattr(value, "__tilefn_name__"):  # one of `_wide`
            return _named, value.__tilefn_name__
        if isinstance(value, FunctionType) and ("<lambda>" in value.__qualname__ or "<locals>" in value.__qualname__):
            cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
            defaults = (value.__defaults__, value.__kwdefaults__)
            return _function, (marshal.dumps(value.__code__), value.__module__, *defaults, cells)
        return NotImplemented


def _module(name: str) -> ModuleType:
    """A module as a program imports it: numpy is the copy with 64-bit integers."""
    from ._wide import MODULES

    return MODULES.get(name) or importlib.import_module(name)


def _named(module: str, name: str) -> Any:
    return getattr(_module(module), name)


def _function(code: bytes, module: str, defaults: Any, kwdefaults: Any, cells: tuple[Any, ...]) -> FunctionType:
    namespace = vars(importlib.import_module(module))
    function = FunctionType(marshal.loads(code), namespace, None, defaults, tuple(CellType(cell) for cell in cells))
    function.__kwdefaults__ = kwdefaults
    return function


def encode(reduced: Reduced) -> bytes:
    """A state and its functions as bytes."""
    stored = io.BytesIO()
    try:
        _Pickler(stored, 5).dump((reduced.state, reduced.merge, reduced.finish))
    except Exception as e:
        raise TileFunctionError(
            f"the state of Reduced can't be stored between tiles: {e}; use numbers, lists, dicts, arrays, and classes "
            "defined at the top of the file"
        ) from e
    return stored.getvalue()


def decode(stored: bytes) -> Reduced:
    """A state from its bytes."""
    state, merge, finish = pickle.loads(stored)
    return Reduced(state, merge=merge, finish=finish)


def merged(a: bytes, b: bytes) -> bytes:
    """Two states joined, `a` that of earlier tiles. Empty bytes stand for no tile."""
    if not a or not b:
        return a or b
    earlier, later = decode(a), decode(b)
    state = earlier.merge(earlier.state, later.state)
    if state is None:
        raise TileFunctionError("merge returned None: it must return the joined state")
    return encode(Reduced(state, merge=earlier.merge, finish=earlier.finish))


def finished(state: bytes) -> str:
    """The result as JSON text; `null` when there was no tile."""
    if not state:
        return "null"
    reduced = decode(state)
    return json.dumps(_plain(reduced.finish(reduced.state)), allow_nan=False)


def _plain(value: Any) -> Any:
    """A value as JSON's types: arrays are lists, keys are texts, and a float that isn't finite is null."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        plain: dict[str, Any] = {}
        for key, item in value.items():
            if _key(key) in plain:
                raise TileFunctionError(
                    f"finish returned a dict with two keys that are {_key(key)!r} as text, as JSON's are"
                )
            plain[_key(key)] = _plain(item)
        return plain
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    raise TileFunctionError(
        f"finish returned {type(value).__name__}, which JSON can't hold: return numbers, texts, lists and dicts"
    )


def _key(key: Any) -> str:
    if isinstance(key, (bool, int, float, str, np.generic)):
        return str(key.item() if isinstance(key, np.generic) else key)
    raise TileFunctionError(f"finish returned a dict with the key {key!r}; keys are texts and numbers")
