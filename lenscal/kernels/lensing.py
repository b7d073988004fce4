"""Singular isothermal ellipsoid with external shear, in double precision; conventions in docs/conventions.md.

Kormann, Schneider & Bartelmann (1994), intermediate-axis normalisation. With u along the major axis, v along the minor
one, f = sqrt(1 - q^2) and psi = sqrt(q^2 u^2 + v^2):

    alpha_u = theta_e sqrt(q)/f atan(f u/psi),  alpha_v = theta_e sqrt(q)/f atanh(f v/psi),
    kappa = theta_e sqrt(q)/(2 psi)
"""

import numpy as np


def _lens_frame(x, y, phi, lens_x, lens_y):
    c, s = np.cos(phi), np.sin(phi)
    dx, dy = x - lens_x, y - lens_y
    return c * dx + s * dy, c * dy - s * dx, c, s


def _atan_over(t):
    # atan(t)/t, by its series where t is small, so that q -> 1 has no seam.
    z = t * t
    series = 1 - z * (1 / 3 - z * (1 / 5 - z * (1 / 7 - z / 9)))
    return np.where(z < 1e-4, series, np.arctan(t) / np.where(t == 0, 1, t))


def _atanh_over(t):
    z = t * t
    series = 1 + z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z / 9)))
    return np.where(z < 1e-4, series, np.arctanh(t) / np.where(t == 0, 1, t))


def deflection(x, y, theta_e, q, phi=0.0, gamma1=0.0, gamma2=0.0, lens_x=0.0, lens_y=0.0) -> tuple:
    """Deflection of the lens and the shear; a ray at (x, y) comes from (x, y) minus this.

    Parameters
    ----------
    x, y : float or array
        In the lens plane, arcsec from the stamp's centre.
    theta_e : float
        Einstein radius on the intermediate axis, arcsec.
    q, phi : float
        Axis ratio in (0, 1], and the angle of the major axis from +x, radians.
    gamma1, gamma2 : float
        External shear about the stamp's centre.
    lens_x, lens_y : float
        Centre of the lens, arcsec.

    Returns
    -------
    tuple of float or array
        (alpha_x, alpha_y), arcsec; the lens's own part is 0 at its centre, where it has no direction.
    """
    u, v, c, s = _lens_frame(x, y, phi, lens_x, lens_y)
    f = np.sqrt((1 - q) * (1 + q))
    psi = np.hypot(q * u, v)
    safe = np.where(psi > 0, psi, 1.0)
    scale = theta_e * np.sqrt(q) / safe
    alpha_u = scale * u * _atan_over(f * u / safe)
    alpha_v = scale * v * _atanh_over(f * v / safe)
    return (
        c * alpha_u - s * alpha_v + gamma1 * x + gamma2 * y,
        s * alpha_u + c * alpha_v + gamma2 * x - gamma1 * y,
    )


def convergence(x, y, theta_e, q, phi=0.0, lens_x=0.0, lens_y=0.0) -> np.ndarray:
    """Surface mass density of the lens over the critical one (arguments as in `deflection`); infinite at its centre."""
    u, v, _, _ = _lens_frame(x, y, phi, lens_x, lens_y)
    with np.errstate(divide="ignore"):
        return theta_e * np.sqrt(q) / (2 * np.hypot(q * u, v))


def shear(x, y, theta_e, q, phi=0.0, gamma1=0.0, gamma2=0.0, lens_x=0.0, lens_y=0.0) -> tuple:
    """Both components of the total shear: the lens's own, of size kappa and tangential to its
    centre, plus the external.

    Returns
    -------
    tuple of float or array
        (gamma_1, gamma_2); the Jacobian of the lens map is ((1 - kappa - gamma_1, -gamma_2), (-gamma_2, 1 - kappa +
        gamma_1)).
    """
    kappa = convergence(x, y, theta_e, q, phi, lens_x, lens_y)
    dx, dy = x - lens_x, y - lens_y
    r2 = dx * dx + dy * dy
    return gamma1 - kappa * (dx * dx - dy * dy) / r2, gamma2 - kappa * 2 * dx * dy / r2


def jacobian_determinant(x, y, theta_e, q, phi=0.0, gamma1=0.0, gamma2=0.0, lens_x=0.0, lens_y=0.0) -> np.ndarray:
    """Determinant of the lens map, one over the signed magnification of a point; arguments as in `deflection`."""
    kappa = convergence(x, y, theta_e, q, phi, lens_x, lens_y)
    g1, g2 = shear(x, y, theta_e, q, phi, gamma1, gamma2, lens_x, lens_y)
    return (1 - kappa) ** 2 - g1 * g1 - g2 * g2
