"""The lens is the singular isothermal ellipsoid of the conventions, for every axis ratio."""

import numpy as np
import pytest
from from_python import called

from lenscal.kernels import lensing, rays

pack_lens, deflection = called(rays.pack_lens), called(rays.deflection)

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(-4, 4, (2, 400))
LENS = {"theta_e": 1.3, "q": 0.6, "phi": 0.7, "lens_x": 0.2, "lens_y": -0.1}
SHEAR = {"gamma1": 0.04, "gamma2": -0.07}


def numerical_jacobian(x, y, step=1e-5, **lens):
    ax1, ay1 = lensing.deflection(x + step, y, **lens)
    ax0, ay0 = lensing.deflection(x - step, y, **lens)
    bx1, by1 = lensing.deflection(x, y + step, **lens)
    bx0, by0 = lensing.deflection(x, y - step, **lens)
    return (ax1 - ax0) / (2 * step), (bx1 - bx0) / (2 * step), (ay1 - ay0) / (2 * step), (by1 - by0) / (2 * step)


def test_a_round_lens_deflects_by_its_einstein_radius_everywhere():
    ax, ay = lensing.deflection(X, Y, 1.3, 1.0)
    r = np.hypot(X, Y)
    np.testing.assert_allclose(ax, 1.3 * X / r, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ay, 1.3 * Y / r, rtol=0, atol=1e-12)


@pytest.mark.parametrize("q", [0.2, 0.5, 0.9, 0.999])
def test_deflection_is_the_closed_form_to_1e_8(q):
    f = np.sqrt(1 - q**2)
    psi = np.sqrt(q**2 * X**2 + Y**2)
    ax, ay = lensing.deflection(X, Y, 1.3, q)
    np.testing.assert_allclose(ax, 1.3 * np.sqrt(q) / f * np.arctan(f * X / psi), rtol=0, atol=1e-8)
    np.testing.assert_allclose(ay, 1.3 * np.sqrt(q) / f * np.arctanh(f * Y / psi), rtol=0, atol=1e-8)


def test_convergence_is_the_closed_form_to_1e_8():
    kappa = lensing.convergence(X, Y, 1.3, 0.6)
    np.testing.assert_allclose(kappa, 1.3 / (2 * np.sqrt(0.6 * X**2 + Y**2 / 0.6)), rtol=1e-8)


def test_there_is_no_seam_as_the_lens_becomes_round():
    for q in [*(1 - np.geomspace(1e-15, 1e-2, 80)), 1.0]:
        f = np.sqrt((1 - q) * (1 + q)) or 1e-300
        psi = np.sqrt(q**2 * X**2 + Y**2)
        ax, ay = lensing.deflection(X, Y, 1.3, q)
        np.testing.assert_allclose(ax, 1.3 * np.sqrt(q) * np.arctan(f * X / psi) / f, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ay, 1.3 * np.sqrt(q) * np.arctanh(f * Y / psi) / f, rtol=0, atol=1e-12)


def test_divergence_is_twice_the_convergence_and_curl_is_zero():
    far = np.hypot(X - 0.2, Y + 0.1) > 0.1
    xx, xy, yx, yy = numerical_jacobian(X[far], Y[far], **LENS, **SHEAR)
    np.testing.assert_allclose(xx + yy, 2 * lensing.convergence(X[far], Y[far], **LENS), rtol=1e-5)
    np.testing.assert_allclose(xy - yx, 0, atol=1e-7)


def test_shear_and_determinant_are_those_of_the_deflection():
    far = np.hypot(X - 0.2, Y + 0.1) > 0.1
    x, y = X[far], Y[far]
    xx, xy, yx, yy = numerical_jacobian(x, y, **LENS, **SHEAR)
    g1, g2 = lensing.shear(x, y, **LENS, **SHEAR)
    np.testing.assert_allclose(g1, (xx - yy) / 2, atol=1e-5)
    np.testing.assert_allclose(g2, xy, atol=1e-5)
    determinant = lensing.jacobian_determinant(x, y, **LENS, **SHEAR)
    np.testing.assert_allclose(determinant, (1 - xx) * (1 - yy) - xy * yx, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_area_inside_the_critical_curve_is_pi_theta_e_squared(q):
    # Along each direction the determinant changes sign once: found by bisection, then the area in polar coordinates.
    angle = (np.arange(720) + 0.5) * np.pi / 360
    low, high = np.full(720, 1e-3), np.full(720, 10.0)
    for _ in range(60):
        r = (low + high) / 2
        inside = lensing.jacobian_determinant(r * np.cos(angle), r * np.sin(angle), 1.3, q, 0.4) < 0
        low, high = np.where(inside, r, low), np.where(inside, high, r)
    area = np.sum(low**2) / 2 * np.pi / 360
    assert area == pytest.approx(np.pi * 1.3**2, rel=1e-8)


def test_magnification_of_a_point_behind_a_round_lens_is_two_theta_e_over_beta():
    theta_e, beta = 1.3, 0.25
    images = np.array([theta_e + beta, beta - theta_e])
    mu = 1 / lensing.jacobian_determinant(images, 0.0, theta_e, 1.0)
    assert np.abs(mu).sum() == pytest.approx(2 * theta_e / beta, rel=1e-10)
    assert mu[0] > 0 > mu[1]


def test_the_major_axis_of_the_mass_lies_at_phi():
    phi = 0.5
    along = lensing.convergence(np.cos(phi), np.sin(phi), 1.0, 0.5, phi)
    across = lensing.convergence(-np.sin(phi), np.cos(phi), 1.0, 0.5, phi)
    assert along > across
    assert along == pytest.approx(1 / (2 * np.sqrt(0.5)))


def test_shear_stretches_along_its_own_angle_about_the_stamps_centre():
    ax, ay = lensing.deflection(1.0, 0.0, 1e-9, 1.0, gamma1=0.1, gamma2=0.03, lens_x=5.0)
    assert (ax, ay) == (pytest.approx(0.1, abs=1e-8), pytest.approx(0.03, abs=1e-8))


@pytest.mark.parametrize("q", [0.3, 0.8, 0.99, 0.9999, 1.0])
def test_the_batch_kernel_deflects_as_the_closed_form_to_1e_6(q):
    row = np.array([1.3, q, 0.7, 0.04, -0.07, 0.2, -0.1])
    lens = tuple(map(np.float32, pack_lens(row, 0.0, 0.0, True)))
    x, y = X.astype(np.float32), Y.astype(np.float32)
    ax, ay = np.empty_like(x), np.empty_like(x)
    deflection(x, y, lens, ax, ay)
    want = lensing.deflection(x.astype(float), y.astype(float), *row[:3], *row[3:])
    scale = np.hypot(*want)
    assert np.abs(ax - want[0]).max() < 1.5e-6 * scale.max()
    assert np.abs(ay - want[1]).max() < 1.5e-6 * scale.max()
