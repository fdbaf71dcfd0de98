"""A scene, a module and a Python function for the tests of Python's package."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def ndvi_wasm(tmp_path_factory) -> Path:
    """A module: an expression as `tilefn build` writes it."""
    path = tmp_path_factory.mktemp("module") / "ndvi.wasm"
    command = ["tilefn", "build", "-q", "--expression", "(nir - red) / (nir + red + k)", "--param", "k=0.0"]
    subprocess.run([*command, "-i", "red:uint16", "-i", "nir:uint16", "-o", path], check=True)
    return path


@pytest.fixture
def bands() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {name: random.integers(1, 10_000, (300, 400), dtype=np.uint16) for name in ("red", "nir")}


@pytest.fixture
def scene(bands, tmp_path, monkeypatch) -> Path:
    """The bands as a file, in the folder where the test runs."""
    monkeypatch.chdir(tmp_path)
    rows, cols = bands["red"].shape
    profile = {"driver": "GTiff", "height": rows, "width": cols, "count": 2, "dtype": "uint16", "nodata": 0}
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_000_000, 10, 10)}
    with rasterio.open("scene.tif", "w", **profile, **place) as file:
        file.write(bands["red"], 1)
        file.write(bands["nir"], 2)
    return tmp_path / "scene.tif"


def ndvi_of(red: np.ndarray, nir: np.ndarray) -> np.ndarray:
    red, nir = red.astype("float32"), nir.astype("float32")
    return (nir - red) / (nir + red)
