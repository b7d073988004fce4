"""Width, noise and depth measured on an image are those it was made with."""

import numpy as np
import pytest
from scipy import ndimage

from lenscal.kernels import widths

SCALE = 0.262


def moffat(size, fwhm, beta, dx=0.0, dy=0.0):
    a = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    offset = np.arange(size) - (size - 1) / 2
    values = (1 + ((offset[None, :] - dx) ** 2 + (offset[:, None] - dy) ** 2) / a**2) ** -beta
    return values / values.sum()


def sky(rng, shape, sigma, blur=0.0):
    noise = rng.normal(size=shape)
    if blur:
        noise = ndimage.gaussian_filter(noise, blur, mode="wrap")
        noise /= noise.std()
    return sigma * noise


@pytest.mark.parametrize("fwhm", [3.0, 5.0, 7.5])
def test_psfsize_of_a_gaussian_is_its_fwhm(fwhm):
    offset = np.arange(61) - 30
    psf = np.exp(-4 * np.log(2) * (offset[:, None] ** 2 + offset[None, :] ** 2) / fwhm**2)
    assert widths.psfsize(7.0 * psf, SCALE) == pytest.approx(fwhm * SCALE, rel=1e-5)


@pytest.mark.parametrize(("beta", "ratio"), [(2.5, 0.720), (3.5, 0.811), (4.5, 0.858)])
def test_core_fwhm_over_psfsize_of_a_moffat_is_the_published_ratio(beta, ratio):
    assert 5.0 * SCALE / widths.psfsize(moffat(601, 5.0, beta), SCALE) == pytest.approx(ratio, abs=1e-3)


def test_area_of_a_fit_is_that_of_its_image():
    fit = widths.Moffat(1.0, 0, 0, a=3.0, beta=3.2, e1=0.10, e2=-0.05)
    assert fit.area == pytest.approx(float(widths.noise_equivalent_area(fit.image(801))), rel=1e-3)


def test_fwhm_of_a_fit_is_where_its_image_falls_to_half():
    fit = widths.Moffat(1.0, 0, 0, a=30.0, beta=2.7, e1=0.0, e2=0.0)
    row = fit.image(401)[200]
    assert fit.fwhm == pytest.approx(2 * np.interp(-row[200] / 2, -row[200:], np.arange(201)), rel=1e-3)


def test_fit_finds_the_moffat_it_was_given_to_the_noise():
    rng = np.random.default_rng(3)
    image = 40 * moffat(19, 4.2, 2.8, dx=0.3, dy=-0.2) + sky(rng, (19, 19), 0.004)
    fit = widths.fit_moffat(image, 0.004)
    assert fit.fwhm == pytest.approx(4.2, rel=0.02)
    assert fit.beta == pytest.approx(2.8, rel=0.1)
    assert (fit.x, fit.y) == pytest.approx((0.3, -0.2), abs=0.02)
    assert fit.misfit < 1.3


def test_five_sigma_depth_is_the_flux_whose_matched_filter_scatters_by_a_fifth():
    rng = np.random.default_rng(4)
    psf, sigma = moffat(31, 4.5, 2.7), 0.003
    noise = sky(rng, (4000, 31, 31), sigma)
    scatter = ((noise * psf).sum(axis=(1, 2)) / (psf**2).sum()).std()
    assert widths.depth(sigma, 1.0, psf) == pytest.approx(22.5 - 2.5 * np.log10(5 * scatter), abs=0.04)


def test_depth_of_correlated_noise_is_that_of_the_noise_before_it_was_correlated():
    rng = np.random.default_rng(5)
    white = rng.normal(size=(600, 600)) * 0.003
    correlated = ndimage.convolve(white, np.array([[0.0, 0.1, 0.0], [0.15, 0.5, 0.15], [0.0, 0.1, 0.0]]), mode="wrap")
    _, sigma, correlation = widths.sky_noise(correlated)
    psf = moffat(31, 5.0, 2.7)
    assert widths.depth(sigma, correlation, psf) == pytest.approx(float(widths.depth(0.003, 1.0, psf)), abs=0.03)
    assert sigma < 0.6 * 0.003


def test_noise_of_a_sky_with_sources_and_a_halo_is_that_of_the_sky():
    rng = np.random.default_rng(6)
    sigmas, correlations = [], []
    for _ in range(12):
        image = sky(rng, (101, 101), 0.002)
        image += 3 * moffat(101, 6.0, 2.0) + 30 * moffat(101, 4.0, 2.5, 25, -20)
        _, sigma, correlation = widths.sky_noise(image)
        sigmas.append(sigma)
        correlations.append(correlation)
    assert np.median(sigmas) == pytest.approx(0.002, rel=0.05)
    assert np.mean(correlations) == pytest.approx(1.0, abs=0.15)


def test_correlation_of_white_noise_is_one_and_of_smoothed_noise_its_closed_form():
    rng = np.random.default_rng(7)
    assert widths.sky_noise(sky(rng, (500, 500), 1.0))[2] == pytest.approx(1, abs=0.08)
    # White noise smoothed by a kernel k of sum 1: the autocorrelation sums to 1 / sum k^2.
    kernel = ndimage.gaussian_filter(np.pad([[1.0]], 5), 0.6)
    smooth = sky(rng, (500, 500), 1.0, blur=0.6)
    assert widths.sky_noise(smooth)[2] == pytest.approx(1 / (kernel**2).sum(), rel=0.08)


def test_too_little_sky_gives_no_number():
    image = np.full((101, 101), np.nan)
    assert np.isnan(widths.sky_noise(image)).all()
    image[:15, :15] = np.random.default_rng(8).normal(size=(15, 15))
    assert np.isnan(widths.sky_noise(image)).all()


def stamp(rng, extra):
    """A galaxy at the centre and one more source, in three bands."""
    sigma = np.array([0.0025, 0.0035, 0.010])
    image = np.stack([sky(rng, (91, 91), s) for s in sigma])
    image += np.array([1, 3, 6])[:, None, None] * moffat(91, 8.0, 1.6)
    return image + extra, sigma


def test_a_star_is_found_and_its_psfsize_measured_in_each_band():
    rng = np.random.default_rng(9)
    widths_px, fluxes = (5.0, 4.2, 3.8), (4.0, 9.0, 14.0)
    star = np.stack([f * moffat(91, w, 3.0, dx=22, dy=-18) for w, f in zip(widths_px, fluxes)])
    image, sigma = stamp(rng, star)
    psf = widths.star_psf(image, sigma, SCALE, 63)
    expected = [widths.psfsize(moffat(63, w, 3.0), SCALE) for w in widths_px]
    np.testing.assert_allclose(widths.psfsize(psf, SCALE), expected, rtol=0.06)
    np.testing.assert_allclose(psf.sum(axis=(1, 2)), 1, rtol=1e-12)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(9 * moffat(91, 5.0, 1.4, 22, -18), id="wings of a de Vaucouleurs galaxy"),
        pytest.param(9 * moffat(91, 11.0, 3.0, 22, -18), id="too wide"),
        pytest.param(0.05 * moffat(91, 4.2, 3.0, 22, -18), id="too faint"),
        pytest.param(9 * moffat(91, 4.2, 3.0, 41, -18), id="at the edge"),
        pytest.param(9 * moffat(91, 4.2, 3.0, 8, 0), id="on the galaxy"),
        pytest.param(9 * (moffat(91, 4.2, 3.0, 22, -18) + moffat(91, 4.2, 3.0, 25, -15)), id="a pair"),
    ],
)
def test_what_is_no_clean_star_is_not_taken_for_one(source):
    image, sigma = stamp(np.random.default_rng(10), source)
    assert widths.star_psf(image, sigma, SCALE, 63) is None
