"""Slope and hillshade of a terrain model."""

import numpy as np
from tilefn import param, tile_function


@tile_function(halo=1, nodata={"hillshade": 0})
def slope_hillshade(
    dem: "float32",
    *,
    scale: float = param(1.0, min=1e-9),
    azimuth: float = param(315.0, min=0.0, max=360.0),
    altitude: float = param(45.0, min=0.0, max=90.0),
    ctx,
) -> {"slope": "float32", "hillshade": "uint8"}:
    """Slope and hillshade by Horn's formula over 3 × 3 pixels, as gdaldem computes them. Invalid where one of the nine is.

    dem: Heights; pixel sizes and heights in the same unit, or see scale.
    scale: Units of height in one unit of the map: 111120 for metres over degrees.
    azimuth: Where the light comes from, in degrees clockwise from north.
    altitude: How high the light stands above the horizon, in degrees.
    slope: Steepness in degrees, 0 is level.
    hillshade: Light from the given direction, from 1 (dark) to 255.
    """
    rows, cols = dem.shape[1] - 2, dem.shape[2] - 2
    nw, n, ne, w, centre, e, sw, s, se = (dem[:, r : r + rows, c : c + cols] for r in range(3) for c in range(3))
    width, height = ctx.pixel_size
    x = ((ne + 2 * e + se) - (nw + 2 * w + sw)) / (8 * width * scale)
    y = ((nw + 2 * n + ne) - (sw + 2 * s + se)) / (8 * height * scale)
    # NaN of the middle pixel too, which the formula doesn't use.
    x += centre - centre
    slope = np.degrees(np.arctan(np.hypot(x, y)))

    azimuth, altitude = np.radians(azimuth), np.radians(altitude)
    east, north, up = np.sin(azimuth) * np.cos(altitude), np.cos(azimuth) * np.cos(altitude), np.sin(altitude)
    # The cosine between the light and the surface's normal.
    light = (up - x * east - y * north) / np.sqrt(1 + x * x + y * y)
    invalid = np.isnan(light)
    shade = (1.5 + 254 * np.maximum(np.where(invalid, 0, light), 0)).astype("uint8")
    return {"slope": slope, "hillshade": np.ma.masked_array(shade, invalid)}
