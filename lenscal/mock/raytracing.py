"""Lensed images of the embedded sky, by a code of its own: an isothermal ellipse and shear, shot ray by ray.

The deflection is summed as the angular series of Tessore & Metcalf (2015, A&A 580, A79, eqs. 21-29), not taken from the
closed form that the injections use, so that the two cannot share a mistake.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lenscal.kernels import draws

GRID = 0.0655  # arcsec: a quarter of a pixel


def deflection(
    x: np.ndarray, y: np.ndarray, theta_e: float, q: float, phi: float, gamma1: float, gamma2: float
) -> tuple[np.ndarray, np.ndarray]:
    """Deflection [arcsec] at image-plane positions [arcsec] from the lens centre.

    Parameters
    ----------
    theta_e : float
        Einstein radius, intermediate axis: the critical curve without shear encloses pi theta_e^2.
    q, phi : float
        Axis ratio of the mass, and angle of its major axis counter-clockwise from +x in radians.
    gamma1, gamma2 : float
        External shear.
    """
    z = (x + 1j * y) * np.exp(-1j * phi)
    angle = np.exp(1j * np.arctan2(z.imag, q * z.real))
    f = (1 - q) / (1 + q)
    term, total = angle, angle.copy()
    for k in range(1, 40):
        term = -f * (2 * k - 1) / (2 * k + 1) * angle**2 * term
        total = total + term
    alpha = 2 * theta_e * np.sqrt(q) / (1 + q) * total * np.exp(1j * phi)
    return alpha.real + gamma1 * x + gamma2 * y, alpha.imag + gamma2 * x - gamma1 * y


def source_light(x: np.ndarray, y: np.ndarray, source: dict) -> np.ndarray:
    """Surface brightness, in arbitrary units, of a disc with two arms and bright knots.

    `source` holds r_e [arcsec], n, q, phi [radian], arms (strength, 0 to 1), knots (number), knot_seed.
    """
    turned = (x + 1j * y) * np.exp(-1j * source["phi"])
    u, v = turned.real, turned.imag / source["q"]
    radius = np.hypot(u, v) + 1e-9
    b = 2 * source["n"] - 1 / 3 + 4 / (405 * source["n"])
    disc = np.exp(-b * ((radius / source["r_e"]) ** (1 / source["n"]) - 1))
    winding = np.cos(2 * (np.arctan2(v, u) - 2.2 * np.log(radius / source["r_e"] + 0.1)))
    light = disc * (1 + source["arms"] * winding * radius / (radius + 0.5 * source["r_e"]))
    rng = draws.generator(0, "mock-knots", int(source["knot_seed"]))
    for _ in range(int(source["knots"])):
        r, angle = source["r_e"] * (0.4 + 1.2 * rng.uniform()), 2 * np.pi * rng.uniform()
        size = 0.22 * source["r_e"]
        distance = np.hypot(u - r * np.cos(angle), v - r * np.sin(angle))
        light = light + (1.5 + 1.5 * rng.uniform()) * np.exp(-0.5 * (distance / size) ** 2)
    return np.where(radius < 6 * source["r_e"], light, 0.0)


def lensed(
    lens: dict, source: dict, half_width: float, grid: float = GRID, light: Callable = source_light
) -> tuple[np.ndarray, float]:
    """Lensed image of a source and its magnification.

    Parameters
    ----------
    lens : dict
        theta_e, q, phi, gamma1, gamma2.
    source : dict
        x, y [arcsec] in the source plane from the lens, and what `light` needs.
    half_width : float
        Of the square of rays, in arcsec.

    Returns
    -------
    image : (m, m) array
        Lensed surface brightness x area for a source of unit flux; its sum is the magnification.
    magnification : float
    """
    count = int(np.ceil(half_width / grid)) * 2 + 1
    axis = (np.arange(count) - (count - 1) / 2) * grid
    x, y = np.meshgrid(axis, axis)
    alpha_x, alpha_y = deflection(
        x + 1e-7, y + 1e-7, lens["theta_e"], lens["q"], lens["phi"], lens["gamma1"], lens["gamma2"]
    )
    image = light(x - alpha_x - source["x"], y - alpha_y - source["y"], source)
    fine = np.linspace(-7 * source["r_e"], 7 * source["r_e"], 241)
    u, v = np.meshgrid(fine, fine)
    total = light(u, v, source).sum() * (fine[1] - fine[0]) ** 2
    image = image * (grid**2 / total)
    return image, float(image.sum())
