"""Median over a moving window, with scipy."""

import numpy as np
from scipy.ndimage import median_filter
from tilefn import tile_function


@tile_function(halo=2)
def focal_median(image: "float32", *, ctx) -> "float32":
    """Median of the 5 x 5 pixels around each; an invalid one counts as 0."""
    valid = ctx.valid("image")
    return np.where(valid, median_filter(np.where(valid, image, np.float32(0)), size=(1, 5, 5)), np.nan)
