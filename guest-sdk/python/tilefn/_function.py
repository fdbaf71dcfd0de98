"""`@tile_function`: a function with a checked signature, for the host and for tests."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ._context import Context
from ._errors import TileFunctionError
from ._result import Raster, Size, rasters, split
from ._signature import Input, Signature, check_param, place, read


class TileFunction:
    """A tile function. A call takes arrays and parameters, and returns what a run would write for one tile."""

    def __init__(self, function: FunctionType, halo: Any, nodata: Any) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.signature: Signature = read(function, halo, nodata)
        self.place = f"{place(function)}: {function.__name__}"

    def __repr__(self) -> str:
        return f"<tile function {self.signature.name}>"

    def run(self, inputs: dict[str, Any], params: dict[str, Any], context: Context) -> Any:
        """Calls the function itself with arguments that are ready."""
        given = {**inputs, **params}
        if self.signature.context:
            given[self.signature.context] = context
        positional = [given[name] for name, by_keyword in self.signature.arguments if not by_keyword]
        keywords = {name: given[name] for name, by_keyword in self.signature.arguments if by_keyword}
        return self.function(*positional, **keywords)

    def results(
        self, returned: Any, any_dtype: np.dtype | None, files: dict[str, int] | None, size: Size
    ) -> tuple[dict[str, list[Raster]], Any]:
        """A result as rasters for each output, and the accumulated part. `files` has the number that the job names."""
        values, reduced = split(self.signature, returned)
        made = {}
        for output in self.signature.outputs:
            count = None if files is None else files[output.name]
            if count == 0:  # the job leaves it out
                made[output.name] = []
                continue
            dtype = any_dtype if output.dtype == "any" else np.dtype(output.dtype)
            if dtype is None:
                raise TileFunctionError(f'output {output.name!r} is "any", but the input that has the type is left out')
            made[output.name] = rasters(output, dtype, values[output.name], count, size)
        return made, reduced

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """For tests: arrays are `[bands, rows, cols]` or `[rows, cols]`, with the halo, and may be masked. The result is
        without halo, in the announced types, masked where an integer output is invalid."""
        context, given, params = self._arguments(args, kwargs)
        arrays: dict[str, Any] = {}
        masks: dict[str, Any] = {}
        for item in self.signature.inputs:
            arrays[item.name], masks[item.name] = _input(item, given.get(item.name))
        halo = self.signature.halo
        halo = params[halo] if isinstance(halo, str) else halo
        any_dtype, shape = None, None
        for item in self.signature.inputs:
            for array in _each(arrays[item.name]):
                if shape is not None and array.shape[1:] != shape:
                    raise TileFunctionError(
                        f"input {item.name!r} has {array.shape[1]} × {array.shape[2]} pixels, "
                        f"the one before {shape[0]} × {shape[1]}"
                    )
                shape = array.shape[1:]
                if item.dtype == "any" and any_dtype is None:
                    any_dtype = array.dtype
        if shape is None and context is not None:
            halo = context.halo
            shape = (context.window.rows + 2 * halo, context.window.cols + 2 * halo)
        if shape is None:
            raise TileFunctionError(f"{self.signature.name}() needs the array of an input, or a context")
        size = Size(shape[0] - 2 * halo, shape[1] - 2 * halo, halo)
        if min(size[:2]) < 1:
            raise TileFunctionError(f"{shape[0]} × {shape[1]} pixels with a halo of {halo} on each side leave no tile")
        if context is None:
            context = Context.for_test(size.rows, size.cols, halo=halo)
        elif (context.window.rows, context.window.cols, context.halo) != size:
            raise TileFunctionError(
                f"the context is of {context.window.rows} × {context.window.cols} pixels with a halo of "
                f"{context.halo}, the arrays are of {size.rows} × {size.cols} with {halo}"
            )
        for name, array in arrays.items():
            pairs = list(zip(_each(array), _each(masks[name])))
            context._arrays[name] = pairs if isinstance(array, list) else pairs[0] if pairs else None
        made, reduced = self.results(self.run(arrays, params, context), any_dtype, None, size)
        values = {}
        for output in self.signature.outputs:
            shown = [_shown(raster) for raster in made[output.name]]
            values[output.name] = shown if output.list else shown[0]
        result = values[self.signature.outputs[0].name] if self.signature.returns == "one" else values
        if not self.signature.reduce:
            return result
        return reduced if self.signature.returns == "none" else (result, reduced)

    def _arguments(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Context | None, dict[str, Any], dict[str, Any]]:
        names = [item.name for item in self.signature.inputs]
        context = kwargs.pop(self.signature.context, None) if self.signature.context else None
        given: dict[str, Any] = {}
        for value in args:
            if isinstance(value, Context):
                context = value
            elif len(given) < len(names):
                given[names[len(given)]] = value
            else:
                raise TypeError(f"{self.signature.name}() takes {len(names)} arrays; parameters are given by name")
        params = {}
        for item in self.signature.params:
            value = kwargs.pop(item.name, item.default)
            if value is None:
                raise TypeError(f"{self.signature.name}() needs the parameter {item.name}")
            params[item.name] = check_param(item, value)
        for name, value in kwargs.items():
            if name not in names:
                raise TypeError(f"{self.signature.name}() has no argument {name!r}")
            given[name] = value
        for item in self.signature.inputs:
            if given.get(item.name) is None and not item.optional:
                raise TypeError(f"{self.signature.name}() needs the input {item.name}")
        return context, given, params


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _shown(raster: Raster) -> np.ndarray:
    if raster.nodata is None:
        return raster.pixels
    return np.ma.masked_equal(raster.pixels, raster.nodata)


def _input(item: Input, value: Any) -> tuple[Any, Any]:
    """An input's array or arrays as a run passes them, and where they are valid."""
    if value is None:
        return None, None
    if item.list:
        pairs = [_array(item, one) for one in value]
        return [array for array, _ in pairs], [valid for _, valid in pairs]
    return _array(item, value)


def _array(item: Input, value: Any) -> tuple[np.ndarray, np.ndarray]:
    value = np.asanyarray(value)
    value = value[np.newaxis] if value.ndim == 2 else value
    if value.ndim != 3:
        raise TileFunctionError(
            f"input {item.name!r} has the shape {value.shape}; it is [bands, rows, cols] or [rows, cols]"
        )
    valid, data = ~np.ma.getmaskarray(value), np.ma.getdata(value)
    if data.dtype.kind == "f":
        valid &= ~np.isnan(data)
        data = np.where(valid, data, np.array(0, data.dtype))
    array = np.array(data, dtype=None if item.dtype == "any" else item.dtype, order="C")
    if array.dtype.kind == "f":
        array[~valid] = np.nan
    return array, valid


def tile_function(function: Callable[..., Any] | None = None, *, halo: int | str = 0, nodata: Any = None) -> Any:
    """Makes a function one that tilefn runs over rasters.

    `halo` is the number of extra pixels around each tile, or the name of the parameter that has it. `nodata` is the nodata
    value of the output's file, or a dict with one for each output.
    """
    if function is None:
        return lambda function: tile_function(function, halo=halo, nodata=nodata)
    if not isinstance(function, FunctionType):
        raise TileFunctionError(f"@tile_function belongs above a def, not above {type(function).__name__}")
    if function.__name__ == "<lambda>":
        raise TileFunctionError(f"{place(function)}: a lambda has no types: write a def")
    return TileFunction(function, halo, nodata)
