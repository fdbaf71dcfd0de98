"""Relative height: ridges above, valleys below the terrain around them."""

import numpy as np
from scipy.ndimage import correlate1d
from tilefn import param, tile_function


@tile_function(halo="radius")
def relative_height(dem: "float32", *, radius: int = param(10, min=1, max=100)) -> "float32":
    """Height minus the mean height of the square window around it. Invalid where one of its pixels is.

    dem: Heights.
    radius: Of the window, in pixels.
    """
    part = np.full(2 * radius + 1, 1 / (2 * radius + 1))
    # Sums of many heights need more digits than the heights themselves. Unlike `uniform_filter`, this one keeps NaN
    # within its window.
    mean = correlate1d(correlate1d(dem.astype("float64"), part, axis=1), part, axis=2)
    return dem - mean
