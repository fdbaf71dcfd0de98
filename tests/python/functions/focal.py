import numpy as np
from scipy import ndimage

from tilefn import Reduced, tile_function


@tile_function(halo=2)
def highest(image: "int16") -> "int16":
    """The highest of the 25 pixels around each."""
    return ndimage.maximum_filter(image, size=(1, 5, 5), mode="nearest")[:, 2:-2, 2:-2]


@tile_function
def totals(image: "uint16", *, factor: int = 1) -> ("uint16", Reduced):
    """The image as it is, and its sum and count, which 32 bits don't hold."""
    part = {"sum": int(image.sum()) * factor, "count": image.size}
    return image, Reduced(part, merge=lambda a, b: {key: a[key] + b[key] for key in a})
