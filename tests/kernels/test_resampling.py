"""Resampling takes each pixel's flux along: nothing is made, nothing lost, and nothing moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenscal.kernels.resampling import overlaps, resample


def slow_twin(image, ratio, size):
    """Cut every pixel in 40 x 40 crumbs and drop each into the output pixel under its middle."""
    crumbs = 40
    n = len(image)
    out = np.zeros((size, size))
    centres = (np.arange(n * crumbs) + 0.5) / crumbs - n / 2
    place = np.floor(centres / ratio + size / 2).astype(int)
    for y, row in enumerate(place):
        if 0 <= row < size:
            for x, column in enumerate(place):
                if 0 <= column < size:
                    out[row, column] += image[y // crumbs, x // crumbs] / crumbs**2
    return out


@pytest.mark.parametrize(("ratio", "size"), [(2.0, 5), (1.25, 7), (2.5, 4), (0.8, 12)])
def test_flux_goes_where_the_slow_twin_puts_it(ratio, size):
    image = np.random.default_rng(1).normal(size=(11, 11))
    fast = resample(image, 1.0, ratio, size)
    slow = slow_twin(image, ratio, size)
    np.testing.assert_allclose(fast[np.isfinite(fast)], slow[np.isfinite(fast)], atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 30), st.integers(3, 30), st.floats(0.3, 4.0))
def test_every_input_pixel_is_given_away_once_or_lies_outside(n_in, n_out, ratio):
    share = overlaps(n_in, n_out, ratio)
    edge = n_out * ratio / 2
    inside = np.abs(np.arange(n_in) - (n_in - 1) / 2) + 0.5 <= edge
    np.testing.assert_allclose(share.sum(axis=0)[inside], 1, rtol=1e-12)
    assert share.sum() == pytest.approx(min(n_in, n_out * ratio))


def test_total_flux_is_kept_where_the_output_covers_the_object():
    y, x = np.mgrid[-106:107, -106:107] * 0.1
    image = np.exp(-(x**2 + y**2) / (2 * 0.6**2))
    out = resample(image, 0.1, 0.262, 61)
    assert np.nansum(out) == pytest.approx(image.sum(), rel=1e-9)


@pytest.mark.parametrize("scale", [0.1, 0.1225, 0.1819])
def test_the_centre_stays_the_centre_and_the_width_grows_by_the_pixel_alone(scale):
    half = int(8 / scale)
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * scale
    sigma = 0.55
    out = np.nan_to_num(resample(np.exp(-(x**2 + y**2) / (2 * sigma**2)), scale, 0.262, 51))
    row = (np.arange(51) - 25) * 0.262
    marginal = out.sum(axis=0) / out.sum()
    assert (marginal * row).sum() == pytest.approx(0, abs=1e-9)
    # A pixel of side s adds s^2/12 to the variance, of the input pixel and of the output pixel.
    expected = sigma**2 + (scale**2 + 0.262**2) / 12
    assert (marginal * row**2).sum() == pytest.approx(expected, rel=5e-3)


def test_pixels_that_are_covered_in_part_or_reach_an_unobserved_one_are_nan():
    image = np.ones((2, 12, 12))
    image[1, 0, 0] = np.nan
    out = resample(image, 1.0, 2.5, 5)
    assert np.isnan(out[0, 0]).all()
    assert np.isfinite(out[0, 1:4, 1:4]).all()
    assert np.isfinite(resample(image, 1.0, 2.4, 5)[0]).all()
    assert np.isnan(resample(image, 1.0, 2.4, 5)[1, 0, 0])
    np.testing.assert_allclose(resample(image, 1.0, 2.4, 5)[1, 1:, 1:], 2.4**2)


def test_the_same_grid_gives_the_same_image():
    image = np.random.default_rng(2).normal(size=(3, 9, 9))
    np.testing.assert_allclose(resample(image, 0.262, 0.262, 9), image, rtol=1e-12)
