"""A lensed source put into an image of one's own: pixels, weights and PSF as arrays, in any bands and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lenscal.arguments import finite, in_unit, positive
from lenscal.errors import InputError
from lenscal.injections import refusing, rendering, sources
from lenscal.kernels import draws

WINDOW = 101
"""Side in pixels of the square about the lens in which light is rendered."""
NEGATIVE_MAX = 0.01
"""Light in negative pixels of a PSF, which fitted ones have a little of."""
AT_REST = ("gamma1", "gamma2", "lens_x", "lens_y")
"""Parameters that are 0 where they are not given."""
ELECTRONS_MAX = 1e15  # in a pixel, above which their noise is less than its last digit
_ANGLES = ("theta_e", "lens_x", "lens_y", "r_e", "source_x", "source_y")


class Injected(NamedTuple):
    """An image with a lensed source in it; arrays have the shape of the image that was given."""

    image: np.ndarray
    """float32, in the unit of the image; NaN where that was NaN."""
    weights: np.ndarray | None
    """Inverse variance with the noise of the arc, where there is any; None without weights."""
    arc: np.ndarray
    """The light that was put in, without noise."""
    snr: np.ndarray
    """Of each band: sqrt(sum arc^2 weights), the most that any aperture gives for noise without
    correlation; NaN without weights.
    """
    magnification: float
    """Lensed over unlensed flux."""


def inject_into(
    image: ArrayLike,
    psf: ArrayLike,
    source: Mapping[str, float] | pd.Series,
    *,
    weights: ArrayLike | None = None,
    bands: Sequence[str] | None = None,
    pixel_scale: float = 0.262,
    zeropoint: float = 22.5,
    place: tuple[float, float] | None = None,
    gain: ArrayLike | None = None,
    seed: int = 0,
) -> Injected:
    """Put the lensed images of a Sersic source behind a singular isothermal ellipsoid into an image.

    Parameters
    ----------
    image : (y, x) or (band, y, x) array
        Any unit per pixel.
    psf : (y, x) or (band, y, x) array
        Sides odd, sum 1, centred on the middle pixel; one for all bands, or one for each. The effective one, as the
        pixels of stars show it: it includes the pixel.
    source : mapping
        theta_e, q, phi, gamma1, gamma2, lens_x, lens_y, n, r_e, source_q, source_phi, source_x, source_y (arcsec and
        radians about `place`; angles may be Quantities), and the unlensed AB magnitude in each band: ``mag`` for an
        image (y, x), else ``mag_<band>``. gamma1, gamma2, lens_x, lens_y are 0 where they are not given.
    weights : array of the shape of the image, optional
        Inverse variances; 0 where nothing was observed.
    bands : sequence of str
        Names of the bands of an image (band, y, x); g, r, z of three bands by default.
    pixel_scale : float or Quantity
        Arcsec per pixel.
    zeropoint : float
        AB magnitude of one unit of the image; 22.5 for nanomaggy.
    place : (float, float)
        Row and column of the lens, in pixels from 0; the middle by default. Conventions of axes and angles are in
        docs/conventions.md.
    gain : float or (band,) array, optional
        Electrons per unit of the image: the arc then has Poisson noise, and `weights` less weight where it shines.
        Without, the arc is free of noise, whose omission matters where it is brighter than the sky.
    seed : int
        Of the noise.

    Returns
    -------
    Injected
        Light farther than half of `WINDOW` from the place is left out.

    Raises
    ------
    ValueError
        A shape that does not fit, a PSF that is even-sided, negative, not finite or not of sum 1, weights that are
        negative, a parameter that is missing or out of range, or a place outside of the image.
    """
    pixels, inverse, names = _image(image, weights, bands)
    scale = positive("inject_into: pixel_scale", pixel_scale, "arcsec")
    zero = float(finite("inject_into: zeropoint", in_unit("inject_into: zeropoint", zeropoint, "mag")))
    kernels, bench = _optics(psf, len(pixels), scale)
    electrons = _gain(gain, len(pixels))
    values, flux, inner = _source(source, names, zero)
    here, there, offset = _window(place, pixels.shape[1:])
    magnification = rendering.magnification(values, sources.smooth(values, scale), inner)
    moved = _moved(values, offset * scale)
    arc, _, full = bench.convolved(moved, sources.smooth(moved, scale), flux, kernels, np.zeros(1, np.int64), inner)
    if full[0]:
        raise InputError(f"inject_into: {refusing.TOO_LARGE}")
    light, put = np.zeros(pixels.shape, np.float32), np.zeros(pixels.shape, np.float32)
    light[here], put[here] = arc[0][there], _counted(arc[0], electrons, seed)[there]
    snr = np.full(len(pixels), np.nan)
    if inverse is not None:
        snr = np.sqrt((np.square(light, dtype=float) * inverse).sum((1, 2)))
        inverse = inverse / (1 + inverse * np.maximum(light, 0) / electrons[:, None, None])
    shape = np.shape(image)
    left = None if inverse is None else inverse.astype(np.float32).reshape(shape)
    return Injected((pixels + put).reshape(shape), left, light.reshape(shape), snr, float(magnification[0]))


def _image(
    image: ArrayLike, weights: ArrayLike | None, bands: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Pixels and weights (band, y, x), and the name of the magnitude of each band."""
    pixels = in_unit("inject_into: the image", image, "1")
    if pixels.ndim not in (2, 3) or not pixels.size:
        raise InputError(f"inject_into: the image has shape {pixels.shape}, expected (y, x) or (band, y, x)")
    if not np.isfinite(pixels).any():
        raise InputError(
            "inject_into: the image has no finite pixel, expected one with NaN only where nothing was observed"
        )
    one, shape = pixels.ndim == 2, pixels.shape
    pixels = pixels.reshape(-1, *shape[-2:]).astype(np.float32)
    inverse = None
    if weights is not None:
        inverse = in_unit("inject_into: the weights", weights, "1")
        if inverse.shape != shape:
            raise InputError(
                f"inject_into: the weights have shape {inverse.shape}, expected that of the image, {shape}"
            )
        if (finite("inject_into: the weights", inverse) < 0).any():
            raise InputError(
                f"inject_into: {int((inverse < 0).sum())} weights are negative, expected inverse variances of 0 or more"
            )
        inverse = inverse.reshape(pixels.shape)
    if one and bands is not None:
        raise InputError(
            f"inject_into: bands are {list(bands)} for an image (y, x), whose source has one "
            "magnitude, 'mag'; leave bands out"
        )
    if one:
        return pixels, inverse, ["mag"]
    if bands is None and len(pixels) != 3:
        raise InputError(f"inject_into: the image has {len(pixels)} bands without names; name them: bands=[...]")
    names = list("grz") if bands is None else [str(band) for band in bands]
    if len(names) != len(pixels) or len(set(names)) < len(names):
        raise InputError(
            f"inject_into: bands are {names} for an image of {len(pixels)} bands; expected one name for each"
        )
    return pixels, inverse, [f"mag_{name}" for name in names]


def _optics(psf: ArrayLike, bands: int, scale: float) -> tuple[np.ndarray, rendering.Bench]:
    """Transforms (1, band, y, x) of the PSF, and where images are made with them."""
    kernels = in_unit("inject_into: the PSF", psf, "1")
    if kernels.ndim == 2:
        kernels = kernels[None]
    if kernels.ndim != 3 or len(kernels) not in (1, bands):
        raise InputError(f"inject_into: the PSF has shape {np.shape(psf)}, expected (y, x) or ({bands}, y, x)")
    if kernels.shape[-2] % 2 == 0 or kernels.shape[-1] % 2 == 0:
        raise InputError(
            f"inject_into: the PSF is {kernels.shape[-2]} x {kernels.shape[-1]} pixels, expected odd sides, "
            "so that it has a middle pixel"
        )
    for band, kernel in enumerate(kernels):
        where = f" of band {band}" if len(kernels) > 1 else ""
        if reason := refusing.psf_problem(kernel):
            raise InputError(f"inject_into: {reason.replace('the PSF', f'the PSF{where}')}")
        if (below := float(kernel[kernel < 0].sum())) < -NEGATIVE_MAX:
            raise InputError(
                f"inject_into: the PSF{where} holds {below:.3g} of its light in negative pixels, "
                f"expected at most {-NEGATIVE_MAX:g}"
            )
    bench = rendering.Bench((WINDOW, WINDOW), scale, kernels.shape[-2:])
    full = np.broadcast_to(kernels, (bands, *kernels.shape[-2:]))
    return full[None], bench


def _gain(gain: ArrayLike | None, bands: int) -> np.ndarray:
    """Electrons per unit (band,); infinite for no noise."""
    if gain is None:
        return np.full(bands, np.inf)
    found = in_unit("inject_into: the gain", gain, "1")
    if found.shape not in ((), (bands,)) or not (np.isfinite(found) & (found > 0)).all():
        raise InputError(
            f"inject_into: the gain is {np.array2string(found, threshold=6)}, expected one positive number, or "
            f"one for each of {bands} bands"
        )
    return np.broadcast_to(found, (bands,)).astype(float)


def _source(
    source: Mapping[str, float] | pd.Series, magnitudes: Sequence[str], zeropoint: float
) -> tuple[dict[str, np.ndarray], np.ndarray, bool]:
    """Parameters (1,) by name, flux (1, band) in units of the image, and whether inner images are drawn."""
    given = dict(source)
    inner = bool(given.pop("inner_images", True))
    known = {*refusing.NAMES, *magnitudes}
    if unknown := [name for name in given if name not in known and not str(name).startswith("mag_")]:
        raise InputError(
            f"inject_into: the source has a parameter '{unknown[0]}' that is none; parameters are "
            f"{', '.join([*refusing.NAMES, *magnitudes])}"
        )
    if missing := [name for name in (*refusing.NAMES, *magnitudes) if name not in given and name not in AT_REST]:
        raise InputError(f"inject_into: the source lacks {', '.join(missing)}")
    values = {name: _number(name, given.get(name, 0.0)) for name in (*refusing.NAMES, *magnitudes)}
    if reason := refusing.problems(values)[0]:
        raise InputError(f"inject_into: the source's {reason}")
    flux = np.column_stack([10 ** (-0.4 * (values.pop(name) - zeropoint)) for name in magnitudes])
    if not (flux <= np.finfo(np.float32).max).all():
        raise InputError(
            "inject_into: the source is brighter than single precision holds; check its magnitudes and the zeropoint"
        )
    return values, flux, inner


def _number(name: str, value: object) -> np.ndarray:
    unit = "mag" if name.startswith("mag") else "rad" if name.endswith("phi") else "arcsec" if name in _ANGLES else "1"
    number = in_unit(f"inject_into: the source's {name}", value, unit)
    if number.size != 1:
        raise InputError(
            f"inject_into: the source's {name} has shape {number.shape}, expected one "
            "number: put one source in at a time"
        )
    return number.reshape(1)


def _window(place: tuple[float, float] | None, sides: tuple[int, ...]) -> tuple[tuple, tuple, np.ndarray]:
    """The part of the image that light is put into, the same part of the rendered square, and where in its middle
    pixel the lens lies (y, x).
    """
    middle = [(side - 1) / 2 for side in sides] if place is None else place
    centre = finite("inject_into: place", in_unit("inject_into: place", middle, "1"))
    if centre.shape != (2,) or not ((centre >= -0.5) & (centre < np.array(sides) - 0.5)).all():
        raise InputError(
            f"inject_into: place is {np.array2string(centre)}, expected a row and a column of the image of "
            f"{sides[0]} x {sides[1]} pixels"
        )
    pixel = np.floor(centre + 0.5).astype(int)
    first = pixel - WINDOW // 2
    low, high = np.maximum(first, 0), np.minimum(first + WINDOW, sides)
    here = (slice(None), *(slice(a, b) for a, b in zip(low, high)))
    there = (slice(None), *(slice(a, b) for a, b in zip(low - first, high - first)))
    return here, there, centre - pixel


def _moved(values: Mapping[str, np.ndarray], offset: np.ndarray) -> dict[str, np.ndarray]:
    """The same lens and source, `offset` (y, x) [arcsec] beside the middle; shear acts about the middle, so the source
    has its share of it back.
    """
    y, x = offset
    g_1, g_2 = values["gamma1"], values["gamma2"]
    back = {"source_x": x - (g_1 * x + g_2 * y), "source_y": y - (g_2 * x - g_1 * y), "lens_x": x, "lens_y": y}
    return {name: array + back.get(name, 0.0) for name, array in values.items()}


def _counted(arc: np.ndarray, electrons: np.ndarray, seed: int) -> np.ndarray:
    """The arc (band, y, x) as counted electrons tell it."""
    out = arc.copy()
    rng = draws.generator(seed, "noise of an own image", 0)
    for light, gain in zip(out, electrons):
        if np.isfinite(gain):
            expected = np.clip(light.astype(float), 0, None) * gain
            few = expected < ELECTRONS_MAX
            light[few] += ((rng.poisson(np.where(few, expected, 0)) - expected) / gain)[few]
    return out
