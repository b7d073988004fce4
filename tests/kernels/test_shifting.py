"""A shift by half a pixel moves the light and nothing else: exact, white noise stays white, holes stay holes."""

import numpy as np
import pytest

from lenscal.kernels import shifting


def test_a_shift_by_half_a_pixel_is_exact_for_what_pixels_hold():
    y, x = np.mgrid[:64, :64]
    profile = lambda at: np.exp(-((y - at) ** 2 + (x - at) ** 2) / (2 * 2.2**2))  # noqa: E731
    found = shifting.half_pixel(profile(31.5))
    np.testing.assert_allclose(found[1:, 1:], profile(32)[1:, 1:], atol=2e-7)
    assert np.isnan(found[0]).all()
    assert np.isnan(found[:, 0]).all()


def test_a_shift_keeps_white_noise_white_and_holes_where_they_are():
    noise = np.random.default_rng(2).normal(size=(40, 64, 64))
    found = shifting.half_pixel(noise)[..., 2:-2, 2:-2]
    assert found.std() == pytest.approx(1, abs=0.03)
    assert abs((found[..., 1:] * found[..., :-1]).mean()) < 0.03
    noise[0, 20, 30] = np.nan
    gone = np.isnan(shifting.half_pixel(noise)[0, 1:, 1:])
    assert np.argwhere(gone).tolist() == [[19, 29], [19, 30], [20, 29], [20, 30]]


def test_weights_and_bits_go_with_a_shift():
    weights = np.ones((8, 8))
    weights[3, 3] = 0
    found = shifting.mean_of_four(weights)
    assert (found[3:5, 3:5] == 0).all()
    assert (found == 1).sum() == 49 - 4
    bits = np.zeros((8, 8), int)
    bits[3, 3], bits[0, 0] = 4, 2
    found = shifting.any_of_four(bits)
    assert (found[3:5, 3:5] == 4).all()
    assert (found[:2, :2] == 2).all()
    assert (found != 0).sum() == 8
