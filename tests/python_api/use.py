"""The package as its users write it, for a type checker: never run."""

from pathlib import Path

import numpy as np
import tilefn
from numpy.typing import NDArray


def index(red: NDArray[np.uint16], nir: NDArray[np.uint16]) -> object:
    return tilefn.Function(Path("ndvi.wasm"), nodata={"ndvi": 0})(red=red, nir=nir)


def job() -> float:
    inputs = {"red": "a.tif", "nir": {"path": "b.tif", "bands": [2]}}
    result = tilefn.run(tilefn.expression("nir - red"), inputs=inputs, outputs={"result": "out.tif"}, workers="threads:2")
    path: str = result.outputs["result"].path
    seconds: float = result.report["wall_seconds"]
    return seconds + len(path)
