"""The slow twin of the renderer: adaptive cubature in double precision, and convolution on a grid four times as fine.

Every node of the cubature is shared among 8 x 8 grid points by B-splines of order 8, whose transform is divided out
(aliasing below (1/7)^8 at the pixels' Nyquist frequency); the renderer uses other nodes, another grid, another order.
"""

import math

import numpy as np
from numba import njit
from scipy.special import gamma, gammaincinv

FINE = 4  # grid points along a pixel
ORDER = 8
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
def _rule(x, y, h, lens, source, b, central, nodes, weights, values):
    total = 0.0
    for i in range(4):
        for j in range(4):
            light = _brightness(x + nodes[j] * h, y + nodes[i] * h, lens, source, b, central)
            values[i, j] = weights[i] * weights[j] * light * h * h
            total += values[i, j]
    return total


@njit(cache=True)
def _spline(t, out):
    """Values at t, t + 1, ... of the centred B-spline's pieces for a fraction t in [0, 1), by Cox and de Boor."""
    out[:] = 0
    out[0] = 1.0
    for order in range(2, ORDER + 1):
        for k in range(order - 1, -1, -1):
            left = (t + k) * out[k]
            right = (order - t - k) * out[k - 1] if k else 0.0
            out[k] = (left + right) / (order - 1)


@njit(cache=True)
def _cells(ny, nx, h, lens, source, b, central, tolerance, nodes, weights):
    out = np.zeros((ny, nx))
    points = np.zeros((ny + 2 * ORDER, nx + 2 * ORDER))
    stack = np.zeros((4 * _DEPTH + 8, 3))
    values, wx, wy = np.zeros((4, 4)), np.zeros(ORDER), np.zeros(ORDER)
    for i in range(ny):
        for j in range(nx):
            stack[0] = (j - (nx - 1) / 2) * h, (i - (ny - 1) / 2) * h, h
            top = 1
            while top:
                top -= 1
                x, y, size = stack[top]
                whole = _rule(x, y, size, lens, source, b, central, nodes, weights, values)
                parts = 0.0
                for k in range(4):
                    px, py = x + (k % 2 - 0.5) * size / 2, y + (k // 2 - 0.5) * size / 2
                    parts += _rule(px, py, size / 2, lens, source, b, central, nodes, weights, values)
                if abs(parts - whole) > tolerance and size > h * 2.0**-_DEPTH:
                    for k in range(4):
                        stack[top] = x + (k % 2 - 0.5) * size / 2, y + (k // 2 - 0.5) * size / 2, size / 2
                        top += 1
                    continue
                out[i, j] += _rule(x, y, size, lens, source, b, central, nodes, weights, values)
                for a in range(4):
                    for c in range(4):
                        # The spline of even order is centred on a point: its first piece is ORDER/2 - 1 points before.
                        fx = (x + nodes[c] * size) / h + (nx - 1) / 2 + ORDER
                        fy = (y + nodes[a] * size) / h + (ny - 1) / 2 + ORDER
                        _spline(fx - math.floor(fx), wx)
                        _spline(fy - math.floor(fy), wy)
                        for k in range(ORDER):
                            for m in range(ORDER):
                                row, column = int(fy) + ORDER // 2 - k, int(fx) + ORDER // 2 - m
                                points[row, column] += values[a, c] * wy[k] * wx[m]
    return out, points[ORDER:-ORDER, ORDER:-ORDER]


def light(lens, source, size, pixel_scale=0.262, tolerance=1e-6):
    """A source of unit flux on (4 size, 4 size) cells a quarter of a pixel wide: flux per cell, and splined points.

    A cell is split until its rule and that of its four quarters agree within `tolerance`.
    """
    lens, source = tuple(map(float, lens)), tuple(map(float, source))
    n, r_e = source[:2]
    b = float(gammaincinv(2 * n, 0.5))
    central = b ** (2 * n) / (2 * math.pi * n * r_e**2 * gamma(2 * n))
    return _cells(FINE * size, FINE * size, pixel_scale / FINE, lens, source, b, central, tolerance, _NODES, _WEIGHTS)


def pixel_fluxes(cells):
    """Cells summed to pixels."""
    n = cells.shape[0] // FINE
    return cells.reshape(n, FINE, n, FINE).sum((1, 3))


def convolve(points, psf):
    """Splined points convolved with an effective PSF that holds no frequency above the pixels', at pixel centres."""
    n = points.shape[0] // FINE
    size = n + psf.shape[0]
    spectrum = np.fft.fft2(points, (FINE * size, FINE * size))
    k = np.fft.fftfreq(size, 1 / size).astype(int)
    spectrum = spectrum[np.ix_(k, k)]
    f = k / size
    # A pixel's centre is (FINE - 1)/2 points after its first one.
    factor = np.exp(2j * np.pi * f * (FINE - 1) / (2 * FINE)) / np.sinc(f / FINE) ** ORDER
    half = psf.shape[0] // 2
    kernel = np.zeros((size, size))
    kernel[: psf.shape[0], : psf.shape[1]] = psf
    transform = np.fft.fft2(np.roll(kernel, (-half, -half), (0, 1)))
    return np.fft.ifft2(spectrum * np.outer(factor, factor) * transform).real[:n, :n]
