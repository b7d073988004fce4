"""An image shows what was drawn on it, and a plain galaxy shows none of it."""

import numpy as np
import pytest
from scipy import ndimage

from lenscal.kernels.structure import structure

SIDE, SIGMA, FWHM = 101, 0.01, 4.0
Y, X = np.indices((SIDE, SIDE)) - 50.0


def seen(light, seed=0, noise=SIGMA):
    blurred = ndimage.gaussian_filter(light, FWHM / 2.3548)
    return structure(
        blurred + np.random.default_rng(seed).normal(0, noise, light.shape), SIGMA, FWHM, 1.2 / 0.262, 6 / 0.262
    )


def disc(scale=6.0, q=1.0, peak=3.0, angle=0.0):
    u, v = X * np.cos(angle) + Y * np.sin(angle), -X * np.sin(angle) + Y * np.cos(angle)
    return peak * np.exp(-0.5 * (u**2 + (v / q) ** 2) / scale**2)


@pytest.mark.parametrize("q", [1.0, 0.6, 0.3])
@pytest.mark.parametrize("angle", [0.0, 0.7, 2.5])
def test_the_axis_ratio_is_that_of_the_galaxy_without_the_psf(q, angle):
    found = seen(disc(8, q, angle=angle))
    assert found.axis_ratio == pytest.approx(q, abs=0.06)
    assert found.size == pytest.approx(8 / (FWHM / 2.3548), rel=0.1)


def test_a_star_is_as_narrow_as_the_psf():
    star = np.zeros((SIDE, SIDE))
    star[50, 50] = 60.0
    assert seen(star).size < 1


def test_a_ring_rises_again_and_a_disc_does_not():
    ring = disc(3) + 1.0 * np.exp(-0.5 * (np.hypot(X, Y) - 14) ** 2 / 2.0**2)
    assert seen(ring).ring_snr > 20
    assert max(seen(disc(), seed).ring_snr for seed in range(20)) < 5
    assert np.median([seen(disc(), seed).ring_snr for seed in range(20)]) < 2.5


def test_clumps_and_arms_scatter_about_the_profile_and_a_disc_does_not():
    rng, clumpy = np.random.default_rng(3), disc(8)
    for x, y in rng.uniform(-12, 12, (8, 2)):
        clumpy = clumpy + 1.5 * np.exp(-0.5 * ((X - x) ** 2 + (Y - y) ** 2) / 1.5**2)
    arms = disc(10) * (1 + 0.6 * np.cos(2 * np.arctan2(Y, X) - 3 * np.log(np.hypot(X, Y) + 1)))
    assert seen(clumpy).texture_snr > 50
    assert seen(arms).texture_snr > 50
    assert seen(clumpy).texture > 0.1
    assert np.median([seen(disc(8, 0.7, 0.5), seed).texture_snr for seed in range(20)]) < 3


@pytest.mark.parametrize("ratio", [0.05, 0.3, 1.0])
def test_a_neighbour_is_found_with_its_distance_and_share(ratio):
    pair = disc(2.5) + ratio * 3.0 * np.exp(-0.5 * ((X - 9) ** 2 + (Y - 12) ** 2) / 2.5**2)
    found = seen(pair)
    assert found.beside == pytest.approx(15, abs=1.5)
    assert found.share == pytest.approx(ratio, abs=0.03)
    far = disc(2.5) + 3.0 * np.exp(-0.5 * ((X - 30) ** 2 + Y**2) / 2.5**2)
    assert np.isnan(seen(far).beside)
    assert seen(far).share == 0


def test_what_is_not_detected_has_no_structure_and_unobserved_pixels_count_as_empty():
    assert np.isnan(seen(np.zeros((SIDE, SIDE)))).all()
    image = disc()
    image[:, :20] = np.nan
    assert structure(image, SIGMA, FWHM, 4, 20).axis_ratio == pytest.approx(1, abs=0.05)
