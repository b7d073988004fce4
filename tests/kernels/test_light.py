"""Sources hold the flux they are given, half of it inside R_e; a PSF has the width that its PSFSIZE says."""

import numpy as np
import pytest
from scipy import integrate
from scipy.interpolate import RectBivariateSpline

from lenscal.kernels import light


@pytest.mark.parametrize("n", [0.5, 1.0, 2.0, 4.0])
def test_a_sersic_profile_has_unit_flux_and_half_of_it_inside_r_e(n):
    def ring(r):
        return 2 * np.pi * r * light.sersic(r, 0.0, n, 0.3)

    inside = integrate.quad(ring, 0, 0.3, limit=200)[0]
    outside = integrate.quad(ring, 0.3, 3, limit=200)[0] + integrate.quad(ring, 3, 3000, limit=500)[0]
    assert inside == pytest.approx(0.5, rel=1e-6)
    assert inside + outside == pytest.approx(1, rel=1e-4)


def test_b_n_of_an_exponential_is_the_known_number():
    assert float(light.sersic_b(1.0)) == pytest.approx(1.6783469900166605, rel=1e-12)
    # The linear fit 1.9992 n - 0.3271 is 3.5 % off at n = 0.5.
    assert float(light.sersic_b(0.5)) == pytest.approx(np.log(2), rel=1e-12)


@pytest.mark.parametrize("q", [0.3, 0.7])
def test_an_ellipse_keeps_the_flux_of_its_circle(q):
    r = (np.arange(1201) - 600) * 0.01
    image = light.sersic(r, r[:, None], 1.0, 0.3, q, 0.6, 0.11, -0.07)
    assert image.sum() * 1e-4 == pytest.approx(1, rel=2e-4)


def test_the_major_axis_of_a_source_lies_at_phi():
    assert light.sersic(np.cos(0.5), np.sin(0.5), 1, 0.3, 0.5, 0.5) > light.sersic(
        -np.sin(0.5), np.cos(0.5), 1, 0.3, 0.5, 0.5
    )


@pytest.mark.parametrize(("n", "radius"), [(0.5, 0.3), (1, 0.05), (4, 0.01), (4, 0.5)])
def test_a_soft_core_holds_the_flux_of_the_cusp_it_stands_for(n, radius):
    b = light.sersic_b(n)
    cusp = integrate.quad(lambda r: r * np.exp(-b * r ** (1 / n)), 0, radius)[0]
    bump = light.soft_core(n, radius)
    rim = np.exp(-b * radius ** (1 / n))
    core = integrate.quad(lambda r: r * rim * (1 + bump * (1 - r**2 / radius**2) ** 2), 0, radius)[0]
    assert core == pytest.approx(cusp, rel=2e-6)


@pytest.mark.parametrize(("beta", "ratio"), [(2.5, 0.720), (3.5, 0.811), (4.5, 0.858)])
def test_core_width_over_psfsize_is_the_one_of_the_conventions(beta, ratio):
    assert float(light.moffat_fwhm(1.0, beta)) == pytest.approx(ratio, abs=6e-4)


@pytest.mark.parametrize("beta", [2.5, 3.5, 4.5])
def test_a_moffat_image_has_the_noise_equivalent_area_of_its_psfsize(beta):
    psf = light.moffat(light.moffat_fwhm(1.3, beta), beta, 301, 0.1)
    area = 0.1**2 / np.sum(psf**2)
    assert 2.3548 * np.sqrt(area / (4 * np.pi)) == pytest.approx(1.3, rel=5e-3)
    assert psf.sum() == pytest.approx(1)


def test_a_moffat_image_falls_to_half_at_half_its_width():
    psf = light.moffat(2.0, 2.5, 41, 0.1)
    assert psf[20, 30] == pytest.approx(psf[20, 20] / 2)


@pytest.mark.parametrize("beta", [2.5, 3.5, 4.5])
def test_core_width_of_a_moffat_image_is_its_fwhm(beta):
    images = np.stack([light.moffat(width, beta, 61, 0.262) for width in (0.8, 1.4)])
    np.testing.assert_allclose(light.core_fwhm(images, 0.262), [0.8, 1.4], rtol=0.02)
    assert np.isnan(light.core_fwhm(np.zeros((5, 5)), 0.262))


def test_core_width_is_that_of_a_spline_through_the_image_and_the_same_bits_alone_or_among_others():
    widths = np.linspace(0.7, 2.0, 24).reshape(8, 3)
    images = np.stack([light.moffat(width, 3.0, 61, 0.262) for width in widths.ravel()]).reshape(8, 3, 61, 61)
    found = light.core_fwhm(images, 0.262)
    for row, band in np.ndindex(8, 3):
        assert light.core_fwhm(images[row : row + 1, band], 0.262)[0] == found[row, band]
    spline = RectBivariateSpline(np.arange(21), np.arange(21), images[4, 1, 20:41, 20:41])(
        np.linspace(0, 20, 101), np.linspace(0, 20, 101)
    )
    assert found[4, 1] == pytest.approx(2 * np.sqrt((spline > spline.max() / 2).sum() / np.pi) / 5 * 0.262, rel=1e-12)


def test_half_light_radius_of_a_gaussian_is_1_177_sigma():
    r = np.arange(121) - 60
    image = np.exp(-((r - 7.0) ** 2 + (r[:, None] + 4.0) ** 2) / (2 * 10.0**2))
    radius, centre = light.half_light_radius(image / image.sum(), 0.03)
    assert radius == pytest.approx(1.1774 * 10 * 0.03, rel=0.01)
    assert centre == (pytest.approx(67, abs=0.01), pytest.approx(56, abs=0.01))
