"""The examples natively: `pip install ../../guest-sdk/python scipy pytest && pytest`. Expected values are by hand, or by a
loop over pixels."""

import math

import numpy as np
import pytest
from tilefn import Context

from cloud_free_median import cloud_free_median
from focal_mean import focal_mean
from land_cover_histogram import land_cover_histogram
from ndvi import ndvi
from slope_hillshade import slope_hillshade
from tasselled_cap import tasselled_cap


def test_ndvi():
    red = np.ma.masked_equal([[1, 2, -9, 4]], -9)
    np.testing.assert_array_equal(ndvi(red, np.array([[3, np.nan, 3, 4]])), [[[0.5, np.nan, np.nan, 0]]])


def test_focal_mean_is_that_of_a_loop():
    image = np.random.default_rng(1).integers(0, 50, (2, 9, 10)).astype("float32")
    image[0, 3, 4] = image[1, 0, 0] = np.nan
    expected = np.full((2, 5, 6), np.nan)
    for band, row, col in np.ndindex(expected.shape):
        if not np.isnan(image[band, row + 2, col + 2]):
            expected[band, row, col] = np.nanmean(image[band, row : row + 5, col : col + 5].astype("float64"))
    np.testing.assert_allclose(focal_mean(image, radius=2), expected, rtol=1e-6)


def test_slope_of_a_plane():
    # Rises 1 in 10 eastward and 2 in 10 northward, pixels of 5 × 5.
    row, col = np.mgrid[0:5, 0:6]
    dem = (0.5 * col - 1.0 * row).astype("float32")
    dem[0, 0] = np.nan
    ctx = Context.for_test(3, 4, geotransform=(0.0, 5.0, 0.0, 0.0, 0.0, -5.0), halo=1)
    made = slope_hillshade(dem, ctx=ctx)
    slope = math.degrees(math.atan(math.hypot(0.1, 0.2)))
    expected = np.full((1, 3, 4), slope)
    expected[0, 0, 0] = np.nan
    np.testing.assert_allclose(made["slope"], expected, rtol=1e-6)
    # The normal of the plane is (-0.1, -0.2, 1); the light comes from the north-west, 45 degrees high.
    light = (-0.1 * -0.5 + -0.2 * 0.5 + math.sqrt(0.5)) / math.sqrt(1 + 0.01 + 0.04)
    assert np.ma.getmaskarray(made["hillshade"]).sum() == 1 and made["hillshade"].mask[0, 0, 0]
    assert set(made["hillshade"].compressed()) == {int(1.5 + 254 * light)}


def test_cloud_free_median():
    images = [np.array([[[1, 5, 1]], [[2, 6, 1]]]), np.array([[9, 7, 1]])]
    classes = [np.array([[[4, 9, 9]], [[5, 4, 9]]]), np.array([[4, 4, 3]])]
    np.testing.assert_array_equal(cloud_free_median(images, classes), [[[2, 6.5, np.nan]]])
    with pytest.raises(ValueError, match="3 dates of images, but 1 of classes"):
        cloud_free_median(images, classes[1:])


def test_land_cover_histogram():
    ctx = Context.for_test(1, 4, geotransform=(0.0, 2.0, 0.0, 0.0, 0.0, -3.0))
    part = land_cover_histogram(np.ma.masked_equal(np.array([[1, 2, 2, 0]], "int16"), 0), ctx)
    assert part.finish(part.merge(part.state, part.state)) == [
        {"class": 1, "pixels": 2, "area": 12.0, "share": 1 / 3},
        {"class": 2, "pixels": 4, "area": 24.0, "share": 2 / 3},
    ]
    with pytest.raises(ValueError, match="classes are integers; this raster is float32"):
        land_cover_histogram(np.zeros((1, 4), "float32"))


def test_tasselled_cap():
    scene = np.zeros((6, 1, 2))
    scene[:, 0, 0] = [1, 10, 100, 0, 0, 0]
    scene[5, 0, 1] = np.nan
    result = tasselled_cap(scene)
    np.testing.assert_allclose(result[:, 0, 0], [43.3681, -49.4384, 11.6636], rtol=1e-6)
    assert np.isnan(result[:, 0, 1]).all()
