"""Texture of a band."""

import numpy as np
from scipy.ndimage import correlate1d
from tilefn import param, tile_function


@tile_function(halo="radius")
def texture(band: "float32", *, radius: int = param(2, min=1, max=50)) -> "float32":
    """Standard deviation within a square window.

    band: Any band.
    radius: Of the window, in pixels.
    """
    part = np.full(2 * radius + 1, 1 / (2 * radius + 1))

    def mean(values):
        return correlate1d(correlate1d(values, part, axis=1), part, axis=2)

    values = band.astype("float64")
    # Rounding may leave less than nothing where all pixels are the same.
    return np.sqrt(np.maximum(mean(values**2) - mean(values) ** 2, 0))
