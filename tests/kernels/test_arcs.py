"""The estimator of arcs: it takes the galaxy off, finds the arc's radius, and gives back its
light, colour and shape.
"""

import numpy as np
import pytest

from lenscal.kernels import arcs, hosts

SIZE = 63
Y, X = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
R, ANGLE = np.hypot(X, Y), np.arctan2(Y, X)


def galaxy(q=0.7, phi=0.6, size=3.0):
    u, v = np.cos(phi) * X + np.sin(phi) * Y, np.cos(phi) * Y - np.sin(phi) * X
    return np.exp(-np.sqrt(q * u**2 + v**2 / q + 0.5) / size)


def arc(radius, width=1.2, half_angle=0.8, towards=0.0):
    away = np.abs((ANGLE - towards + np.pi) % (2 * np.pi) - np.pi)
    return np.exp(-0.5 * ((R - radius) / width) ** 2) * (away < half_angle)


def measured(residual, sigma=0.01, correlation=1.0):
    images = np.stack([residual] * 3)[None]
    return arcs.measure(images, np.full((1, 3), sigma), np.full((1, 3), correlation), [0, 1], 2.5, 12)


def test_a_smooth_galaxy_leaves_little():
    image = np.stack([galaxy()] * 3)[None]
    left = image - hosts.host_models(image, np.zeros((1, 3)), 2)
    inside = (R > 3) & (R < 14)
    assert np.abs(left[0, 1][inside]).max() < 0.02 * image[0, 1][inside].max()


def test_the_light_of_an_arc_stays_when_the_galaxy_goes():
    rng = np.random.default_rng(1)
    light, noise = 0.2 * arc(6), 0.005 * rng.standard_normal((3, SIZE, SIZE))
    image = (np.stack([galaxy()] * 3) + light + noise)[None]
    left = image - hosts.host_models(image, np.full((1, 3), 0.005), 2)
    found = arcs.measure(left, np.full((1, 3), 0.005), np.ones((1, 3)), [0, 1], 2.5, 12)
    assert found.radius[0] == pytest.approx(6, abs=0.6)
    inside = np.abs(R - found.radius[0]) <= arcs.HALF_WIDTH
    np.testing.assert_allclose(found.flux[0], light[inside].sum(), rtol=0.08)


def test_noise_alone_has_a_model_without_bias():
    rng = np.random.default_rng(2)
    image = rng.standard_normal((40, 3, SIZE, SIZE)).astype(np.float32)
    left = image - hosts.host_models(image, np.ones((40, 3)), 2)
    assert abs(left[..., R < 20].mean()) < 0.03


def test_signal_to_noise_is_the_closed_form():
    light = 0.05 * arc(7)
    found = measured(light, 0.02, 2.5)
    inside = np.abs(R - found.radius[0]) <= arcs.HALF_WIDTH
    assert found.snr[0, 1] == pytest.approx(light[inside].sum() / (0.02 * np.sqrt(2.5 * inside.sum())), rel=1e-12)


def test_a_wider_arc_is_less_concentrated_and_a_ring_more_extended():
    narrow, wide, ring = measured(arc(7)), measured(arc(7, width=2.2)), measured(arc(7, half_angle=np.pi))
    assert narrow.concentration[0] > wide.concentration[0] + 0.1
    assert narrow.extent[0] < 0.5 < 0.9 < ring.extent[0]


def test_a_counter_image_counts_as_light_across():
    lone, double = measured(arc(7)), measured(arc(7) + 0.5 * arc(4, towards=np.pi))
    assert lone.opposite[0] == pytest.approx(0, abs=1e-6)
    assert double.opposite[0] > 0.1


def test_the_arcs_side_does_not_matter():
    one = measured(arc(7) + 0.5 * arc(4, towards=np.pi))
    for turn in (np.pi / 2, np.pi, -np.pi / 2):
        other = measured(arc(7, towards=turn) + 0.5 * arc(4, towards=turn + np.pi))
        np.testing.assert_allclose(other.concentration, one.concentration, rtol=0.02)
        np.testing.assert_allclose(other.opposite, one.opposite, rtol=0.05)


def test_unobserved_pixels_are_left_out():
    light = arc(7)
    light[:10] = np.nan
    image = np.stack([galaxy() + light] * 3)[None]
    left = image - hosts.host_models(image, np.full((1, 3), 0.001), 2)
    found = arcs.measure(left, np.full((1, 3), 0.001), np.ones((1, 3)), [0, 1], 2.5, 12)
    assert all(np.isfinite(part).all() for part in found)


def test_fine_noise_keeps_the_variance_of_white_noise_and_drops_a_psf():
    rng = np.random.default_rng(3)
    fine = arcs.fine_noise(rng.standard_normal((20, 101, 101)))
    assert np.nanstd(fine) == pytest.approx(1, abs=0.03)
    star = np.exp(-0.5 * (R / 1.5) ** 2)
    assert np.nanmax(np.abs(arcs.fine_noise(star))) < 0.01
    assert np.isnan(fine[0, :2]).all()
