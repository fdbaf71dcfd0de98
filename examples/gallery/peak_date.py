"""When plants were greenest."""

import numpy as np
from tilefn import tile_function


@tile_function(nodata=0)
def peak_date(red: "float32", nir: "float32", scl: "uint8") -> "uint16":
    """Number of the clear date, from 1, with the highest NDVI; 0 where no date is clear.

    red: The red band, a band for each date.
    nir: The near infrared band, a band for each date.
    scl: Sentinel-2's scene classes, a band for each date.
    """
    clear = np.isin(scl, [4, 5, 6]) & np.isfinite(red + nir)
    ndvi = np.where(clear, (nir - red) / np.where(clear, nir + red, 1), -np.inf)
    peak = np.argmax(ndvi, axis=0, keepdims=True) + 1
    return np.where(clear.any(axis=0), peak, 0).astype("uint16")
