"""Normalised difference vegetation index."""

from tilefn import tile_function


@tile_function
def ndvi(red: "float32", nir: "float32") -> "float32":
    """Normalised difference vegetation index: (nir - red) / (nir + red), from -1 to 1; vegetation is above about 0.3.

    red: Reflectance or counts of the red band.
    nir: The same of the near infrared band.
    """
    return (nir - red) / (nir + red)
