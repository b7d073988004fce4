"""Shot noise is that of the electrons of a resampled coadd: right on large scales and small, correlated as the
sky, only where light is.
"""

import numpy as np
import pytest
from noisy import COADD, SUM, arc
from scipy import ndimage

from lenscal.kernels import noise, shot


def put(host, image, gain, key=0, lags=noise.WHITE, shape=None):
    """One host of one band with an arc and its noise."""
    out = np.empty((1, 1, *(shape or host.shape)), np.float32)
    kernel = noise.resampling_kernels(lags)[None, None]
    first = np.zeros(1, np.int64)
    keys = np.array([[key]], np.uint64)
    shot.put_into(
        np.float32(host)[None, None], first, image[None, None], np.array([[float(gain)]]), keys, kernel, first, out
    )
    return out[0, 0]


def drawn(image, gain, key=0, lags=noise.WHITE):
    """The noise alone: under a host that holds the arc's light already, with the sign turned."""
    return put(-image, image, gain, key, lags)


def test_variance_is_flux_over_gain_and_the_mean_is_zero():
    image, gain = arc(), 2e4
    many = np.array([drawn(image, gain, seed) for seed in range(3000)])
    lit = image > 20 / gain
    pull = many.mean(0)[lit] / np.sqrt(image[lit] / gain / 3000)
    assert abs(pull.mean()) < 4 / np.sqrt(lit.sum())
    assert pull.std() == pytest.approx(1, abs=0.15)
    np.testing.assert_allclose((many.var(0)[lit] * gain / image[lit]).mean(), 1, atol=0.01)


def test_resampling_keeps_the_noise_of_large_areas_and_lowers_that_of_a_pixel_by_the_sum_of_the_lags():
    image, gain = np.full((120, 120), 0.01, np.float32), 2e4
    many = np.array([drawn(image, gain, seed, COADD) for seed in range(60)])
    blocks = many.reshape(60, 3, 40, 3, 40).sum((2, 4))
    # A block of 40 pixels loses the correlation across its rim.
    assert blocks.var() == pytest.approx(1600 * 0.01 / gain, rel=0.15)
    inside = many[:, 5:-5, 5:-5]
    assert inside.var() == pytest.approx(0.01 / gain / SUM, rel=0.02)
    # What the gain makes of the sky: electrons of the sky at this gain have the variance that the gain was taken from.
    sigma = inside.std()
    assert float(noise.gain(0.01, sigma, SUM)) == pytest.approx(gain, rel=0.02)


def test_shot_noise_is_correlated_as_the_sky():
    image = np.full((400, 400), 0.01, np.float32)
    found = drawn(image, 2e4, 1, COADD)[5:-5, 5:-5].astype(float)
    found /= found.std()
    n = len(found)
    for y in range(4):
        for x in range(-3, 4):
            pairs = found[: n - y, max(0, -x) : n - max(0, x)] * found[y:, max(0, x) : n - max(0, -x)]
            assert pairs.mean() == pytest.approx(COADD[y, x + 3], abs=0.012), (y, x)


def test_shot_noise_is_that_of_its_slow_twin():
    image, gain = arc(31), 5e3
    image[10:20, 20:30] = 0  # so that no turn of the image looks like another
    lags = COADD.copy()
    lags[1, 4], lags[1, 2] = lags[1, 4] + 0.03, lags[1, 2] - 0.03
    full = np.zeros((32, 32))
    for y in range(4):
        for x in range(-3, 4):
            full[y, x] = full[-y, -x] = lags[y, x + 3]
    root = np.fft.ifft2(np.sqrt(np.fft.fft2(full).real)).real
    kernel = np.fft.fftshift(root)[11:22, 11:22]
    slow = ndimage.convolve(drawn(image, gain, 7).astype(float), kernel / kernel.sum(), mode="constant")
    np.testing.assert_allclose(drawn(image, gain, 7, lags), slow, atol=1e-6 * np.abs(slow).max())


def test_pixels_without_light_are_left_as_they_are_bit_for_bit():
    image = arc()
    image[image < 1e-6] = 0
    pixels = np.random.default_rng(0).normal(size=image.shape).astype(np.float32)
    for lags, reach in ((noise.WHITE, 0), (COADD, noise.REACH)):
        after, clean = put(pixels, image, 2e4, 1, lags), pixels + image
        dark = ~ndimage.maximum_filter(image * 2e4 >= shot.ELECTRONS_MIN, 2 * reach + 1)
        assert 50 < dark.sum() < dark.size
        np.testing.assert_array_equal(after[dark], clean[dark])
        assert (after[~dark] != clean[~dark]).mean() > 0.8  # far out the noise is less than the last digit


def test_negative_pixels_under_an_arc_take_its_noise_and_nothing_else():
    image = arc()
    sky = put(np.full_like(image, -0.5), image, 2e4, 3, COADD)
    np.testing.assert_allclose(sky + np.float32(0.5) - image, drawn(image, 2e4, 3, COADD), atol=1e-6)


@pytest.mark.parametrize("lags", [noise.WHITE, COADD])
def test_an_infinite_gain_adds_nothing(lags):
    np.testing.assert_array_equal(drawn(arc(), np.inf, lags=lags), 0)


def test_an_arc_without_light_has_no_noise():
    np.testing.assert_array_equal(drawn(0 * arc(), 2e4, lags=COADD), 0)


def test_an_arc_at_the_rim_has_its_noise_there():
    image = np.zeros((20, 23), np.float32)
    image[0, :4] = image[-1, -1] = 0.05
    found = drawn(image, 2e4, 2, COADD)
    assert found.shape == image.shape
    assert (found[:5, :9] != 0).all()
    assert (found[-6:, -6:] != 0).all()
    np.testing.assert_array_equal(found[7:13], 0)


def test_noise_shrinks_as_the_root_of_the_gain():
    a, b = (drawn(arc(), gain, lags=COADD)[arc() > 0.01].std() for gain in (1e4, 1e8))
    assert a / b == pytest.approx(100, rel=0.15)


def test_the_limit_of_a_large_gain_is_the_image_without_noise_bit_for_bit():
    host = np.random.default_rng(3).uniform(0.01, 0.02, (40, 40)).astype(np.float32)
    clean = host + arc()
    np.testing.assert_array_equal(put(host, arc(), np.inf, lags=COADD), clean)
    far = [np.abs(put(host, arc(), gain, lags=COADD) - clean).max() for gain in (1e4, 1e8, 1e12, 1e16, 1e20)]
    assert far == sorted(far, reverse=True)
    assert far[1] > 0
    assert far[-1] == 0


def test_noise_of_a_pixel_depends_on_its_key_and_place_and_not_on_what_else_is_lit():
    image = arc()
    part = image.copy()
    part[:, :15] = 0
    whole, half = drawn(image, 2e4, 5), drawn(part, 2e4, 5)
    np.testing.assert_allclose(half[:, 15:], whole[:, 15:], atol=1e-9)
    np.testing.assert_allclose(half[:, :15], 0, atol=1e-9)
    lit = image * 2e4 > 30
    pull = whole[lit], drawn(image, 2e4, 6)[lit], whole[:, ::-1][lit]  # the arc is symmetric
    for other in pull[1:]:
        assert abs(np.corrcoef(pull[0], other)[0, 1]) < 4 / np.sqrt(lit.sum())


def test_many_arcs_at_once_are_each_by_itself():
    rng = np.random.default_rng(9)
    hosts = rng.normal(0, 0.01, (3, 2, 30, 33)).astype(np.float32)
    kernels = np.stack([noise.resampling_kernels(np.stack([COADD, noise.WHITE]))] * 3)
    arcs = np.stack([np.stack([arc(34, peak), arc(34, peak / 3)]) for peak in (0.02, 0.04, 0.0, 0.2, 0.1)])
    which, rows = np.array([0, 2, 2, 1, 0]), np.array([4, 0, 6, 1, 3])
    gain, keys = rng.uniform(1e4, 3e4, (5, 2)), rng.integers(0, 2**64, (5, 2), dtype=np.uint64)
    gain[1, 0] = np.inf
    out = np.full((7, 2, 30, 33), np.nan, np.float32)
    shot.put_into(hosts, which, arcs, gain, keys, kernels, rows, out)
    for i, band in np.ndindex(5, 2):
        alone = put(hosts[which[i], band], arcs[i, band], gain[i, band], keys[i, band], (COADD, noise.WHITE)[band])
        np.testing.assert_array_equal(out[rows[i], band], alone)
    assert np.isnan(out[[2, 5]]).all()


def test_unobserved_pixels_of_the_host_stay_unobserved():
    host = np.zeros((40, 40), np.float32)
    host[18:21, 20] = np.nan
    found = put(host, arc(), 2e4, lags=COADD)
    assert np.isnan(found[18:21, 20]).all()
    assert np.isfinite(found).sum() == found.size - 3
