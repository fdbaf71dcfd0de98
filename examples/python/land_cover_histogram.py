"""How much there is of each class."""

from collections import Counter

import numpy as np
from tilefn import Reduced, tile_function


@tile_function
def land_cover_histogram(classes: "any", ctx) -> Reduced:
    """Counts the pixels of each class: their number, area in square units of the map, and share of all valid pixels.

    classes: A raster of classes, of any integer type; all its bands count.
    """
    if classes.dtype.kind not in "iu":
        raise ValueError(f"classes are integers; this raster is {classes.dtype}")
    width, height = ctx.pixel_size
    found, pixels = np.unique(classes[ctx.valid("classes")], return_counts=True)

    def table(counts):
        total = sum(counts.values())
        return [
            {"class": value, "pixels": count, "area": count * width * height, "share": count / total}
            for value, count in sorted(counts.items())
        ]

    return Reduced(Counter(dict(zip(found.tolist(), pixels.tolist()))), finish=table)
