"""The benchmark's functions as a Python user would write them: numpy, scipy, and numba for the medians.

0 is nodata in the inputs, NaN in the results. The focal ones get arrays with a halo of RADIUS and return it cut off.
"""

import numpy as np
from numba import njit
from scipy.ndimage import uniform_filter

RADIUS = 2


def ndvi(red, nir):
    with np.errstate(invalid="ignore"):
        value = (nir - red) / (nir + red)
    value[(red == 0) | (nir == 0)] = np.nan
    return value


def focal_mean(pixels):
    side = 2 * RADIUS + 1
    inner = (slice(RADIUS, -RADIUS),) * 2
    valid = pixels != 0
    sums = uniform_filter(pixels, side)[inner]
    counts = uniform_filter(valid.astype(np.float32), side)[inner]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums / counts
    mean[~valid[inner]] = np.nan
    return mean


@njit(nogil=True, cache=True)
def _median(values, count):
    """The median of the first values, which an insertion sort puts in order."""
    for i in range(1, count):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    if count == 0:
        return np.float32(np.nan)
    return (values[(count - 1) // 2] + values[count // 2]) / np.float32(2)


@njit(nogil=True, cache=True)
def cloud_free_median(dates, clouds):
    n, rows, cols = dates.shape
    out = np.empty((rows, cols), np.float32)
    values = np.empty(n, np.float32)
    for i in range(rows):
        for j in range(cols):
            count = 0
            for k in range(n):
                if dates[k, i, j] != 0 and clouds[k, i, j] == 0:
                    values[count] = dates[k, i, j]
                    count += 1
            out[i, j] = _median(values, count)
    return out


@njit(nogil=True, cache=True)
def focal_median(pixels):
    rows, cols = pixels.shape[0] - 2 * RADIUS, pixels.shape[1] - 2 * RADIUS
    out = np.empty((rows, cols), np.float32)
    values = np.empty((2 * RADIUS + 1) ** 2, np.float32)
    for i in range(rows):
        for j in range(cols):
            count = 0
            for di in range(2 * RADIUS + 1):
                for dj in range(2 * RADIUS + 1):
                    value = pixels[i + di, j + dj]
                    if value != 0:
                        values[count] = value
                        count += 1
            out[i, j] = _median(values, count)
    return out
