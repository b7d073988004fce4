"""The slow twin of the renderer: adaptive cubature in double precision, and convolution on a grid four times as fine."""

import math

import numpy as np
from numba import njit
from scipy.special import gamma, gammaincinv

FINE = 4  # cells along a pixel
_NODES, _WEIGHTS = (a / 2 for a in np.polynomial.legendre.leggauss(4))
_DEPTH = 16


@njit(cache=True)
def _brightness(x, y, lens, source, b, central):
    theta_e, q, phi, g1, g2, lens_x, lens_y = lens
    n, r_e, source_q, source_phi, source_x, source_y = source
    c, s = math.cos(phi), math.sin(phi)
    u, v = c * (x - lens_x) + s * (y - lens_y), c * (y - lens_y) - s * (x - lens_x)
    psi = math.sqrt(q * q * u * u + v * v)
    if q > 1 - 1e-9:
        au, av = theta_e * u / psi, theta_e * v / psi
    else:
        f = math.sqrt(1 - q * q)
        au = theta_e * math.sqrt(q) / f * math.atan(f * u / psi)
        av = theta_e * math.sqrt(q) / f * math.atanh(f * v / psi)
    bx = x - (c * au - s * av) - g1 * x - g2 * y - source_x
    by = y - (s * au + c * av) - g2 * x + g1 * y - source_y
    c, s = math.cos(source_phi), math.sin(source_phi)
    r2 = source_q * (c * bx + s * by) ** 2 + (c * by - s * bx) ** 2 / source_q
    return central * math.exp(-b * (r2 / r_e**2) ** (0.5 / n))


@njit(cache=True)
def _rule(x, y, h, lens, source, b, central, nodes, weights):
    total = 0.0
    for i in range(4):
        for j in range(4):
            light = _brightness(x + nodes[j] * h, y + nodes[i] * h, lens, source, b, central)
            total += weights[i] * weights[j] * light
    return total * h * h


@njit(cache=True)
def _cells(ny, nx, h, lens, source, b, central, tolerance, nodes, weights):
    out = np.zeros((ny, nx))
    stack = np.zeros((4 * _DEPTH + 8, 4))
    for i in range(ny):
        for j in range(nx):
            x, y = (j - (nx - 1) / 2) * h, (i - (ny - 1) / 2) * h
            stack[0] = x, y, h, _rule(x, y, h, lens, source, b, central, nodes, weights)
            top = 1
            while top:
                top -= 1
                x, y, size, whole = stack[top]
                parts = np.zeros(4)
                for k in range(4):
                    px, py = x + (k % 2 - 0.5) * size / 2, y + (k // 2 - 0.5) * size / 2
                    parts[k] = _rule(px, py, size / 2, lens, source, b, central, nodes, weights)
                if abs(parts.sum() - whole) < tolerance or size < h * 2.0**-_DEPTH:
                    out[i, j] += parts.sum()
                else:
                    for k in range(4):
                        px, py = x + (k % 2 - 0.5) * size / 2, y + (k // 2 - 0.5) * size / 2
                        stack[top] = px, py, size / 2, parts[k]
                        top += 1
    return out


def cell_fluxes(lens, source, size, pixel_scale=0.262, tolerance=1e-7):
    """Flux of a source of unit flux in cells a quarter of a pixel wide, (4 size, 4 size), within `tolerance` each split."""
    lens, source = tuple(map(float, lens)), tuple(map(float, source))
    n, r_e = source[:2]
    b = float(gammaincinv(2 * n, 0.5))
    central = b ** (2 * n) / (2 * math.pi * n * r_e**2 * gamma(2 * n))
    return _cells(FINE * size, FINE * size, pixel_scale / FINE, lens, source, b, central, tolerance, _NODES, _WEIGHTS)


def pixel_fluxes(cells):
    """Cells summed to pixels."""
    n = cells.shape[0] // FINE
    return cells.reshape(n, FINE, n, FINE).sum((1, 3))


def convolve(cells, psf):
    """Cells convolved with an effective PSF that holds no frequency above the pixels', at pixel centres."""
    n = cells.shape[0] // FINE
    size = n + psf.shape[0]
    spectrum = np.fft.fft2(cells, (FINE * size, FINE * size))
    k = np.fft.fftfreq(size, 1 / size).astype(int)
    spectrum = spectrum[np.ix_(k, k)]
    f = k / size
    # A pixel's centre is (FINE - 1)/2 cells after its first cell; a cell is a box of 1/FINE pixel.
    factor = np.exp(2j * np.pi * f * (FINE - 1) / (2 * FINE)) / np.sinc(f / FINE)
    half = psf.shape[0] // 2
    kernel = np.zeros((size, size))
    kernel[: psf.shape[0], : psf.shape[1]] = psf
    transform = np.fft.fft2(np.roll(kernel, (-half, -half), (0, 1)))
    return np.fft.ifft2(spectrum * np.outer(factor, factor) * transform).real[:n, :n]
