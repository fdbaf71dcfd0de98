"""64-bit integers in the sandbox, whose numpy has 32-bit ones: there `intp`, `int_` and `int` as a type are int32.

Three layers give a program the values and types of 64-bit numpy:
- sums and products inside numpy accumulate in 64 bits (`prepare`);
- the program's own `import numpy` gives a copy of the module whose functions return int64 where 64-bit numpy does
  (`imported`);
- methods of arrays are rewritten to `method` (`_source.py`).
numpy and scipy themselves keep the 32-bit index type that their C code needs. On a 64-bit machine nothing changes.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

NARROW = np.dtype(np.intp).itemsize == 4
INTS, UINTS = ("int", "int_", "intp", "long"), ("uint", "uintp", "ulong")
INT32, INT64, UINT64 = np.dtype("int32"), np.dtype("int64"), np.dtype("uint64")

INDICES = frozenset(
    "argmax argmin argpartition argsort argwhere bincount count count_nonzero diag_indices diag_indices_from digitize "
    "flatnonzero histogram ix_ lexsort mask_indices nanargmax nanargmin nonzero ravel_multi_index searchsorted tril_indices "
    "tril_indices_from triu_indices triu_indices_from unravel_index".split()
)
"""Functions and methods whose int32 is an index or a count, whatever goes in."""
UNIQUE = frozenset("unique unique_all unique_counts unique_inverse".split())
"""Functions whose first result has the type of the input, and the others are indices or counts."""
ADDING = {"sum": 1, "prod": 1, "cumsum": 1, "cumprod": 1, "trace": 3}
"""Methods that add or multiply, and the position of their argument `dtype`."""
NAN_ADDING = {"nancumsum": 1, "nancumprod": 1, "cumulative_sum": 9, "cumulative_prod": 9}
TAKING = frozenset(["choose", "put", "repeat"])
"""Functions and methods that take no 64-bit index here."""
LISTS = {
    **dict.fromkeys(
        "convolve correlate cross dot inner kron matmul outer polyadd polymul polysub polyval tensordot trapezoid vdot "
        "vecdot".split(),
        (0, 2),
    ),
    **dict.fromkeys("diff ediff1d matrix_power piecewise ptp vander".split(), (0, 1)),
    "einsum": (1, None),
}
"""Functions that compute with lists and Python integers as they are, and the positions of the arguments that may be such."""
LAPACK = frozenset(["lstsq", "polyfit"])
"""Functions whose int32 is one on every machine."""
TYPE_AT = {
    **dict.fromkeys(
        "array asanyarray asarray ascontiguousarray asfortranarray astype empty empty_like frombuffer fromiter identity "
        "indices ones ones_like require zeros zeros_like".split(),
        1,
    ),
    **dict.fromkeys("full full_like mean nanmean nanstd nanvar std var".split(), 2),
    **{"arange": 3, "eye": 3, "geomspace": 4, "linspace": 5, "logspace": 5, "tri": 3},
}
"""Functions with an argument `dtype` and its position."""
TYPES = frozenset(["can_cast", "issubdtype", "promote_types", "result_type"])
"""Functions of types, whose every text is one."""
METHODS = frozenset([*INDICES, *ADDING, *TAKING, "accumulate", "astype", "reduce", "reduceat", "view"])
"""Names of methods that are called through `method`."""


def prepare() -> None:
    """Makes numpy's own sums and products 64 bits wide; once, before the snapshot is taken."""
    if not NARROW:
        return
    from numpy._core import _methods, fromnumeric

    def reducing(reduce: Callable[..., Any]) -> Callable[..., Any]:
        def reduction(a, axis=None, dtype=None, out=None, keepdims=False, initial=np._NoValue, where=True):  # type: ignore[no-untyped-def]
            return reduce(a, axis, _sum_type(a, dtype, out), out, keepdims, initial, where)

        return reduction

    _methods._sum, _methods._prod = reducing(np.add.reduce), reducing(np.multiply.reduce)
    inner = fromnumeric._wrapreduction

    def wrapreduction(obj, ufunc, method, axis, dtype, out, **kwargs):  # type: ignore[no-untyped-def]
        if ufunc is np.add or ufunc is np.multiply:
            dtype = _sum_type(obj, dtype, out)
        return inner(obj, ufunc, method, axis, dtype, out, **kwargs)

    fromnumeric._wrapreduction = wrapreduction
    getdata = np.ma.core.getdata

    def wide_getdata(a: Any, subok: bool = True) -> Any:
        # What meets a masked array in an operation becomes an array first.
        data = getdata(a, subok)
        return data if isinstance(a, (np.ndarray, np.generic)) or _makes_int32([a]) else _int64(data)

    np.ma.core.getdata = wide_getdata


def _sum_type(a: Any, dtype: Any = None, out: Any = None) -> Any:
    """The type in which 64-bit numpy adds: 64 bits of the same sign for narrower integers and bool."""
    if dtype is not None or out is not None:
        return _type(dtype)
    given = a.dtype if hasattr(a, "dtype") else np.asarray(a).dtype
    if given.kind in "bi" and given.itemsize < 8:
        return INT64
    return UINT64 if given.kind == "u" and given.itemsize < 8 else None


def _type(dtype: Any) -> Any:
    """A type as 64-bit numpy understands it: `int` is int64."""
    if dtype is int or (isinstance(dtype, str) and dtype in (*INTS, "l", "p")):
        return INT64
    return UINT64 if isinstance(dtype, str) and dtype in (*UINTS, "L", "P") else dtype


def _int64(value: Any) -> Any:
    """A result of type int32 as int64, and so each of a tuple or list of results."""
    if isinstance(value, (tuple, list)):
        items = [_int64(item) for item in value]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype == INT32:
        return value.astype(INT64)
    return value


def _index(value: Any) -> Any:
    """An index for functions that take none of 64 bits here; a value that doesn't fit is out of range anyway."""
    value = np.asarray(value)
    if value.dtype.kind in "iu" and value.dtype.itemsize == 8:
        return np.clip(value, -(2**31), 2**31 - 1).astype(INT32)
    return value


def _at(args: tuple[Any, ...], position: int, change: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(change(arg) if number == position else arg for number, arg in enumerate(args))


def _adding(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any], position: int) -> tuple[Any, ...]:
    """Arguments of a function that adds, with the type in which 64-bit numpy would."""
    if "dtype" in kwargs:
        kwargs["dtype"] = _type(kwargs["dtype"])
    elif len(args) <= position and kwargs.get("out") is None:
        wide = _sum_type(value)
        if wide is not None:
            kwargs["dtype"] = wide
    return _at(args, position, _type)


def method(value: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Calls a method; for arrays and ufuncs as 64-bit numpy would."""
    called = getattr(value, name)
    if not NARROW:
        return called(*args, **kwargs)
    value = value.ufunc if isinstance(value, _Arithmetic) else value
    if isinstance(value, np.ufunc):
        args = _at(args, 0, _integers) if name in ("accumulate", "reduce", "reduceat") else args
        if value in (np.add, np.multiply) and name in ("accumulate", "reduce", "reduceat") and args:
            args = _adding(args[0], args, kwargs, 3 if name == "reduceat" else 2)
        if name == "reduceat":
            args = _at(args, 1, _index)
            if "indices" in kwargs:
                kwargs["indices"] = _index(kwargs["indices"])
    elif isinstance(value, (np.ndarray, np.generic)):
        if name in ADDING:
            args = _adding(value, args, kwargs, ADDING[name])
        elif name == "choose":
            return MODULES["numpy"].choose(value, *args, **kwargs)
        elif name in TAKING:
            args = _at(args, 0, _index)
        elif name in ("astype", "view"):
            args = _at(args, 0, _type)
            if "dtype" in kwargs:
                kwargs["dtype"] = _type(kwargs["dtype"])
        elif name in INDICES:
            return _int64(called(*args, **kwargs))
    return called(*args, **kwargs)


def bound(value: Any, name: str) -> Any:
    """A method that adds, to be called later."""
    is_array = NARROW and isinstance(value, (np.ndarray, np.generic))
    return functools.partial(method, value, name) if is_array else getattr(value, name)


def _integers(value: Any) -> Any:
    """A Python integer or a list as an array of 64 bits, if it has nothing but Python's numbers."""
    if type(value) not in (int, list, tuple, range) or any(True for _ in _types([value])):
        return value
    try:
        return _int64(np.asarray(value))
    except ValueError:  # lists of different lengths
        return value


def _makes_int32(values: Any) -> bool:
    """Whether 64-bit numpy makes int32 of these arguments: one is int32, or the type is given, or 16 bits of
    both signs meet."""
    found = {str(dtype) for dtype in _types(values)}
    return "int32" in found or "given" in found or ("uint16" in found and bool(found & {"int8", "int16"}))


def _types(values: Any) -> Any:
    for value in values:
        if isinstance(value, (np.ndarray, np.generic)):
            yield value.dtype
        elif isinstance(value, (type, np.dtype)) or (
            isinstance(value, str) and value in ("int32", "i4", "<i4", "i", "intc")
        ):
            yield "given"
        elif isinstance(value, (list, tuple)):
            yield from _types(value)


def _function(module: str, name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """A function of numpy that returns int64 where 64-bit numpy does."""

    @functools.wraps(inner)
    def wide(*args: Any, **kwargs: Any) -> Any:
        args = tuple(INT64 if arg is int else arg for arg in args)
        if name in TYPE_AT:
            args = _at(args, TYPE_AT[name], _type)
        elif name in TYPES:
            args = tuple(map(_type, args))
        elif name in LISTS:
            low, high = LISTS[name]
            args = (*args[:low], *map(_integers, args[low:high]), *args[len(args) if high is None else high :])
        elif name == "apply_along_axis":
            args = _at(args, 0, _boxing)
        given = [*args, *kwargs.values()]
        if "dtype" in kwargs:
            kwargs["dtype"] = _type(kwargs["dtype"])
        if (name in ADDING or name in NAN_ADDING) and (args or "a" in kwargs):
            args = args or (kwargs.pop("a"),)
            position = 1 + ADDING[name] if name in ADDING else 1 + NAN_ADDING[name]
            args = _adding(args[0], args, kwargs, position)
        elif name in TAKING:
            args = _at(args, 0 if name == "choose" else 1, _index)
        result = inner(*args, **kwargs)
        if name in UNIQUE and isinstance(result, tuple):
            items = (result[0], *_int64(result[1:]))
            return result._make(items) if hasattr(result, "_make") else items
        if name in INDICES:
            return _int64(result)
        if name in LAPACK:
            return result
        if not _has_int32(result) or kwargs.get("out") is not None or kwargs.get("dtype") is not None:
            return result
        is_index = name == "where" and len(args) == 1
        return _int64(result) if is_index or not _makes_int32(given) else result

    wide.__tilefn_name__ = module, name  # type: ignore[attr-defined]
    for method in ("accumulate", "outer", "reduce"):  # of np.ma.add and the like
        if hasattr(inner, method):
            setattr(wide, method, getattr(inner, method))
    return wide


def _boxing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose Python integers become 64-bit ones."""

    @functools.wraps(function)
    def boxing(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return _integers(result) if type(result) is not tuple else tuple(map(_integers, result))

    return boxing


class _Vectorize(np.vectorize):
    """`np.vectorize` whose integers have 64 bits."""

    def __init__(self, pyfunc: Any = np._NoValue, otypes: Any = None, *args: Any, **kwargs: Any) -> None:
        if isinstance(otypes, str):
            otypes = otypes.translate({ord("l"): "q", ord("L"): "Q"})
        elif otypes is not None:
            otypes = [_type(dtype) for dtype in otypes]
        super().__init__(_boxing(pyfunc) if callable(pyfunc) else pyfunc, otypes, *args, **kwargs)

    def _init_stage_2(self, pyfunc: Any, *args: Any, **kwargs: Any) -> None:
        super()._init_stage_2(_boxing(pyfunc), *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*map(_integers, args), **kwargs)


def _has_int32(result: Any) -> bool:
    if isinstance(result, (tuple, list)):
        return any(_has_int32(item) for item in result)
    return isinstance(result, (np.ndarray, np.generic)) and result.dtype == INT32


class _Arithmetic:
    """A ufunc whose lists and bare Python integers have 64 bits."""

    def __init__(self, module: str, name: str, ufunc: np.ufunc) -> None:
        self._name, self.ufunc = (module, name), ufunc
        self.__doc__ = ufunc.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.ufunc(*_operands(args), **kwargs)

    def outer(self, a: Any, b: Any, /, **kwargs: Any) -> Any:
        return self.ufunc.outer(_integers(a), _integers(b), **kwargs)

    @property
    def __class__(self) -> type:
        return np.ufunc

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ufunc, name)

    def __reduce__(self) -> Any:
        from ._reduce import _named

        return _named, self._name


def _operands(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands of an operation. A Python integer takes the type of the arrays that it meets, but not bool."""
    is_bare = all(isinstance(arg, int) or str(getattr(arg, "dtype", "")) == "bool" for arg in args)
    return tuple(_integers(arg) if is_bare or type(arg) in (list, tuple) else arg for arg in args)


class _Grid:
    """`mgrid`, `ogrid`, `r_` and `c_`."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getitem__(self, key: Any) -> Any:
        result = self._inner[key]
        return result if _makes_int32(key if isinstance(key, tuple) else [key]) else _int64(result)


def _copy(module: ModuleType) -> ModuleType:
    copy = ModuleType(module.__name__)
    for name, value in vars(module).items():
        if isinstance(value, np.ufunc) and any("q" in loop.partition("->")[2] for loop in value.types):
            value = _Arithmetic(module.__name__, name, value)
        elif not name.startswith("_") and callable(value) and not isinstance(value, (type, np.ufunc)):
            value = _function(module.__name__, name, value)
        setattr(copy, name, value)
    return copy


def _modules() -> dict[str, ModuleType]:
    """The modules that a program gets in place of numpy's own."""
    if not NARROW:
        return {}
    wide = _copy(np)
    wide.ma, wide.linalg = _copy(np.ma), _copy(np.linalg)  # type: ignore[attr-defined]
    wide.vectorize = _Vectorize  # type: ignore[attr-defined]
    for name in ("mgrid", "ogrid", "r_", "c_"):
        setattr(wide, name, _Grid(getattr(np, name)))
    for name in ("int_", "intp", "long"):
        setattr(wide, name, np.int64)
    for name in ("uint", "uintp", "ulong"):
        setattr(wide, name, np.uint64)
    wide.iinfo = lambda dtype: np.iinfo(_type(dtype))  # type: ignore[attr-defined]
    return {"numpy": wide, "numpy.ma": wide.ma, "numpy.linalg": wide.linalg}  # type: ignore[attr-defined]


MODULES = _modules()


def imported(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    """`__import__` for the user's files."""
    module = builtins.__import__(name, globals, locals, fromlist, level)
    return MODULES.get(module.__name__, module)


NAMES = {
    "__builtins__": {**vars(builtins), "__import__": imported},
    "__tilefn__": method,
    "__tilefn_bound__": bound,
    "__tilefn_int__": np.int64 if NARROW else int,
}
"""Names that each of the user's files starts with."""
