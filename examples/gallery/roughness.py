"""Roughness of a terrain model."""

from scipy.ndimage import maximum_filter, minimum_filter
from tilefn import tile_function


@tile_function(halo=1)
def roughness(dem: "float32") -> "float32":
    """Highest minus lowest of 3 × 3 heights; the terrain's edge has none.

    dem: Heights.
    """
    window = (1, 3, 3)
    return maximum_filter(dem, size=window) - minimum_filter(dem, size=window)
