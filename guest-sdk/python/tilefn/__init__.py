"""Write a function over raster tiles in Python; tilefn runs it in a sandbox.

    from tilefn import tile_function

    @tile_function
    def ndvi(red: "float32", nir: "float32") -> "float32":
        return (nir - red) / (nir + red)

The guide is docs/python.md of tilefn's repository.
"""

from ._context import BandInfo, Context, FileInfo, InputInfo, Window
from ._errors import TileFunctionError
from ._function import TileFunction, tile_function
from ._reduce import Reduced
from ._signature import param

__all__ = [
    "BandInfo",
    "Context",
    "FileInfo",
    "InputInfo",
    "Reduced",
    "TileFunction",
    "TileFunctionError",
    "Window",
    "param",
    "tile_function",
]
