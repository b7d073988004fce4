"""Gain, resampling and signal-to-noise ratios follow from the noise of the pixels and its correlation."""

import numpy as np
import pytest
from from_python import called
from noisy import COADD, SUM, arc
from scipy import ndimage

from lenscal.kernels import noise

pair_sum = called(noise.pair_sum)

WHITE = noise.resampling_kernels(noise.WHITE)


def lags_of(kernel):
    """Normalised autocorrelation of a kernel, to 3 pixels."""
    power = np.abs(np.fft.fft2(np.asarray(kernel, float), (32, 32))) ** 2
    correlation = np.fft.ifft2(power).real
    return np.array([[correlation[y, x] for x in range(-3, 4)] for y in range(4)]) / correlation[0, 0]


def test_a_resampling_kernel_keeps_flux_and_has_the_lags_it_was_made_from():
    kernel = noise.resampling_kernels(COADD)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert (kernel**2).sum() == pytest.approx(1 / SUM, rel=0.01)
    np.testing.assert_allclose(lags_of(kernel), COADD, atol=1e-3)
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])


def test_independent_pixels_have_the_kernel_of_one_pixel():
    wanted = np.zeros((11, 11))
    wanted[5, 5] = 1
    np.testing.assert_allclose(WHITE, wanted, atol=1e-12)


def test_the_kernel_of_a_lanczos_resampled_sky_is_found_again_from_its_pixels():
    from lenscal.kernels import pixels

    x = np.arange(-3, 4) + 0.5  # the worst shift
    taps = np.sinc(x) * np.sinc(x / 3)
    taps[-1] = 0
    taps /= taps.sum()
    sky = ndimage.convolve1d(ndimage.convolve1d(np.random.default_rng(8).normal(size=(600, 600)), taps, 0), taps, 1)
    *_, lags = pixels.sky_statistics(sky, np.ones_like(sky, bool))
    kernel = noise.resampling_kernels(lags)
    assert (kernel.astype(float) ** 2).sum() == pytest.approx((taps**2).sum() ** 2, rel=0.06)
    np.testing.assert_allclose(lags_of(kernel), lags, atol=0.02)


def test_a_table_with_negative_power_gives_the_nearest_noise_there_is():
    # The sum over lags at wave number (pi, 0) is 1 - 1.2: no noise has these lags.
    impossible = table(y0x1=0.6)
    kernel = noise.resampling_kernels(impossible)
    assert np.isfinite(kernel).all()
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert lags_of(kernel)[0, 4] == pytest.approx(0.58, abs=0.03)
    # The variance is above that of the table's sum, by what was cut off.
    k = 2 * np.pi * np.arange(256) / 256
    power = np.maximum(1 + 1.2 * np.cos(k), 0)
    assert (kernel.astype(float) ** 2).sum() == pytest.approx(power.mean() / 2.2, rel=0.03)


def test_kernels_do_not_depend_on_their_companions_and_unknown_lags_have_none():
    tables = np.stack([COADD, noise.WHITE * np.nan, noise.WHITE, table(y0x1=-0.4, y1x0=-0.3)])
    together = noise.resampling_kernels(tables.reshape(2, 2, 4, 7)).reshape(4, 11, 11)
    np.testing.assert_array_equal(together[0], noise.resampling_kernels(COADD))
    np.testing.assert_array_equal(together[2], WHITE)
    assert np.isnan(together[1]).all()
    assert np.isnan(together[3]).all()  # its lags sum to less than 0
    assert np.isfinite(together[[0, 2]]).all()


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
    many = np.random.default_rng(2).uniform(-1, 5, (4, 3, 20, 21)).astype("f4")
    slow = [[np.median(plane[plane > 0]) for plane in planes] for planes in many]
    np.testing.assert_array_equal(noise.gain_of_weights(1.0, many), slow)
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
    assert noise.aperture_snr(image, 0.002, table(y0x1=0.3, y1x0=0.2)) == pytest.approx(
        1.5 / (0.002 * np.sqrt(variance)), rel=1e-5
    )


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
    assert pair_sum(inside, lags) == pytest.approx(slow, rel=1e-9)


def test_measured_lags_tell_the_scatter_of_aperture_sums_in_resampled_noise():
    from lenscal.kernels import pixels

    rng = np.random.default_rng(5)
    image = ndimage.convolve(
        rng.normal(size=(900, 900)), np.array([[0.05, 0.2, 0.0], [0.3, 1.0, 0.3], [0.0, 0.2, 0.1]])
    )
    _, sigma, correlation, lags = pixels.sky_statistics(image, np.ones_like(image, bool))
    y, x = np.indices((20, 20)) - 9.5
    ring = np.abs(np.hypot(x, y) - 6) < 1.5
    sums = [image[a : a + 20, b : b + 20][ring].sum() for a in range(0, 880, 20) for b in range(0, 880, 20)]
    predicted = sigma * np.sqrt(pair_sum(ring, lags))
    assert np.std(sums) == pytest.approx(predicted, rel=0.05)
    # A thin ring has fewer pairs than the full sum of the table supposes.
    assert predicted < 0.95 * sigma * np.sqrt(correlation * ring.sum())
    full = lags[0].sum() + 2 * lags[1:].sum()
    assert full == pytest.approx(correlation, rel=1e-9)
