"""Rays through a lens, many at a time and in single precision."""

import math

import numpy as np

from lenscal.kernels.compiled import inner
from lenscal.kernels.fastmath import FLAGS, atan_ratio, atanh_ratio, select

_f4 = np.float32

LENS_FIELDS = ("theta_e", "q", "phi", "gamma1", "gamma2", "lens_x", "lens_y")


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def rays(x, y, lens) -> tuple:
    """Source-plane position of a ray, psi, and whether the ray is kept (see `pack_lens`)."""
    q2, f, scale, c, s, lens_x, lens_y, g1, g2, _, _, inner, away_u, away_v = lens
    dx, dy = x - lens_x, y - lens_y
    u = c * dx + s * dy
    v = c * dy - s * dx
    psi = math.sqrt(q2 * u * u + v * v) + _f4(1e-9)
    t = scale * atan_ratio(abs(f * u), psi)
    alpha_u = select(u >= _f4(0.0), t, -t)
    alpha_v = scale * atanh_ratio(f * v, psi)
    kept = select((psi < inner) & (u * away_u + v * away_v > _f4(0.0)), _f4(0.0), _f4(1.0))
    beta_x = x - (c * alpha_u - s * alpha_v) - g1 * x - g2 * y
    beta_y = y - (s * alpha_u + c * alpha_v) - g2 * x + g1 * y
    return beta_x, beta_y, psi, kept


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def _stretch(psi, size, lens):
    """Largest stretch of the lens map within a cell: kappa at the point of the cell nearest to the lens."""
    kappa = lens[9] / max(psi - _f4(0.75) * size, _f4(0.05) * size)
    return max(_f4(1.0), _f4(2.0) * kappa - _f4(1.0)) + lens[10]


@inner(error_model="numpy", forceinline=True)
def pack_lens(row, source_x, source_y, inner_images) -> tuple:
    """The constants of one lens, single precision; row as in LENS_FIELDS.

    Without inner images, rays are dropped that pass inside the critical curve (kappa > 1/2) on the side of the lens
    away from the source.
    """
    theta_e, q, phi, g1, g2, lens_x, lens_y = row[0], row[1], row[2], row[3], row[4], row[5], row[6]
    q = min(q, 1 - 5e-7)  # the deflection is that of q = 1 within 1e-6 of theta_e
    f = math.sqrt((1 - q) * (1 + q))
    c, s = math.cos(phi), math.sin(phi)
    dx, dy = lens_x - source_x, lens_y - source_y
    inner = 0.0 if inner_images else theta_e * math.sqrt(q)
    return (
        _f4(q * q),
        _f4(f),
        _f4(theta_e * math.sqrt(q) / f),
        _f4(c),
        _f4(s),
        _f4(lens_x),
        _f4(lens_y),
        _f4(g1),
        _f4(g2),
        _f4(0.5 * theta_e * math.sqrt(q)),
        _f4(math.hypot(g1, g2)),
        _f4(inner),
        _f4(c * dx + s * dy),
        _f4(c * dy - s * dx),
    )


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def deflection(x, y, lens, alpha_x, alpha_y) -> None:
    """Deflection of the batch kernels, single precision, for rays in float32 arrays."""
    for k in range(np.uint64(x.size)):
        beta_x, beta_y, _, _ = rays(x[k], y[k], lens)
        alpha_x[k] = x[k] - beta_x
        alpha_y[k] = y[k] - beta_y
