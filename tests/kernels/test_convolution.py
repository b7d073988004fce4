"""Light convolved with a PSF on half-pixel cells is the exact convolution at pixel centres, without
aliasing or wrap-around.
"""

import numpy as np
import pytest
from from_python import called

from lenscal.kernels import convolution, imaging, light, spreading

spectrum, convolve = called(convolution.spectrum), called(convolution.convolve)

SCALE = 0.262


def run(grid, points, psf, size, includes_pixel=True):
    torus = imaging.torus((size, size), psf.shape)
    transform = convolution.psf_transform(psf, torus, includes_pixel)
    work = convolution.work_space(torus)
    out = np.zeros((size, size), np.float32)
    spectrum(grid, points, work)
    convolve(transform, 1.0, imaging.MARGIN, work, out)
    return out


def empty(size):
    sides, origin = imaging.geometry((size, size), SCALE)
    return np.zeros(sides, np.float32), np.zeros(tuple(n + 2 * spreading.PAD for n in sides), np.float32), origin


def blob(size, x, y, sigma):
    """A Gaussian as flux of cells, and its exact image after a Gaussian PSF."""
    grid, points, (left, bottom, cell) = empty(size)
    cx = left + (np.arange(grid.shape[1]) + 0.5) * cell - x
    cy = bottom + (np.arange(grid.shape[0]) + 0.5) * cell - y
    grid[:] = np.exp(-(cx**2 + cy[:, None] ** 2) / (2 * sigma**2)) * cell**2 / (2 * np.pi * sigma**2)
    return grid, points


def gaussian(size, sigma, x=0.0, y=0.0):
    r = (np.arange(size) - (size - 1) / 2) * SCALE
    return np.exp(-((r - x) ** 2 + (r[:, None] - y) ** 2) / (2 * sigma**2)) * SCALE**2 / (2 * np.pi * sigma**2)


@pytest.mark.parametrize("size", [41, 64])
def test_gaussians_convolve_to_a_gaussian_of_both_widths(size):
    grid, points = blob(size, 0.7, -0.4, 0.3)
    out = run(grid, points, gaussian(41, 0.5), size)
    want = gaussian(size, np.hypot(0.3, 0.5), 0.7, -0.4)
    assert np.abs(out - want).max() < 1e-4 * want.max()


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.043, -0.101), (0.4, 0.131)])
def test_a_point_between_cells_becomes_the_psf_about_that_point(x, y):
    size = 41
    grid, points, (left, bottom, cell) = empty(size)
    column, row = ((a - low) / cell - 0.5 + spreading.PAD for a, low in ((x, left), (y, bottom)))
    called(spreading._spread)(
        points.reshape(-1), np.uint64(points.shape[1]), np.float32(column), np.float32(row), np.float32(1)
    )
    out = run(grid, points, gaussian(41, 0.45), size)
    want = gaussian(size, 0.45, x, y)
    assert np.abs(out - want).max() < 1e-3 * want.max()


def test_an_optical_psf_is_given_the_pixel():
    size = 41
    grid, points = blob(size, 0.0, 0.0, 0.3)
    out = run(grid, points, gaussian(41, 0.5), size, includes_pixel=False)
    # Gaussian of both widths, averaged over pixels by a fine sum.
    fine = 16
    r = (np.arange(size * fine) - (size * fine - 1) / 2) * SCALE / fine
    sigma = np.hypot(0.3, 0.5)
    image = np.exp(-(r**2 + r[:, None] ** 2) / (2 * sigma**2)) * (SCALE / fine) ** 2 / (2 * np.pi * sigma**2)
    want = image.reshape(size, fine, size, fine).sum((1, 3))
    assert np.abs(out - want).max() < 1e-4 * want.max()


def test_light_at_one_edge_does_not_appear_at_the_other():
    size = 41
    psf = light.moffat(1.5, 2.5, 61, SCALE)
    grid, points = blob(size, (size // 2) * SCALE, 0.0, 0.15)
    out = run(grid, points, psf, size)
    # Further than the PSF image reaches there is nothing: 31 pixels and more from the light.
    assert np.abs(out[:, : size - 31 - 3]).max() < 1e-6 * out.max()


def test_flux_is_conserved():
    size = 101
    grid, points = blob(size, 0.3, 0.2, 0.4)
    out = run(grid, points, light.moffat(1.0, 3.5, 61, SCALE), size)
    assert out.sum(dtype=float) == pytest.approx(grid.sum(dtype=float), rel=2e-5)


@pytest.mark.parametrize(("pixels", "psf"), [(104, 61), (67, 61), (101, 1), (7, 301)])
def test_the_torus_is_large_enough_and_of_small_primes(pixels, psf):
    size = convolution.padded_size(pixels, psf)
    assert pixels + psf // 2 <= size
    assert psf <= size
    rest = size
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    assert rest == 1
