"""A host for tests: makes bundles and call blocks as docs/abi.md says, and reads outcomes, all in numpy arrays."""

from __future__ import annotations

import json
import struct

import numpy as np
from tilefn import _call, _program, _shim, _source

NUMBERS = {name: at + 1 for at, name in enumerate(
    ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)}  # fmt: skip


def bundle(files: dict[str, bytes | str], program: str = "f.py") -> bytes:
    contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    listed = [{"path": path, "bytes": len(content)} for path, content in contents.items()]
    header = json.dumps({"program": program, "files": listed}).encode()
    return b"tilefn-bundle-1\n" + struct.pack("<I", len(header)) + header + b"".join(contents.values())


class Block:
    """Bytes with slices of items, and the call at their beginning."""

    def __init__(self) -> None:
        self.bytes = bytearray(144)

    def put(self, stored: bytes, count: int) -> tuple[int, int]:
        self.bytes += bytes(-len(self.bytes) % 16)
        self.bytes += stored
        return len(self.bytes) - len(stored), count

    def text(self, text: str) -> tuple[int, int]:
        return self.put(text.encode(), len(text.encode()))


def bits(value, dtype) -> int:
    if np.dtype(dtype).kind == "f":
        return struct.unpack("<Q", struct.pack("<d", value))[0]
    return int(value) & 0xFFFF_FFFF_FFFF_FFFF


class Host:
    """Natively: the shim's `_host`, its memory, and what it was told."""

    def __init__(self, files, program: str = "f.py") -> None:
        self.bundle = bundle(files if isinstance(files, dict) else {program: files}, program)
        self.told: list[tuple[str, bytes]] = []
        self.memory: dict[int, np.ndarray] = {}
        _shim._host, _shim.memory = self, _call.Memory(self.array_at, self.address_of)
        _shim._loaded = None
        _shim.load()

    # What the shim calls.
    def call(self, request: bytes) -> bytes:
        kind, text = request[:1].decode(), bytes(request[1:])
        self.told.append((kind, text))
        return self.bundle if kind == "B" else b""

    def address_of(self, array: np.ndarray) -> int:
        address = 4096 * (len(self.memory) + 1)
        self.memory[address] = array
        return address

    def array_at(self, address, shape, dtype) -> np.ndarray:
        stored = self.memory[address].reshape(-1).view("u1")
        return stored[: int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)

    # What the host does.
    def last(self, kind: str) -> str:
        assert self.told[-1][0] == kind, self.told[-1]
        return self.told[-1][1].decode()

    def describe(self):
        _shim.describe()
        return json.loads(self.last("D"))

    def process(self, name, inputs, params=(), outputs=(), halo=0, place=(0, 0), grid=None, path="a.tif", size=None):
        """`inputs`: lists of `(array, [nodata of each band])`; `outputs`: `(name, files)`. The outcome as `outcome` says."""
        block = Block()
        stored_inputs, (rows, cols) = [], size or (None, None)
        for rasters in inputs:
            stored = []
            for array, nodata in rasters:
                array = np.array(array, order="C", ndmin=3)
                rows, cols = array.shape[1] - 2 * halo, array.shape[2] - 2 * halo
                bands = b"".join(
                    struct.pack(
                        "<QIIII",
                        0 if value is None else bits(value, array.dtype),
                        value is not None,
                        0,
                        *block.text(f"band {band}"),
                    )
                    for band, value in enumerate(nodata)
                )
                bands = block.put(bands, len(nodata))
                stored.append(
                    struct.pack(
                        "<10I", NUMBERS[array.dtype.name], *array.shape, self.address_of(array), 0, *block.text(path), *bands
                    )
                )
            stored_inputs.append(struct.pack("<4I", *block.text("named"), *block.put(b"".join(stored), len(stored))))
        stored_params = [self._param(block, value) for value in params]
        stored_outputs = [struct.pack("<4I", *block.text(name), files, 0) for name, files in outputs]
        crs = block.text("EPSG:32755")
        slices = [block.put(b"".join(items), len(items)) for items in (stored_params, stored_inputs, stored_outputs)]
        (row, col), (grid_rows, grid_cols) = place, grid or (rows, cols)
        struct.pack_into(
            "<IIQQ10I6d8I",
            block.bytes,
            0,
            len(block.bytes),
            halo,
            3,
            12,
            1,
            0,
            4,
            3,
            row,
            col,
            rows,
            cols,
            grid_rows,
            grid_cols,
            500.0,
            10.0,
            0.0,
            8000.0,
            0.0,
            -10.0,
            *crs,
            *(at for s in slices for at in s),
        )
        address = self.address_of(np.frombuffer(bytes(block.bytes), "u1").copy())
        _shim.process(name, address)
        return self.outcome()

    def _param(self, block, value) -> bytes:
        values = value if isinstance(value, list) else [value]
        kind = 1 if isinstance(values[0], bool) else {int: 2, float: 3, str: 4, bytes: 5}[type(values[0])]
        if kind == 4 and not isinstance(value, list):
            return struct.pack("<IIQII", 4, 0, 0, *block.text(value))
        if isinstance(value, bytes):
            return struct.pack("<IIQII", 5, 0, 0, *block.put(value, len(value)))
        if kind == 4:
            items = block.put(b"".join(struct.pack("<II", *block.text(text)) for text in values), len(values))
        elif isinstance(value, list):
            items = block.put(b"".join(struct.pack("<d" if kind == 3 else "<q", v) for v in values), len(values))
        else:
            return struct.pack("<IIQII", kind, 0, bits(value, "f8" if kind == 3 else "i8"), 0, 0)
        return struct.pack("<IIQII", kind, 1, 0, *items)

    def outcome(self):
        """`(outputs, state)`: of each output its rasters as `(array, nodata or None)`."""
        assert self.told[-1][0] == "O", self.told[-1]
        (address,) = struct.unpack("<I", self.told[-1][1])
        lists, count, state, state_len = struct.unpack("<4I", self.memory[address].tobytes()[:16])
        outputs = []
        for at, number in struct.iter_unpack("<II", self.memory[lists].tobytes()[: 8 * count]):
            rasters = []
            for item in struct.iter_unpack("<Q6I", self.memory[at].tobytes()[: 32 * number]):
                nodata, has_nodata, dtype, bands, rows, cols, data = item
                array = self.memory[data]
                assert array.shape == (bands, rows, cols) and NUMBERS[array.dtype.name] == dtype
                assert array.flags.c_contiguous
                if has_nodata:
                    nodata = struct.unpack({"i": "<q", "u": "<Q"}[array.dtype.kind], struct.pack("<Q", nodata))[0]
                rasters.append((array, nodata if has_nodata else None))
            outputs.append(rasters)
        return outputs, self.memory[state].tobytes()[:state_len]

    def merge(self, name, a: bytes, b: bytes) -> bytes:
        _shim.merge(name, *self._state(a), *self._state(b))
        return self.outcome()[1]

    def finish(self, name, state: bytes):
        _shim.finish(name, *self._state(state))
        return json.loads(self.outcome()[1])

    def _state(self, state: bytes) -> tuple[int, int]:
        return (self.address_of(np.frombuffer(state, "u1").copy()) if state else 0), len(state)


def forget() -> None:
    """Takes back what a program left in this process."""
    import sys

    _source.NOTES.clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _program.Finder)]
    for name in ("f", "helper", "package", "package.inner", "numba"):
        sys.modules.pop(name, None)
