"""Tasselled cap transformation of a Landsat-7 scene."""

import numpy as np
from tilefn import tile_function

# Weights of ETM+ bands 1 to 5 and 7 for at-satellite reflectance (Huang et al. 2002, International Journal of Remote
# Sensing 23, 1741-1748).
BRIGHTNESS = [0.3561, 0.3972, 0.3904, 0.6966, 0.2286, 0.1596]
GREENNESS = [-0.3344, -0.3544, -0.4556, 0.6966, -0.0242, -0.2630]
WETNESS = [0.2626, 0.2141, 0.0926, 0.0656, -0.7629, -0.5388]


@tile_function
def tasselled_cap(scene: "float32") -> "float32":
    """Brightness, greenness and wetness, a band each. Invalid where one of the six bands is.

    scene: The six reflective bands, in the order 1, 2, 3, 4, 5, 7.
    """
    if len(scene) != 6:
        raise ValueError(f"the scene has {len(scene)} bands; needed are six: 1, 2, 3, 4, 5, 7")
    # Sums of products, not a matrix product: that one's last digits depend on the machine.
    return np.stack([sum(w * band for w, band in zip(weights, scene)) for weights in (BRIGHTNESS, GREENNESS, WETNESS)])
