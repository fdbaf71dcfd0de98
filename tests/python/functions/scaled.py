import numpy as np

from helpers.scaling import scale
from tilefn import tile_function

COEFFICIENTS = np.load("coefficients.npy")


@tile_function
def scaled(image: "uint8") -> "float64":
    return scale(image, COEFFICIENTS)
