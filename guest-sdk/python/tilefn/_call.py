"""The call block and the outcome, byte by byte as docs/abi.md says."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._context import BandInfo, Context, FileInfo, InputInfo, Window
from ._result import Raster
from ._signature import DTYPES, Signature

_CALL = struct.Struct("<IIQQ10I6d8I")
_PARAM = struct.Struct("<IIQII")
_INPUT = struct.Struct("<IIII")
_RASTER = struct.Struct("<IIIIIIIIII")
_BAND = struct.Struct("<QIIII")
_OUTPUT = struct.Struct("<IIII")
_OUT_RASTER = struct.Struct("<QIIIIII")
# As long as the ABI says.
assert (_CALL.size, _PARAM.size, _RASTER.size, _BAND.size, _OUT_RASTER.size) == (144, 24, 40, 24, 32)


class Memory(NamedTuple):
    """The instance's memory. Tests have another one, since their addresses are longer than 32 bits."""

    array_at: Callable[[int, tuple[int, ...], np.dtype], np.ndarray]
    """The array of this shape and type that lies at an address, without a copy."""
    address_of: Callable[[np.ndarray], int]
    """The address of an array's first item."""


class Call(NamedTuple):
    """One tile as the host gave it."""

    context: Context
    arrays: dict[str, Any]
    params: dict[str, Any]
    files: dict[str, int]
    """Number of files that the job names for each output."""
    any_dtype: np.dtype | None
    """Type of the first input that is "any"."""


def read(memory: Memory, address: int, signature: Signature) -> Call:
    """The call at an address."""
    size = int(memory.array_at(address, (1,), np.dtype("<u4"))[0])
    # Not copied: a parameter may be a file of many megabytes.
    block = memoryview(memory.array_at(address, (size,), np.dtype("u1")))
    header = _CALL.unpack_from(block)
    halo, index, count, tile_row, tile_col, tile_rows, tile_cols, row, col, rows, cols, grid_rows, grid_cols = header[1:14]
    crs, params, inputs, outputs = (header[at : at + 2] for at in (20, 22, 24, 26))
    arrays: dict[str, Any] = {}
    marked: dict[str, Any] = {}
    infos = []
    any_dtype = None
    for item, (name_at, name_len, at, number) in zip(signature.inputs, _items(block, inputs, _INPUT)):
        rasters = [_raster(memory, block, fields) for fields in _items(block, (at, number), _RASTER)]
        pairs = [(array, marks) for array, marks, _ in rasters]
        infos.append(InputInfo(_string(block, (name_at, name_len)), [info for _, _, info in rasters]))
        if item.dtype == "any" and any_dtype is None and pairs:
            any_dtype = pairs[0][0].dtype
        arrays[item.name] = [array for array, _ in pairs] if item.list else pairs[0][0] if pairs else None
        marked[item.name] = pairs if item.list else pairs[0] if pairs else None
    context = Context(
        index, count, (tile_row, tile_col), (tile_rows, tile_cols), Window(row, col, rows, cols), (grid_rows, grid_cols),
        header[14:20], _string(block, crs), halo, tuple(infos), marked,
    )  # fmt: skip
    values = {item.name: _param(block, fields) for item, fields in zip(signature.params, _items(block, params, _PARAM))}
    files = {_string(block, fields[:2]): fields[2] for fields in _items(block, outputs, _OUTPUT)}
    return Call(context, arrays, values, files, any_dtype)


def _items(block: memoryview, slice_: tuple[int, ...], item: struct.Struct) -> list[tuple[Any, ...]]:
    at, number = slice_
    return list(item.iter_unpack(block[at : at + number * item.size]))


def _string(block: memoryview, slice_: tuple[int, ...]) -> str:
    at, length = slice_
    return bytes(block[at : at + length]).decode()


def _param(block: memoryview, fields: tuple[Any, ...]) -> Any:
    kind, is_list, bits, at, number = fields
    if kind == 5:
        return bytes(block[at : at + number])
    if kind == 4:
        if not is_list:
            return _string(block, (at, number))
        return [_string(block, text) for text in _items(block, (at, number), struct.Struct("<II"))]
    code = {1: "Q", 2: "q", 3: "d"}[kind]
    stored: Any = block[at : at + 8 * number] if is_list else struct.pack("<Q", bits)
    values: list[Any] = list(struct.unpack(f"<{len(stored) // 8}{code}", stored))
    values = [bool(value) for value in values] if kind == 1 else values
    return values if is_list else values[0]


def _raster(memory: Memory, block: memoryview, fields: tuple[Any, ...]) -> tuple[np.ndarray, list[Any], FileInfo]:
    """Pixels with NaN where a float has its nodata value, the bands' nodata values, and the file."""
    number, bands, rows, cols, data, _, path_at, path_len, bands_at, bands_len = fields
    dtype = np.dtype(DTYPES[number - 1])
    array = memory.array_at(data, (bands, rows, cols), dtype)
    marks, infos = [], []
    for bits, has_nodata, _, name_at, name_len in _items(block, (bands_at, bands_len), _BAND):
        nodata = _nodata(bits, dtype) if has_nodata else None
        marks.append(nodata)
        infos.append(BandInfo(_string(block, (name_at, name_len)), nodata))
    if dtype.kind == "f":
        for pixels, nodata in zip(array, marks):
            if nodata is not None and nodata == nodata:
                pixels[pixels == dtype.type(nodata)] = np.nan
    return array, marks, FileInfo(_string(block, (path_at, path_len)), dtype.name, infos)


def _nodata(bits: int, dtype: np.dtype) -> int | float:
    return struct.unpack({"f": "<d", "i": "<q", "u": "<Q"}[dtype.kind], struct.pack("<Q", bits))[0]


def _bits(value: Any) -> int:
    return int(value) & 0xFFFF_FFFF_FFFF_FFFF


def write(memory: Memory, outputs: list[list[Raster]], state: bytes) -> tuple[int, list[np.ndarray]]:
    """An outcome's address, and the arrays that must stay alive until the host has read it."""
    alive: list[np.ndarray] = []

    def put(stored: bytes) -> int:
        # Of 8-byte items, so that structs are aligned.
        array = np.zeros(len(stored) // 8 + 1, "<u8")
        array.view("u1")[: len(stored)] = np.frombuffer(stored, "u1")
        alive.append(array)
        return memory.address_of(array)

    lists = []
    for files in outputs:
        stored = []
        for pixels, nodata in files:
            alive.append(pixels)
            has_nodata, number = nodata is not None, DTYPES.index(pixels.dtype.name) + 1
            bits = _bits(nodata) if has_nodata else 0
            stored.append(_OUT_RASTER.pack(bits, has_nodata, number, *pixels.shape, memory.address_of(pixels)))
        lists.append(struct.pack("<II", put(b"".join(stored)), len(files)))
    outcome = struct.pack("<IIII", put(b"".join(lists)), len(lists), put(state), len(state))
    return put(outcome), alive
