"""Shot noise has the variance of its electrons, and lies only where the arc's light does."""

import numpy as np
import pytest

from lenscal.kernels import noise


def arc(size=40, peak=0.05):
    r = np.arange(size) - (size - 1) / 2
    return (peak * np.exp(-(np.hypot(r, r[:, None]) ** 2) / 30)).astype(np.float32)


def drawn(image, gain, seed=0):
    out = np.zeros_like(image)
    noise.add_shot_noise(out, image, gain, np.random.default_rng(seed))
    return out


def test_variance_is_flux_over_gain_and_the_mean_is_zero():
    image, gain = arc(), 2e4
    many = np.array([drawn(image, gain, seed) for seed in range(3000)])
    lit = image > 20 / gain
    pull = many.mean(0)[lit] / np.sqrt(image[lit] / gain / 3000)
    assert abs(pull.mean()) < 4 / np.sqrt(lit.sum())
    assert pull.std() == pytest.approx(1, abs=0.15)
    np.testing.assert_allclose((many.var(0)[lit] * gain / image[lit]).mean(), 1, atol=0.01)


def test_pixels_without_light_are_left_as_they_are_bit_for_bit():
    image = arc()
    image[image < 1e-6] = 0
    pixels = np.random.default_rng(0).normal(size=image.shape).astype(np.float32)
    before = pixels.copy()
    noise.add_shot_noise(pixels, image, 2e4, np.random.default_rng(1))
    dark = image * 2e4 < noise.ELECTRONS_MIN
    np.testing.assert_array_equal(pixels[dark], before[dark])
    assert (pixels[~dark] != before[~dark]).mean() > 0.9


def test_negative_pixels_under_an_arc_take_its_noise_and_nothing_else():
    image = arc()
    sky = np.full_like(image, -0.5)
    noise.add_shot_noise(sky, image, 2e4, np.random.default_rng(3))
    np.testing.assert_allclose(sky + np.float32(0.5), drawn(image, 2e4, 3), atol=1e-6)


def test_an_infinite_gain_adds_nothing():
    np.testing.assert_array_equal(drawn(arc(), np.inf), 0)


def test_noise_shrinks_as_the_root_of_the_gain():
    a, b = (drawn(arc(), gain)[arc() > 0.01].std() for gain in (1e4, 1e8))
    assert a / b == pytest.approx(100, rel=0.15)


def test_gain_of_the_sky_is_sky_over_the_uncorrelated_variance():
    rng = np.random.default_rng(0)
    electrons = rng.poisson(0.297 * 2e4, 200_000) / 2e4
    assert float(noise.gain(0.297, electrons.std(), 1.0)) == pytest.approx(2e4, rel=0.01)
    # Resampling that lowers the pixel variance and correlates neighbours leaves A sigma^2, and so the gain.
    smooth = (electrons + np.roll(electrons, 1)) / 2
    assert float(noise.gain(0.297, smooth.std(), 2.0)) == pytest.approx(2e4, rel=0.02)


@pytest.mark.parametrize(("band", "brightness"), [("g", 22.04), ("r", 20.91), ("z", 18.46)])
def test_the_dark_sky_of_each_band_is_its_own(band, brightness):
    assert noise.DARK_SKY[band] == pytest.approx(10 ** (-0.4 * (brightness - 22.5)) * 0.262**2, rel=0.01)


def test_gain_of_the_weights_is_sky_times_their_median():
    invvar = np.full((2, 5, 5), 4.0)
    invvar[0, 0] = 0
    invvar[1] = 0
    got = noise.gain_of_weights(np.array([0.3, 0.3]), invvar)
    assert got[0] == pytest.approx(1.2)
    assert np.isnan(got[1])


@pytest.mark.parametrize(("sigma", "correlation"), [(0.0, 2.0), (np.nan, 2.0), (0.1, -1.0)])
def test_a_host_without_noise_has_no_gain_and_no_snr(sigma, correlation):
    assert np.isnan(noise.gain(0.3, sigma, correlation))
    assert np.isnan(noise.annulus_snr(arc(), sigma, correlation, 8.0, (19.5, 19.5)))
    assert np.isnan(noise.aperture_snr(arc(), sigma, noise.WHITE)) == (not sigma > 0)
    assert np.isnan(noise.aperture_snr(arc(), 0.1, noise.WHITE * np.nan))


def table(**lags):
    """A table of correlation from its entries, such as y0x1=0.2."""
    out = noise.WHITE.copy()
    for name, value in lags.items():
        y, x = int(name[1]), int(name[3:])
        out[y, 3 + x] = value
        if y == 0:
            out[0, 3 - x] = value
    return out


def test_arc_snr_of_a_flat_arc_is_its_flux_over_the_noise_of_its_area():
    image = np.zeros((30, 30), np.float32)
    image[5:15, 5:20] = 0.01
    assert noise.aperture_snr(image, 0.002, noise.WHITE) == pytest.approx(150 * 0.01 / (0.002 * np.sqrt(150)), rel=1e-5)
    # Ten rows of fourteen pairs along x, and nine of fifteen along y.
    variance = 150 + 2 * (10 * 14 * 0.3 + 9 * 15 * 0.2)
    assert noise.aperture_snr(image, 0.002, table(y0x1=0.3, y1x0=0.2)) == pytest.approx(1.5 / (0.002 * np.sqrt(variance)), rel=1e-5)


def test_arc_snr_is_the_best_over_all_isophotes():
    image = arc()
    order = np.sort(image.ravel().astype(float))[::-1]
    best = max(order[: k + 1].sum() / np.sqrt(k + 1) for k in range(order.size))
    assert noise.aperture_snr(image, 0.01, noise.WHITE) == pytest.approx(best / 0.01, rel=1e-6)


def test_noise_of_an_aperture_is_the_sum_of_the_correlation_over_its_pairs():
    rng = np.random.default_rng(4)
    inside = rng.random((14, 17)) < 0.4
    lags = rng.normal(0, 0.1, (4, 7))
    lags[0, :3] = lags[0, :3:-1]
    places = np.argwhere(inside)
    slow = 0.0
    for a in places:
        for b in places:
            dy, dx = (b - a) if b[0] >= a[0] else (a - b)
            if dy <= 3 and abs(dx) <= 3:
                slow += lags[dy, dx + 3]
    assert noise.pair_sum(inside, lags) == pytest.approx(slow, rel=1e-9)


def test_measured_lags_tell_the_scatter_of_aperture_sums_in_resampled_noise():
    from scipy import ndimage

    from lenscal.kernels import pixels

    rng = np.random.default_rng(5)
    image = ndimage.convolve(rng.normal(size=(900, 900)), np.array([[0.05, 0.2, 0.0], [0.3, 1.0, 0.3], [0.0, 0.2, 0.1]]))
    (_, sigma, correlation, *_), lags = pixels.sky_statistics_and_table(image, np.ones_like(image, bool))
    y, x = np.indices((20, 20)) - 9.5
    ring = np.abs(np.hypot(x, y) - 6) < 1.5
    sums = [image[a : a + 20, b : b + 20][ring].sum() for a in range(0, 880, 20) for b in range(0, 880, 20)]
    predicted = sigma * np.sqrt(noise.pair_sum(ring, lags))
    assert np.std(sums) == pytest.approx(predicted, rel=0.05)
    # A thin ring has fewer pairs than the full sum of the table supposes.
    assert predicted < 0.95 * sigma * np.sqrt(correlation * ring.sum())
    full = lags[0].sum() + 2 * lags[1:].sum()
    assert full == pytest.approx(correlation, rel=1e-9)
