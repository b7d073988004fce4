"""The sky of a stamp is what is left without its sources, and its noise is measured as it is, not as it
would be if independent.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import segmentation
from scipy import ndimage

from lenscal.kernels import moments, pixels

SIZE = 101


def ring(n=1):
    return np.broadcast_to(pixels.ring(SIZE, 33, 48), (n, SIZE, SIZE))


def white(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, SIZE, SIZE)).astype("f4")


def correlated(n, taps, seed=0):
    """Noise of unit variance, white noise passed through separable taps; its summed autocorrelation comes back."""
    taps = np.asarray(taps) / np.linalg.norm(taps)
    noise = np.random.default_rng(seed).normal(size=(n, SIZE + 8, SIZE + 8))
    noise = ndimage.convolve1d(ndimage.convolve1d(noise, taps, axis=1), taps, axis=2)[:, 4:-4, 4:-4]
    return noise.astype("f4"), taps.sum() ** 4


def galaxy(flux, y=50.0, x=50.0, width=4.0):
    yy, xx = np.mgrid[:SIZE, :SIZE]
    return (flux * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 2 / width**2) / (2 * np.pi * width**2)).astype("f4")


# --- geometry


def test_the_ring_of_101_pixels_is_that_of_the_survey():
    area = pixels.ring(101, 33, 48)
    assert area.sum() == pytest.approx(np.pi * (48**2 - 33**2), rel=0.01)
    assert not area[50, 50 - 32]
    assert area[50, 50 - 33]
    assert area[50, 50 + 48]
    assert not area[50, 50 + 49]


@pytest.mark.parametrize("size", [25, 64, 91, 96])
def test_the_ring_of_a_smaller_stamp_ends_at_its_edge_in_the_same_proportion(size):
    radii = pixels.radius(size)[pixels.ring(size, 33, 48)]
    half = (size - 1) / 2
    assert half - 1 < radii.max() <= half
    assert half * 33 / 48 <= radii.min() < half * 33 / 48 + 1


# --- sources


def slow_sources(image, sky):
    """Five obvious lines with another code (scipy.ndimage)."""
    weight = np.isfinite(image).astype(float)
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)

    def blur(a):
        rows = ndimage.convolve1d(a, taps / taps.sum(), axis=0, mode="constant")
        return ndimage.convolve1d(rows, taps / taps.sum(), axis=1, mode="constant")

    with np.errstate(invalid="ignore"):
        smooth = np.where(weight > 0, blur(np.where(weight > 0, image, 0).astype(float)) / blur(weight), np.nan)
    found = np.zeros(image.shape, bool)
    disc = np.hypot(*np.mgrid[-3:4, -3:4]) <= 3
    for _ in range(3):
        use = smooth[sky & ~found & (weight > 0)]
        level = np.median(use)
        sigma = 1.4826 * np.median(np.abs(use - level))
        with np.errstate(invalid="ignore"):
            low, high = smooth > level + 2.5 * sigma, smooth > level + 4 * sigma
        found = ndimage.binary_dilation(ndimage.binary_propagation(high, np.ones((3, 3)), mask=low), disc)
    return found & (weight > 0)


@pytest.mark.parametrize("seed", range(6))
def test_sources_agree_with_the_slow_twin(seed):
    rng = np.random.default_rng(seed)
    image = (
        white(1, seed)[0]
        + galaxy(400)
        + galaxy(60, *rng.uniform(5, 95, 2), 2.0)
        + galaxy(900, *rng.uniform(5, 95, 2), 6.0)
    )
    image[rng.random(image.shape) < 0.02] = np.nan
    image[:, : 12 * (seed % 2)] = np.nan
    np.testing.assert_array_equal(pixels.sources(image, ring()[0]), slow_sources(image, ring()[0]))


def stamps_of(kind, request):
    """Every band of the real DR10 candidates, or stamps of correlated noise with galaxies and unobserved pixels."""
    if kind == "real":
        folder = request.getfixturevalue("real") / "cutouts" / "dr10_lens_candidates"
        return np.concatenate([np.load(file)["cutout"].transpose(2, 0, 1) for file in sorted(folder.glob("*.npz"))])
    rng = np.random.default_rng(3)
    images = correlated(24, [0.3, 1, 0.3])[0]
    for image in images:
        for _ in range(rng.integers(1, 8)):
            image += galaxy(rng.uniform(20, 2000), *rng.uniform(0, 100, 2), rng.uniform(1.5, 6))
        image[:, : rng.integers(0, 30)] = np.nan
    return images


@pytest.mark.parametrize("kind", ["mock", "real"])
def test_masks_are_those_of_photutils_and_the_noise_is_its_clipped_one_within_two_per_cent(kind, request):
    images = stamps_of(kind, request)
    sky = pixels.ring(images.shape[-1], 33, 48)
    found = pixels.sources(images, sky)
    assert 0.01 < found.mean() < 0.7
    sigma = pixels.sky_statistics(images, sky & ~found)[1]
    for image, mask, ours in zip(images, found, sigma):
        assert (mask != segmentation.source_mask(image, sky)).mean() < 1e-3
        assert ours == pytest.approx(segmentation.sky_sigma(image, sky), rel=0.02)


def test_an_empty_sky_has_next_to_no_sources():
    assert pixels.sources(white(50), ring(50)).mean() < 0.01


def test_a_source_is_found_wherever_it_lies_and_to_its_rim():
    image = white(1)[0] * 0.01 + galaxy(50, 20, 70)
    found = pixels.sources(image, ring()[0])
    assert found[20, 70]
    assert (galaxy(50, 20, 70)[~found] < 0.05).all()


def test_unobserved_pixels_are_no_sources_and_hide_none():
    image = white(1)[0] + galaxy(2000)
    image[:, :40] = np.nan
    found = pixels.sources(image, ring()[0])
    assert not found[:, :40].any()
    assert found[50, 50]
    assert not pixels.sources(np.full((SIZE, SIZE), np.nan, "f4"), ring()[0]).any()


# --- noise


def slow_noise(image, sky):
    use = sky & np.isfinite(image)
    level = np.median(image[use].astype(float))
    sigma = 1.4826 * np.median(np.abs(image[use] - level))
    d = np.where(use, image - image[use].astype(float).mean(), 0.0)
    total = 0.0
    for dy in range(-3, 4):
        for dx in range(-3, 4):
            a = (slice(max(0, -dy), SIZE - max(0, dy)), slice(max(0, -dx), SIZE - max(0, dx)))
            b = (slice(max(0, dy), SIZE + min(0, dy)), slice(max(0, dx), SIZE + min(0, dx)))
            total += (d[a] * d[b]).sum() / (use[a] & use[b]).sum()
    return level, sigma, total / (d[use] ** 2).mean() / (1 - 49 / use.sum())


def test_noise_agrees_with_the_slow_twin():
    image = correlated(1, [1, 2, 1])[0][0] + 3
    image[30:40, 10:90] = np.nan
    sky = ring()[0] & (np.random.default_rng(5).random((SIZE, SIZE)) < 0.8)
    np.testing.assert_allclose(pixels.sky_noise(image, sky), slow_noise(image, sky), rtol=1e-6)


def test_lags_are_those_of_the_filter_that_made_the_noise():
    image = np.random.default_rng(3).normal(size=(200, SIZE, SIZE + 2)).astype("f4")
    image = image[..., :-2] + 2 * image[..., 1:-1] + image[..., 2:]  # along x: 4/6 at one pixel, 1/6 at two
    image[:, 1:] += 0.5 * image[:, :-1].copy()  # along y: 0.5 / 1.25 at one pixel
    *_, correlation, lags = pixels.sky_statistics(image[:, 1:, 1:], np.ones((SIZE - 1, SIZE - 1), bool))
    along_y, along_x = np.array([1, 0.4, 0, 0]), np.array([1, 4 / 6, 1 / 6, 0])
    np.testing.assert_allclose(lags.mean(0), along_y[:, None] * along_x[np.abs(np.arange(-3, 4))], atol=0.01)
    np.testing.assert_allclose(lags[:, 0].sum(1) + 2 * lags[:, 1:].sum((1, 2)), correlation, rtol=1e-9)


def test_white_noise_has_its_sigma_and_a_correlation_of_one():
    image = white(200) * np.float32(0.003)
    _, sigma, correlation = pixels.sky_noise(image, ring(200) & ~pixels.sources(image, ring(200)))
    assert sigma.mean() == pytest.approx(0.003, rel=0.01)
    assert correlation.mean() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("taps", [[0.25, 1, 0.25], [1, 1], [-0.1, 1, -0.1]])
def test_correlated_noise_has_the_correlation_of_its_taps(taps):
    image, truth = correlated(200, taps)
    _, sigma, correlation = pixels.sky_noise(image, ring(200) & ~pixels.sources(image, ring(200)))
    assert sigma.mean() == pytest.approx(1, rel=0.01)
    assert correlation.mean() == pytest.approx(truth, rel=0.04)


def test_the_correlation_is_the_variance_of_sums_over_apertures():
    """What it is for: the flux of a block of pixels scatters by that much more than independent pixels would."""
    image, truth = correlated(400, [0.25, 1, 0.25])
    blocks = image[:, :96, :96].reshape(400, 6, 16, 6, 16).sum(axis=(2, 4))
    _, _, correlation = pixels.sky_noise(image, ring(400))
    assert blocks.var() / 256 == pytest.approx(correlation.mean(), rel=0.1)
    assert truth == pytest.approx(4.0)


def test_sources_do_not_leak_into_the_noise():
    image = white(20) * np.float32(0.01) + galaxy(30) + galaxy(8, 15, 50, 2) + galaxy(5, 80, 75, 3)
    level, sigma, _ = pixels.sky_noise(image, ring(20) & ~pixels.sources(image, ring(20)))
    assert sigma.mean() == pytest.approx(0.01, rel=0.02)
    assert abs(level.mean()) < 0.001
    assert pixels.sky_noise(image, ring(20))[2].mean() > 3  # what masking is for


def test_noise_of_too_few_pixels_is_not_measured():
    sky = np.zeros((SIZE, SIZE), bool)
    sky.flat[:99] = True
    assert np.isnan(pixels.sky_noise(white(1)[0], sky)).all()


def test_a_constant_sky_has_no_noise_and_no_correlation():
    level, sigma, correlation = pixels.sky_noise(np.full((SIZE, SIZE), 2, "f4"), ring()[0])
    assert (level, sigma) == (2, 0)
    assert np.isnan(correlation)


def test_noise_scales_with_the_image_and_not_with_its_level():
    image = correlated(3, [1, 1])[0]
    level, sigma, correlation = pixels.sky_noise(image, ring(3))
    scaled = pixels.sky_noise(4 * image + 64, ring(3))
    np.testing.assert_allclose(scaled[0], 4 * level + 64, rtol=1e-5)
    np.testing.assert_allclose(scaled[1], 4 * sigma, rtol=1e-4)
    np.testing.assert_allclose(scaled[2], correlation, rtol=1e-4)


# --- brightness


def test_moments_are_those_of_numpy_without_the_unobserved():
    image = white(5, 3) ** 3
    image[np.random.default_rng(1).random(image.shape) < 0.1] = np.nan
    flat = image.reshape(5, -1).astype(float)
    mean, deviation, low, middle, high = moments.moments(image)
    np.testing.assert_allclose(mean, np.nanmean(flat, 1), rtol=1e-9)
    np.testing.assert_allclose(deviation, np.nanstd(flat, 1), rtol=1e-9)
    np.testing.assert_allclose([low, middle, high], np.nanpercentile(flat, [1, 50, 99], axis=1), rtol=1e-9)
    assert np.isnan(moments.moments(np.full((4, 4), np.nan, "f4"))).all()


def test_mean_and_median_take_the_observed_pixels_of_the_area():
    image = white(1)[0]
    image[45:50] = np.nan
    area = pixels.radius(SIZE) <= 8
    assert moments.mean(image, area) == pytest.approx(np.nanmean(image[area].astype(float)))
    assert moments.median(image, area) == pytest.approx(np.nanmedian(image[area].astype(float)))
    assert np.isnan(moments.mean(image, np.zeros_like(area)))


def test_clipped_is_the_share_beyond_five_sigma():
    image = np.zeros((10, 10), "f4")
    image[0, :4] = [5.1, -5.1, 4.9, np.nan]
    assert moments.clipped(image, 0.0, 1.0) == pytest.approx(2 / 99)
    assert np.isnan(moments.clipped(image, 0.0, np.nan))


# --- the real sky


def test_noise_of_the_real_cutouts_is_that_of_the_survey(real):
    """Median sigma of six DR10 cutouts g 0.0017, r 0.0024, z 0.0079 nanomaggy; summed
    autocorrelation 2.0 (1.1 to 2.9).
    """
    files = sorted((real / "cutouts" / "dr10_lens_candidates").glob("*.npz"))
    assert len(files) == 5
    image = np.stack([np.ascontiguousarray(np.load(f)["cutout"].transpose(2, 0, 1)) for f in files])
    area = np.broadcast_to(pixels.ring(SIZE, 33, 48), image.shape)
    _, sigma, correlation = pixels.sky_noise(image, area & ~pixels.sources(image, area))
    np.testing.assert_allclose(np.median(sigma, axis=0), [0.0017, 0.0024, 0.0079], rtol=0.1)
    assert correlation.mean() == pytest.approx(2.0, abs=0.3)
    table = np.genfromtxt(
        real / "noise" / "pixel_noise_acf.csv", delimiter=",", names=True, dtype=None, encoding="utf8"
    )
    for i, file in enumerate(files):
        for b, band in enumerate("grz"):
            listed = table[(table["image"] == file.stem) & (table["band"] == band)]["sigma_nanomaggy"][0]
            assert sigma[i, b] == pytest.approx(listed, rel=0.08), (file.stem, band)


def test_compiled_kernels_load_from_the_cache_in_a_fresh_process():
    """A cached kernel that allocates must not be the first thing Numba does in a process and crash there."""
    code = (
        "import numpy as np; from lenscal.kernels import pixels; print(pixels.sources(np.zeros((9, 9), 'f4'), "
        "np.ones((9, 9), bool)).sum())"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr


def test_noise_of_a_real_coadd_is_that_of_its_inverse_variance(real):
    """Resampling moves some of the variance of a pixel into correlation: sigma^2 invvar is below 1, but not by much."""
    from astropy.io import fits

    folder = real / "coadds" / "brick-0959p805"
    image, invvar, nexp = (
        fits.getdata(folder / f"legacysurvey-0959p805-{name}-g.fits.fz")[:1100, :710]
        for name in ("image", "invvar", "nexp")
    )
    corners = [(y, x) for y in range(10, 1000, 101) for x in range(10, 600, 101)]
    boxes = [(slice(y, y + SIZE), slice(x, x + SIZE)) for y, x in corners]
    boxes = [box for box in boxes if (nexp[box] == 0).mean() < 0.02]
    assert len(boxes) > 30
    stamps = np.stack([np.where(nexp[box] > 0, image[box], np.nan) for box in boxes]).astype("f4")
    area = pixels.ring(SIZE, 33, 48)
    _, sigma, correlation = pixels.sky_noise(stamps, area & ~pixels.sources(stamps, area))
    weight = moments.median(np.stack([invvar[box] for box in boxes]).astype("f4"), area)
    assert 0.5 < np.median(sigma**2 * weight) < 1
    assert 2 < np.median(correlation) < 6  # 90prime: native pixels of 0.45 arcsec


# --- pixels that are no sky and no source


@pytest.mark.parametrize("value", [-100.0, -20.0, 8.0])
def test_a_dead_or_hot_pixel_of_the_sky_changes_neither_noise_nor_correlation(value):
    images, _ = correlated(6, [0.3, 1, 0.3])
    spoilt = images.copy()
    spoilt[:, 50, 90] = value
    sky = ring(6)
    for clean, found in zip(pixels.sky_statistics(images, sky), pixels.sky_statistics(spoilt, sky)):
        np.testing.assert_allclose(found, clean, rtol=0.02, atol=0.02)
    assert sky.all(axis=0).sum() == ring()[0].sum(), "the area that was handed over stays as it was"


def test_clipping_at_five_sigma_takes_nothing_from_a_gaussian_sky():
    images = np.clip(white(20), -4.9, 4.9)
    level, sigma, _, _ = pixels.sky_statistics(images, ring(20))
    sky = images[:, ring()[0]]
    np.testing.assert_allclose(level, np.median(sky, axis=1), rtol=1e-6)
    np.testing.assert_allclose(
        sigma, 1.4826 * np.median(np.abs(sky - np.median(sky, axis=1)[:, None]), axis=1), rtol=1e-6
    )
