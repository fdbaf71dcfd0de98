"""Where a tile lies, on what grid, and what its inputs are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ._errors import TileFunctionError


class Window(NamedTuple):
    """A rectangle of the grid's pixels."""

    row: int
    col: int
    rows: int
    cols: int


class BandInfo(NamedTuple):
    """One band of a file: its description there, and its nodata value or none."""

    name: str
    nodata: int | float | None


class FileInfo(NamedTuple):
    """One file of an input: its path as in the job file, the type of the pixels, its bands."""

    path: str
    dtype: str
    bands: list[BandInfo]


class InputInfo(NamedTuple):
    """An input: its name in the job file; one file, several of a list, or none of an optional input left out."""

    name: str
    files: list[FileInfo]


@dataclass(frozen=True)
class Context:
    """A tile's place and the job around it; a function that needs it has an argument `ctx`.

    Rows and columns of pixels count as in the inputs' arrays: from the top left, halo included.
    """

    index: int
    """The tile's number, from 0, row by row from the top left. Tiles run in any order."""
    count: int
    """Tiles of the whole grid."""
    matrix: tuple[int, int]
    """The tile's `(row, col)` in the matrix of tiles."""
    matrix_size: tuple[int, int]
    """The `(rows, cols)` of that matrix."""
    window: Window
    """The tile's pixels in the grid, without the halo."""
    grid_size: tuple[int, int]
    """The `(rows, cols)` of the grid."""
    geotransform: tuple[float, float, float, float, float, float]
    """The grid's, in GDAL's order: x of the left edge, pixel width, row rotation, y of the top edge, column rotation,
    pixel height (negative when north is up)."""
    crs: str = ""
    """WKT; empty when the grid has none."""
    halo: int = 0
    """Extra pixels on each of the four sides of the inputs' arrays."""
    inputs: tuple[InputInfo, ...] = ()
    """All inputs, in the order of the arguments."""
    _arrays: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def for_test(rows: int, cols: int, **changes: Any) -> Context:
        """The context of the only tile of a grid of `rows` × `cols` pixels of size 1, its top left at (0, 0), without
        CRS; other values by name: `Context.for_test(1, 2, geotransform=(0, 10, 0, 0, 0, -10))`."""
        made = Context(0, 1, (0, 0), (1, 1), Window(0, 0, rows, cols), (rows, cols), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
        return replace(made, **changes)

    @property
    def is_first(self) -> bool:
        """Whether this is the top left tile. Tiles run in any order: it says nothing about time."""
        return self.index == 0

    @property
    def is_last(self) -> bool:
        """Whether this is the bottom right tile."""
        return self.index + 1 == self.count

    @property
    def pixel_size(self) -> tuple[float, float]:
        """The `(width, height)` of a pixel in units of the CRS, both positive."""
        return abs(self.geotransform[1]), abs(self.geotransform[5])

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The map coordinates `(x_min, y_min, x_max, y_max)` of the tile's outer edges, without the halo. Only meaningful
        in a grid that isn't rotated."""
        x0, dx, _, y0, _, dy = self.geotransform
        x = [x0 + col * dx for col in (self.window.col, self.window.col + self.window.cols)]
        y = [y0 + row * dy for row in (self.window.row, self.window.row + self.window.rows)]
        return min(x), min(y), max(x), max(y)

    def input(self, name: str) -> InputInfo:
        """The input with this name."""
        for item in self.inputs:
            if item.name == name:
                return item
        raise TileFunctionError(f"there is no input {name!r}; the inputs are: {', '.join(i.name for i in self.inputs)}")

    def valid(self, name: str) -> Any:
        """Where an input has a value: an array of bool like the input's; of a list, a list of them.

        A pixel is invalid where the file has its nodata value or NaN. Ask before you change the input's array: NaN that
        you write there are invalid too.
        """
        if name not in self._arrays:
            raise TileFunctionError(f"there is no input {name!r}; the inputs are: {', '.join(self._arrays)}")
        given = self._arrays[name]
        if given is None:
            return None
        return [_valid(*one) for one in given] if isinstance(given, list) else _valid(*given)

    def centre(self, row: Any, col: Any) -> tuple[Any, Any]:
        """The coordinates `(x, y)` of a pixel's centre; of many, when row and column are arrays."""
        x0, dx, rx, y0, ry, dy = self.geotransform
        row = row + (self.window.row - self.halo + 0.5)
        col = col + (self.window.col - self.halo + 0.5)
        return x0 + col * dx + row * rx, y0 + col * ry + row * dy

    def coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """The coordinates `(x, y)` of all pixels' centres, two arrays `[rows, cols]`, halo included. With them
        a function needs no input."""
        rows, cols = self.window.rows + 2 * self.halo, self.window.cols + 2 * self.halo
        row, col = np.mgrid[0.0:rows, 0.0:cols]
        return self.centre(row, col)

    def row_col_of(self, x: float, y: float) -> tuple[int, int] | None:
        """The `(row, col)` of the pixel that contains the point; none when it is outside the tile and its halo.

        A pixel contains its upper and left edge, not the others, so each point of the grid is in exactly one pixel,
        whatever the tiles.
        """
        x0, dx, rx, y0, ry, dy = self.geotransform
        if rx == 0 and ry == 0:
            row, col = _cell(y, y0, dy), _cell(x, x0, dx)
        else:
            determinant = dx * dy - rx * ry
            row = int(np.floor(((y - y0) * dx - (x - x0) * ry) / determinant))
            col = int(np.floor(((x - x0) * dy - (y - y0) * rx) / determinant))
        row += self.halo - self.window.row
        col += self.halo - self.window.col
        inside = 0 <= row < self.window.rows + 2 * self.halo and 0 <= col < self.window.cols + 2 * self.halo
        return (row, col) if inside else None

    def is_in_halo(self, row: Any, col: Any) -> Any:
        """Whether a pixel is part of the halo, not of the tile's window."""
        row, col = np.asarray(row) - self.halo, np.asarray(col) - self.halo
        outside = (row < 0) | (row >= self.window.rows) | (col < 0) | (col >= self.window.cols)
        return bool(outside) if outside.ndim == 0 else outside


def _cell(coordinate: float, origin: float, step: float) -> int:
    """The grid's row or column that contains a coordinate. The division can round to the neighbour; the cell's edges,
    computed as everywhere, decide."""
    guess = int(np.floor((coordinate - origin) / step))

    def is_before(cell: int) -> bool:
        edge = origin + cell * step
        return coordinate < edge if step > 0 else coordinate > edge

    return guess - 1 if is_before(guess) else guess if is_before(guess + 1) else guess + 1


def _valid(array: np.ndarray, marks: Any) -> np.ndarray:
    """Where an input's array has values: `marks` is a bool array, or a nodata value or none for each band of integers."""
    if isinstance(marks, np.ndarray):
        return marks.copy()
    if array.dtype.kind == "f":
        return ~np.isnan(array)
    valid = np.ones(array.shape, bool)
    for band, nodata in enumerate(marks):
        if nodata is not None:
            valid[band] = array[band] != nodata
    return valid
