"""The light of one object as GalSim profiles, each with its flux in every band."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import galsim
import numpy as np

from lenscal import schema
from lenscal.kernels import draws, magnitudes
from lenscal.mock import lenses, raytracing

ACCURACY = galsim.GSParams(folding_threshold=2e-2, kvalue_accuracy=1e-4, maxk_threshold=3e-3, maximum_fft_size=8192)
TRUNCATION = 8  # half-light radii, as Tractor truncates its profiles
_GRID = 0.131  # arcsec, of the patterns
_RED_GR, _RED_RZ = 1.35, 0.75  # of bulges and cores
_RED = {"g": _RED_GR, "r": 0.0, "i": magnitudes.i_between(0.0, -_RED_RZ), "z": -_RED_RZ}
"""Magnitudes of bulges and cores less that in r."""


@lru_cache(maxsize=128)
def _sersic(n: float) -> galsim.GSObject:
    trunc = TRUNCATION if n >= 1.5 else 0  # flatter profiles end by themselves
    return galsim.Sersic(n=n, half_light_radius=1.0, trunc=trunc, gsparams=ACCURACY)


def sersic(n: float, r_e: float, q: float, pa: float) -> galsim.GSObject:
    """Sersic profile of unit flux: semi-major half-light radius [arcsec], PA in degrees
    East of North (x grows West).
    """
    round_ = _sersic(float(n)).dilate(r_e * np.sqrt(q))
    return round_ if q > 0.999 else round_.shear(galsim.Shear(q=q, beta=(pa + 90) * galsim.degrees))


def _from_pixels(image: np.ndarray, scale: float) -> galsim.GSObject:
    return galsim.InterpolatedImage(
        galsim.Image(np.ascontiguousarray(image), scale=scale),
        x_interpolant="linear",
        flux=1.0,
        calculate_stepk=False,
        calculate_maxk=False,
        gsparams=ACCURACY,
    )


def _disc_plane(row: dict, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Radius [arcsec] and angle in the plane of an inclined disc, over a square of the sky."""
    count = 2 * int(np.ceil(reach / _GRID)) + 1
    axis = (np.arange(count) - count // 2) * _GRID
    x, y = np.meshgrid(axis, axis)
    turned = (x + 1j * y) * np.exp(-1j * np.radians(row["pa"] + 90))
    plane = turned.real + 1j * turned.imag / row["q"]
    return np.abs(plane) + 1e-6, np.angle(plane)


def _spiral(row: dict) -> galsim.GSObject:
    radius, angle = _disc_plane(row, 4.2 * row["r_e"])
    scale = row["r_e"]
    winding = np.cos(
        row["arms"] * (angle - np.log(radius / scale) / np.tan(np.radians(row["pitch"]))) - np.radians(row["phase"])
    )
    ridge = np.exp(2.2 * (winding - 1))  # narrow arms, wide gaps
    inner = radius**2 / (radius**2 + (0.35 * scale) ** 2)
    disc = np.exp(-1.68 * radius / scale)
    light = disc * (1 - row["arm_strength"] * inner + 2.6 * row["arm_strength"] * inner * ridge)
    rng = draws.generator(0, "mock-pattern", int(row["pattern_seed"]))
    for _ in range(14):  # star-forming knots along the arms
        r = scale * rng.uniform(0.5, 1.8)
        theta = (
            np.log(r / scale) / np.tan(np.radians(row["pitch"]))
            + (np.radians(row["phase"]) + 2 * np.pi * rng.integers(4)) / row["arms"]
        )
        distance = np.abs(radius * np.exp(1j * angle) - r * np.exp(1j * theta))
        light = light + rng.uniform(0.2, 0.7) * np.exp(-1.68 * r / scale) * np.exp(-0.5 * (distance / 0.3) ** 2)
    return _from_pixels(np.where(radius < 4 * scale, light, 0.0), _GRID)


def _ring(row: dict) -> galsim.GSObject:
    radius, angle = _disc_plane(row, row["ring_radius"] + 5 * row["ring_width"])
    light = np.exp(-0.5 * ((radius - row["ring_radius"]) / row["ring_width"]) ** 2)
    phase = np.radians(row["phase"])
    return _from_pixels(light * (1 + 0.3 * np.cos(angle - phase) + 0.25 * np.cos(3 * angle + 2 * phase)), _GRID)


def _clumps(row: dict) -> galsim.GSObject:
    radius, angle = _disc_plane(row, 3.2 * row["r_e"])
    light = 0.5 * np.exp(-1.68 * radius / row["r_e"])
    rng = draws.generator(0, "mock-pattern", int(row["pattern_seed"]))
    for _ in range(int(row["clumps"])):
        centre = row["r_e"] * 1.3 * np.sqrt(rng.uniform()) * np.exp(2j * np.pi * rng.uniform())
        distance = np.abs(radius * np.exp(1j * angle) - centre)
        light = light + rng.uniform(0.4, 1.2) * np.exp(-0.5 * (distance / rng.uniform(0.2, 0.4)) ** 2)
    return _from_pixels(np.where(radius < 3 * row["r_e"], light, 0.0), _GRID)


def _tail(row: dict) -> galsim.GSObject:
    """A curved stream that leaves the galaxy towards its companion and fades."""
    reach = 8.0
    count = 2 * int(np.ceil(reach / _GRID)) + 1
    axis = (np.arange(count) - count // 2) * _GRID
    x, y = np.meshgrid(axis, axis)
    turned = (x + 1j * y) * np.exp(-1j * np.radians(row["tail_angle"]))
    u, v = turned.real, turned.imag
    width = 0.45 + 0.05 * np.abs(u)
    bend = 0.09 * u**2 * (-1) ** int(row["pattern_seed"])
    light = np.exp(-0.5 * ((v - bend) / width) ** 2) * np.exp(-np.abs(u) / 2.6) * (np.hypot(u, v) < 7.5)
    return _from_pixels(light, _GRID)


def _arcs(row: dict) -> galsim.GSObject:
    lens, source = lenses.split_keys(row)
    image, _ = raytracing.lensed(lens, source, lenses.half_width(lens["theta_e"], source["r_e"]))
    return _from_pixels(image, raytracing.GRID)


def _two_colours(flux: np.ndarray, share: float, bands: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Red part with that share of the r flux, and the rest, which is bluer by as much as the total asks."""
    red = share * flux[1] * np.array([10 ** (-0.4 * _RED[band]) for band in bands])
    red = np.minimum(red, 0.85 * flux)
    return red, flux - red


def components(
    row: dict, flux: np.ndarray, bands: Sequence[str] = schema.BANDS
) -> list[tuple[galsim.GSObject | None, np.ndarray, float]]:
    """Profiles of an object.

    Parameters
    ----------
    row : dict
        Of the truth table.
    flux : (band,) array
        Observed flux [nanomaggy], of the whole object (of the deflector for a lens).
    bands : sequence of str
        Of the fluxes; g and r are the first.

    Returns
    -------
    list of (profile of unit flux or None for a point, flux in each band [nanomaggy], reach in arcsec)
    """
    kind = row["kind"]
    r_e = row["r_e"]
    if r_e == 0:
        return [(None, flux, 0.0)]
    smooth = min(TRUNCATION * r_e, 24.0)
    whole = sersic(row["n"], r_e, row["q"], row["pa"])
    if kind == "spiral":
        red, blue = _two_colours(flux, row["bulge"], bands)
        return [(sersic(2.0, 0.28 * r_e, 0.95, row["pa"]), red, 3 * r_e), (_spiral(row), blue, 4.2 * r_e)]
    if kind == "ring":
        red, blue = _two_colours(flux, row["bulge"], bands)
        return [
            (sersic(2.0, 0.35 * r_e, 0.95, row["pa"]), red, 4 * r_e),
            (_ring(row), blue, row["ring_radius"] + 5 * row["ring_width"]),
        ]
    if kind == "edge_on":
        red, blue = _two_colours(flux, row["bulge"], bands)
        return [(sersic(2.0, 0.25 * r_e, 0.8, row["pa"]), red, 3 * r_e), (whole, blue, smooth)]
    if kind == "clumpy":
        return [(_clumps(row), flux, 3.2 * r_e)]
    if kind == "merger":
        tail = row["tail_fraction"]
        return [(whole, (1 - tail) * flux, smooth), (_tail(row), tail * flux, 8.0)]
    if kind == "lens":
        lensed = np.array([row[f"lensed_flux_{band}"] for band in bands])
        if not lensed.any():
            return [(whole, flux, smooth)]
        return [(whole, flux, smooth), (_arcs(row), lensed, lenses.half_width(row["lens_theta_e"], row["source_r_e"]))]
    return [(whole, flux, smooth)]
