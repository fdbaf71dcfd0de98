"""Normalised difference vegetation index."""

from tilefn import tile_function


@tile_function
def ndvi(red: "float32", nir: "float32") -> "float32":
    return (nir - red) / (nir + red)
