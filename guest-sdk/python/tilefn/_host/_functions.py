"""Functions that are called on numpy arrays, in the sandbox."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._errors import errors
from ._native import native

EDGES = {"nodata": "constant", "reflect": "symmetric", "nearest": "edge"}
"""numpy's word for each value of a job's `grid.edge`."""


class Function:
    """A function of a module (`.wasm`) or of a Python file, in the sandbox.

    A call takes the function's inputs, by position or name, and its parameters, by name. Arrays are `[rows, cols]` or
    `[bands, rows, cols]`; a masked array's masked pixels, and NaN, are invalid. A list of arrays is an input that is a list
    of files. The result is an array as large as the inputs, a dict of them if there are several outputs, or the reduced
    result. It has two dimensions if all inputs had. An integer output with invalid pixels is a masked array.

    name: which function, if the file has several.
    include: files and folders that a Python function may read.
    edge: what its halo shows beyond the arrays: "nodata", "reflect" or "nearest", as `grid.edge` of a job.
    nodata: what an integer output has where it is invalid, a number or a dict by output.
    memory, seconds: the limits of a call; default 1 GiB and 60 s.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        include: Sequence[str | os.PathLike[str]] = (),
        edge: str = "nodata",
        nodata: float | Mapping[str, float] | None = None,
        memory: int | None = None,
        seconds: float | None = None,
    ) -> None:
        self._options = _Options(edge, nodata, memory, seconds)
        self.path = Path(path).absolute()
        self.include = tuple(Path(file).absolute() for file in include)
        with errors():
            module = native().Module(str(self.path), [str(file) for file in self.include], memory, seconds)
        self._compiled = _Compiled.of(module, name, self.path.name)

    @property
    def name(self) -> str:
        """The function's name."""
        return str(self._compiled.about["name"])

    @property
    def sha256(self) -> str:
        """The SHA-256 of the module, or of the Python file with all that it includes."""
        return str(self._compiled.sha256)

    @property
    def inputs(self) -> dict[str, str]:
        """The inputs and their types; "any": the array's own."""
        return {info["name"]: _typed(info) for info in self._compiled.about["inputs"]}

    @property
    def params(self) -> dict[str, Any]:
        """The parameters and their defaults; None: it must be given."""
        return {info["name"]: info["default"] for info in self._compiled.about["params"]}

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs and their types."""
        return {info["name"]: _typed(info) for info in self._compiled.about["outputs"]}

    @property
    def halo(self) -> int | str:
        """Pixels around a tile that it sees, or the parameter that says how many."""
        halo: int | str = self._compiled.about["halo"]
        return halo

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled.call(self._options, args, kwargs)

    def __repr__(self) -> str:
        return f"<tilefn function {self._compiled.signature()}>"

    def __reduce__(self) -> Any:
        edge, nodata, memory, seconds = self._options
        return _function, (str(self.path), self.name, self.include, edge, nodata, memory, seconds)


class Expression:
    """An expression such as `(nir - red) / (nir + red)`, called as a function: `index(nir=…, red=…)`.

    Its names are inputs where an array is given, and parameters where a number is. The language is that of `tilefn calc`.
    """

    def __init__(
        self,
        text: str,
        *,
        dtype: str | None = None,
        cast: str = "saturate",
        nodata: float | Mapping[str, float] | None = None,
    ) -> None:
        if cast not in ("saturate", "strict"):
            raise ValueError(f'cast is "saturate" or "strict", not {cast!r}')
        self.text, self.dtype, self.cast, self.nodata = text, dtype, cast, nodata
        self._compiled: dict[Any, _Compiled] = {}

    def __call__(self, **kwargs: Any) -> Any:
        inputs, params = {}, {}
        for name, value in kwargs.items():
            if np.ndim(value) == 0 and not isinstance(value, (list, tuple)):
                params[name] = value
            else:
                inputs[name] = _arrays(value)
        known = tuple(
            (
                name,
                _dtype_name(name, np.result_type(*given)),
                isinstance(kwargs[name], (list, tuple)),
                len(given),
                given[0].shape[0],
            )
            for name, given in inputs.items()
        )
        kinds = tuple((name, type(_plain(value)).__name__) for name, value in params.items())
        if (known, kinds) not in self._compiled:
            with errors():
                made = native().compile_expression(self.text, list(known), list(kinds), self.dtype, self.cast == "strict")
                module = native().Module.of_bytes(made, None, None)
            self._compiled[known, kinds] = _Compiled.of(module, None, self.text)
        compiled = self._compiled[known, kinds]
        return compiled.call(_Options("nodata", self.nodata, None, None), (), kwargs)

    def __repr__(self) -> str:
        return f"<tilefn expression {self.text.strip()!r}>"

    def __reduce__(self) -> Any:
        return _expression, (self.text, self.dtype, self.cast, self.nodata)


def expression(
    text: str,
    *,
    dtype: str | None = None,
    cast: str = "saturate",
    nodata: float | Mapping[str, float] | None = None,
) -> Expression:
    """An expression as a function. `dtype`, `cast` and `nodata` are those of `tilefn calc`."""
    return Expression(text, dtype=dtype, cast=cast, nodata=nodata)


def _function(path: str, name: str, include: Any, edge: str, nodata: Any, memory: Any, seconds: Any) -> Function:
    return Function(path, name, include=include, edge=edge, nodata=nodata, memory=memory, seconds=seconds)


def _expression(text: str, dtype: Any, cast: str, nodata: Any) -> Expression:
    return Expression(text, dtype=dtype, cast=cast, nodata=nodata)


class _Options(NamedTuple):
    edge: str
    nodata: float | Mapping[str, float] | None
    memory: int | None
    seconds: float | None


class _Compiled(NamedTuple):
    """A function that can be called."""

    function: Any
    about: dict[str, Any]
    sha256: str

    @classmethod
    def of(cls, module: Any, name: str | None, file: str) -> _Compiled:
        functions = json.loads(module.functions())
        names = [function["name"] for function in functions]
        if name is None and len(names) != 1:
            raise ValueError(f"{file} has several functions, name one of them: {', '.join(names)}")
        name = names[0] if name is None else name
        if name not in names:
            raise ValueError(f"{file} has no function {name!r}; it has {', '.join(names)}")
        return cls(module.function(name), functions[names.index(name)], module.sha256)

    def signature(self) -> str:
        given = [info["name"] for info in self.about["inputs"]]
        given += [
            f"{info['name']}={info['default']!r}" if info["default"] is not None else info["name"]
            for info in self.about["params"]
        ]
        return f"{self.about['name']}({', '.join(given)}) -> {', '.join(info['name'] for info in self.about['outputs'])}"

    def call(self, options: _Options, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        infos = self.about["inputs"]
        if len(args) > len(infos):
            raise TypeError(f"{self.signature()} takes {len(infos)} arrays by position, not {len(args)}")
        given = dict(zip([info["name"] for info in infos], args))
        for name, value in kwargs.items():
            if name in given:
                raise TypeError(f"{self.signature()}: {name} is given twice")
            given[name] = value
        params = {info["name"]: _plain(given.pop(info["name"])) for info in self.about["params"] if info["name"] in given}
        arrays = [self._input(info, given.pop(info["name"], None)) for info in infos]
        if given:
            raise TypeError(f"{self.signature()} has no argument {', '.join(given)}")
        sizes = {array.shape[1:] for several in arrays for array in several}
        if len(sizes) != 1:
            raise ValueError(
                f"{self.signature()}: the arrays have different sizes: {sorted(sizes)}"
                if sizes
                else f"{self.signature()} needs an array"
            )
        (size,) = sizes
        if 0 in size:
            # Dask asks so which type comes back.
            return np.empty(size, self.about["outputs"][0]["dtype"] if self.about["outputs"] else "uint8")
        flat = all(np.ndim(one) == 2 for value in (*args, *kwargs.values()) for one in _each(value) if np.ndim(one) >= 2)
        with errors():
            text = json.dumps(params, default=_file)
            halo = self.function.halo(text)
            passed = [[_pass(array, halo, options.edge) for array in several] for several in arrays]
            outputs, reduced = self.function.call(passed, text, size, self._nodata(options.nodata))
        made: dict[str, Any] = {}
        for info, rasters in zip(self.about["outputs"], outputs):
            shown = [_shown(raster, size, flat) for raster in rasters]
            made[info["name"]] = shown if info["list"] else shown[0]
        result = next(iter(made.values())) if len(made) == 1 else made
        if reduced is None:
            return result
        return (result, json.loads(reduced)) if made else json.loads(reduced)

    def _input(self, info: dict[str, Any], value: Any) -> list[np.ndarray]:
        name = info["name"]
        if value is None:
            if info["optional"]:
                return []
            raise TypeError(f"{self.signature()} needs the input {name}")
        if info["list"] != isinstance(value, (list, tuple)):
            raise TypeError(f"{name}: expected {'a list of arrays' if info['list'] else 'an array'}")
        arrays = _arrays(value)
        return [_typed_array(name, array, info["dtype"]) for array in arrays]

    def _nodata(self, nodata: float | Mapping[str, float] | None) -> list[tuple[str, int]]:
        if nodata is None:
            return []
        names = {info["name"]: info["dtype"] for info in self.about["outputs"]}
        given = nodata if isinstance(nodata, Mapping) else dict.fromkeys(names, nodata)
        for name in given:
            if name not in names:
                raise ValueError(f"nodata: there is no output {name!r}; there are {', '.join(names)}")
        return [
            (name, _bits(value, np.dtype(names[name]) if names[name] != "any" else np.asarray(value).dtype))
            for name, value in given.items()
        ]


def _typed(info: dict[str, Any]) -> str:
    return f"list[{info['dtype']}]" if info["list"] else str(info["dtype"])


def _file(value: Any) -> dict[str, str]:
    """Bytes as a file's, which are a parameter's value."""
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError(f"a parameter is no {type(value).__name__}")
    return {"file": "", "content": base64.b64encode(value).decode()}


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _arrays(value: Any) -> list[np.ndarray]:
    """Arrays of three dimensions."""
    arrays = []
    for one in _each(value):
        array = np.ma.asanyarray(one) if isinstance(one, np.ma.MaskedArray) else np.asarray(one)
        if array.ndim not in (2, 3):
            raise ValueError(f"an array is [rows, cols] or [bands, rows, cols], not of {array.ndim} dimensions")
        arrays.append(array if array.ndim == 3 else array[np.newaxis])
    if not arrays:
        raise ValueError("an empty list of arrays")
    return arrays


def _dtype_name(name: str, dtype: np.dtype) -> str:
    if dtype.kind == "b":
        return "uint8"
    known = (np.dtype(word) for word in "uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64".split())
    if dtype.newbyteorder("=") not in known:
        raise TypeError(f"{name}: pixels can't be of the type {dtype}")
    return dtype.newbyteorder("=").name


def _typed_array(name: str, array: np.ndarray, wanted: str) -> np.ndarray:
    """The array in the type that the function wants. No value changes but by the rounding of floats."""
    dtype = np.dtype(_dtype_name(name, array.dtype) if wanted == "any" else wanted)
    if array.dtype == dtype:
        return array
    _dtype_name(name, array.dtype)
    if dtype.kind in "iu":
        if array.dtype.kind == "f":
            raise TypeError(
                f"{name}: the function takes {dtype}, not {array.dtype}; "
                f"convert it as you mean it: .round().astype({dtype.name!r})"
            )
        info = np.iinfo(dtype)
        if array.size and not np.can_cast(array.dtype, dtype) and (array.min() < info.min or array.max() > info.max):
            raise ValueError(
                f"{name}: the function takes {dtype}, which doesn't hold the numbers {array.min()} to {array.max()}"
            )
    return array.astype(dtype)


def _pass(array: np.ndarray, halo: int, edge: str) -> tuple[np.ndarray, str, int, int | None]:
    """An array as the compiled part takes it: bytes, type, bands, nodata."""
    if edge not in EDGES:
        raise ValueError(f"edge is one of {', '.join(EDGES)}, not {edge!r}")
    mask = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    pixels, gaps = np.asarray(array), edge == "nodata" and halo > 0
    nodata: Any = None
    if (mask is not None and mask.any()) or gaps:
        nodata = np.nan if pixels.dtype.kind == "f" else _unused(pixels if mask is None else pixels[~mask])
        if mask is not None:
            pixels = np.where(mask, pixels.dtype.type(nodata), pixels)
    if halo:
        widths = ((0, 0), (halo, halo), (halo, halo))
        pixels = np.pad(pixels, widths, constant_values=nodata) if gaps else np.pad(pixels, widths, mode=EDGES[edge])  # type: ignore[call-overload]
    pixels = np.ascontiguousarray(pixels)
    bits = None if nodata is None else _bits(nodata, pixels.dtype)
    return pixels.reshape(-1).view(np.uint8), pixels.dtype.name, pixels.shape[0], bits


def _unused(pixels: np.ndarray) -> int:
    """A number that no pixel has."""
    info = np.iinfo(pixels.dtype)
    if not pixels.size or pixels.max() < info.max:
        return int(info.max)
    if pixels.min() > info.min:
        return int(info.min)
    used = np.unique(pixels).astype(object)
    for before, after in pairwise(used):
        if after - before > 1:
            return int(before) + 1
    raise ValueError(f"every number of {pixels.dtype} is a pixel, so that none can mark the invalid ones; use a larger type")


def _bits(value: float, dtype: np.dtype) -> int:
    """A nodata value as the ABI encodes it: a float's bits in 64, or an integer extended to 64."""
    if dtype.kind == "f":
        return int(np.float64(dtype.type(value)).view(np.uint64))
    info = np.iinfo(dtype)
    if value != int(value) or not info.min <= value <= info.max:
        raise ValueError(f"nodata {value} is no {dtype}")
    return int(value) & (2**64 - 1)


def _shown(raster: tuple[np.ndarray, str, int, int | None], size: tuple[int, int], flat: bool) -> np.ndarray:
    pixels, dtype, bands, nodata = raster
    array: np.ndarray = pixels.view(dtype).reshape(bands, *size)
    if flat and bands == 1:
        array = array[0]
    if nodata is None or array.dtype.kind == "f":
        return array
    value = np.array(nodata, np.uint64).astype(array.dtype)
    return np.ma.masked_equal(array, value, copy=False) if (array == value).any() else array
