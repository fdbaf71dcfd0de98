"""Mean over a moving window."""

import numpy as np
from scipy.ndimage import uniform_filter
from tilefn import param, tile_function


@tile_function(halo="radius")
def focal_mean(image: "float32", *, radius: int = param(2, min=1, max=50), ctx) -> "float32":
    """Mean of the valid pixels in a square window around each pixel. A pixel that is invalid itself stays so.

    image: Any image; each band by itself.
    radius: Pixels on each side of the middle one: 1 is a window of 3 × 3.
    """
    valid = ctx.valid("image")
    size = (0, 2 * radius + 1, 2 * radius + 1)
    # In float64, whose running sums lose nothing that a float32 shows.
    total = uniform_filter(np.where(valid, image, 0.0), size, output="float64", mode="constant")
    count = uniform_filter(valid.astype("float64"), size, mode="constant")
    return np.where(valid, total / np.maximum(count, 1e-9), np.nan)
