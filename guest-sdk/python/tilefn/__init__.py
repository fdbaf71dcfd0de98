"""Write a function over raster tiles in Python; tilefn runs it in a sandbox.

    from tilefn import tile_function

    @tile_function
    def ndvi(red: "float32", nir: "float32") -> "float32":
        return (nir - red) / (nir + red)

The guide is docs/python.md of tilefn's repository.
"""

from typing import TYPE_CHECKING

from ._context import BandInfo, Context, FileInfo, InputInfo, Window
from ._errors import TileFunctionError
from ._function import TileFunction, tile_function
from ._reduce import Reduced
from ._signature import param

if TYPE_CHECKING:
    from ._host import (
        Expression,
        Function,
        InfrastructureError,
        JobError,
        JobFileError,
        JobWarning,
        Output,
        Result,
        expression,
        plan,
        run,
    )

# Jobs, and functions in the sandbox: where the whole of tilefn is installed, and never inside the sandbox.
_HOST = {
    "Expression",
    "Function",
    "InfrastructureError",
    "JobError",
    "JobFileError",
    "JobWarning",
    "Output",
    "Result",
    "expression",
    "plan",
    "run",
}

__all__ = [
    "BandInfo",
    "Context",
    "Expression",
    "FileInfo",
    "Function",
    "InfrastructureError",
    "InputInfo",
    "JobError",
    "JobFileError",
    "JobWarning",
    "Output",
    "Reduced",
    "Result",
    "TileFunction",
    "TileFunctionError",
    "Window",
    "expression",
    "param",
    "plan",
    "run",
    "tile_function",
]


def __getattr__(name: str) -> object:
    # Looked up late, since functions don't need it and tests of them may not have it.
    if name not in _HOST:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _host

    return getattr(_host, name)
