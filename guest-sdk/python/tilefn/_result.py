"""A function's result as rasters: the announced types, the tile's size, a value that marks invalid pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._errors import TileFunctionError
from ._reduce import Reduced
from ._signature import Output, Signature


class Raster(NamedTuple):
    """Pixels `[bands, rows, cols]` of an output file, C-contiguous; `nodata` marks invalid ones, if there are any."""

    pixels: np.ndarray
    nodata: Any


class Size(NamedTuple):
    """A tile's size without halo, and the halo."""

    rows: int
    cols: int
    halo: int


def split(signature: Signature, returned: Any) -> tuple[dict[str, Any], Reduced | None]:
    """A result as a value for each output, and the accumulated part."""
    reduced = None
    if signature.reduce:
        if signature.returns != "none":
            if not isinstance(returned, tuple) or len(returned) != 2:
                raise TileFunctionError(
                    f"the function returned {_what(returned)}; announced are outputs and a Reduced: "
                    "return pixels, Reduced(…)"
                )
            returned, reduced = returned
        else:
            returned, reduced = {}, returned
        if not isinstance(reduced, Reduced):
            raise TileFunctionError(f"the function returned {_what(reduced)} where a Reduced is announced")
        if signature.returns == "none":
            return {}, reduced
    if returned is None:
        raise TileFunctionError("the function returned None: is a return missing?")
    names = [output.name for output in signature.outputs]
    if signature.returns == "one":
        return {names[0]: returned}, reduced
    if not isinstance(returned, dict):
        raise TileFunctionError(f"the function returned {_what(returned)}; announced is a dict of {', '.join(names)}")
    for name in names:
        if name not in returned:
            raise TileFunctionError(f"the function returned a dict without the output {name!r}")
    for name in returned:
        if name not in names:
            raise TileFunctionError(f"the function returned {name!r}, which is no output: they are {', '.join(names)}")
    return returned, reduced


def rasters(output: Output, dtype: np.dtype, returned: Any, files: int | None, size: Size) -> list[Raster]:
    """An output's value as a raster for each of the job's files; `files` is none where there is no job."""
    if output.list and not isinstance(returned, (list, tuple)):
        raise TileFunctionError(f"output {output.name!r}: the function returned {_what(returned)} where a list is announced")
    values = returned if output.list else [returned]
    if files is not None and len(values) != files:
        raise TileFunctionError(
            f"output {output.name!r}: the function returned {len(values)} arrays, the job names {files} files"
        )
    return [_raster(output, dtype, value, size) for value in values]


def _what(value: Any) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__


def _raster(output: Output, dtype: np.dtype, value: Any, size: Size) -> Raster:
    def wrong(text: str) -> TileFunctionError:
        return TileFunctionError(f"output {output.name!r}: {text}")

    if not isinstance(value, np.ndarray):
        raise wrong(f"the function returned {_what(value)}, not a numpy array")
    if value.ndim == 2:
        value = value[np.newaxis]
    if value.ndim != 3 or value.shape[0] == 0:
        raise wrong(f"the function returned an array of shape {value.shape}; it is [bands, rows, cols] or [rows, cols]")
    value = _without_halo(value, size, wrong)
    mask = None
    if isinstance(value, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(value)
        value = value.data
        if not mask.any():
            mask = None
    pixels = np.ascontiguousarray(_converted(value, mask, dtype, wrong))
    if mask is None:
        return Raster(pixels, None)
    if pixels is value or pixels.base is not None:
        pixels = pixels.copy()
    mark = np.nan if dtype.kind == "f" else _unused(pixels[~mask], dtype, output.nodata, wrong)
    pixels[mask] = mark
    return Raster(pixels, None if dtype.kind == "f" else mark)


def _without_halo(value: np.ndarray, size: Size, wrong: Any) -> np.ndarray:
    """The tile's part of an array that may have the halo."""
    wanted, halo = (size.rows, size.cols), size.halo
    if value.shape[1:] == wanted:
        return value
    if value.shape[1:] == (size.rows + 2 * halo, size.cols + 2 * halo):
        return value[:, halo : halo + size.rows, halo : halo + size.cols]
    with_halo = f", or {size.rows + 2 * halo} × {size.cols + 2 * halo} with its halo" if halo else ""
    raise wrong(
        f"the function returned {value.shape[1]} × {value.shape[2]} pixels, "
        f"the tile has {size.rows} × {size.cols}{with_halo}"
    )


def _converted(value: np.ndarray, mask: np.ndarray | None, dtype: np.dtype, wrong: Any) -> np.ndarray:
    """Pixels in the announced type, where no valid one loses more than a float's digits."""
    if value.dtype == dtype or np.can_cast(value.dtype, dtype, "safe"):
        return value.astype(dtype, copy=False)
    if dtype.kind == "f" and value.dtype.kind in "iuf":
        return value.astype(dtype)
    if dtype.kind in "iu" and value.dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        valid = value if mask is None else value[~mask]
        if valid.size and not (low <= int(valid.min()) and int(valid.max()) <= high):
            least, most = int(valid.min()), int(valid.max())
            raise wrong(
                f"the function returned {value.dtype} with the value {most if most > high else least}, "
                f"which {dtype} can't hold; announce a wider type"
            )
        return value.astype(dtype)
    raise wrong(f'the function returned {value.dtype}, announced is {dtype}; convert it: .astype("{dtype}")')


def _unused(valid: np.ndarray, dtype: np.dtype, declared: Any, wrong: Any) -> int:
    """A value that no valid pixel has: the declared nodata value, an end of the type's range, or any other."""
    info = np.iinfo(dtype)
    ends = [info.min, info.max] if dtype.kind == "i" else [info.max, info.min]
    for candidate in ends if declared is None else [declared, *ends]:
        # The declared value of an output of type "any" may not be one of this type.
        if info.min <= candidate <= info.max and candidate == int(candidate) and not (valid == candidate).any():
            return int(candidate)
    # Sorted distinct values: the first gap between two of them.
    values = np.unique(valid)
    gaps = np.flatnonzero(values[1:] != values[:-1] + values.dtype.type(1))
    if not gaps.size:
        raise wrong(f"every value of {dtype} is a valid pixel, so none is left to mark invalid ones; announce a wider type")
    return int(values[gaps[0]]) + 1
