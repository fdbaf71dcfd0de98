"""A composite of many dates: the median of what isn't cloud."""

import warnings

import numpy as np
from tilefn import tile_function


@tile_function
def cloud_free_median(
    images: list["float32"], classes: list["uint8"], *, clear: list[int] = [4, 5, 6, 7, 11], ctx
) -> "float32":
    """Median over the dates of each pixel's clear values; invalid where no date is clear.

    Every band of every file is a date. Images and classes must name the dates in the same order.

    images: One band of the scene, such as red, at all dates.
    classes: What each pixel shows at these dates, such as Sentinel-2's scene classification or a cloud mask.
    clear: Classes that count as clear. Default: Sentinel-2's vegetation, bare soil, water, unclassified and snow.
    """
    dates, shown = np.concatenate(images), np.concatenate(classes)
    if len(dates) != len(shown):
        raise ValueError(f"{len(dates)} dates of images, but {len(shown)} of classes")
    is_clear = np.isin(shown, clear) & np.concatenate(ctx.valid("classes"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where no date is clear
        return np.nanmedian(np.where(is_clear, dates, np.nan), axis=0)
