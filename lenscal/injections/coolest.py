"""Lens models in the terms of COOLEST (Galan et al. 2023, JOSS 8, 5567): angles in degrees counter-clockwise from +y,
which is North up on a cutout of the survey, a Sersic profile with the linear b_n, intensities per square arcsec.

The documents are plain mappings, as JSON has them; nothing of the package `coolest` is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError
from lenscal.injections import refusing, rendering
from lenscal.injections.sources import of_kind, prepare
from lenscal.kernels import light, rays

ISOTHERMAL = 2.0
"""Slope of the power law: PEMD with it is the SIE, which the readers of others do not all evaluate."""


def coolest_models(
    parameters: xr.Dataset | pd.DataFrame,
    *,
    band: str = "r",
    source: str = "sersic",
    seed: int | None = None,
    redshifts: tuple[float, float] | None = None,
    origin: tuple[float, float] = (0.0, 0.0),
) -> list[dict[str, Any]]:
    """COOLEST documents of lensed sources, one each: an isothermal PEMD, an external shear, Sersic sources.

    Parameters
    ----------
    parameters : Dataset (injection) or DataFrame
        As `lenscal.render` takes it; `injection_parameters` makes it from a store.
    band : str
        Of the intensities, which are nanomaggy per square arcsec (zero point 22.5; `meta` says so).
    source : str
        "sersic" or "clumpy"; a clumpy one needs the run's seed, and the index holds injection ids. Stamps of real
        galaxies are no profile of COOLEST.
    seed : int
        Of the run.
    redshifts : (lens, source), optional
        An injection has none; null without. Some readers need numbers.
    origin : (ra, dec)
        Degree: where the lens frame lies on the sky.

    Returns
    -------
    list of dict
        Their own `observation` and `instrument` name no file; see `lenscal export --format coolest`.

    Raises
    ------
    ValueError
        As `lenscal.render`; suppressed inner images, which no lens model has; sources that are stamps.
    """
    values, labels = refusing.checked(parameters)
    if not rendering.inner_images_of(parameters, labels).all():
        raise InputError("coolest: some injections have their inner images suppressed, which no lens model does")
    if source == "stamps":
        raise InputError("coolest: the sources are stamps of real galaxies, for which COOLEST has no profile")
    if source == "clumpy" and seed is None:
        raise InputError("coolest: clumpy sources are drawn by the run's seed; give it")
    ids = np.arange(len(labels)) if source == "sersic" else np.asarray(labels).astype(np.int64)
    parts = of_kind(source, values, ids, seed or 0, prepare(source, None), schema.PIXEL_SCALE)
    flux = 10 ** (-0.4 * (values[f"mag_{band}"] - schema.ZEROPOINT))
    out = []
    for row, label in enumerate(labels):
        lens = {name: float(values[name][row]) for name in rays.LENS_FIELDS}
        knots = [
            (float(flux[row] * parts.share[k]), *map(float, parts.sersic[k]))
            for k in range(parts.first[row], parts.first[row + 1])
        ]
        out.append(_document(lens, knots, band, redshifts or (None, None), origin, str(label)))
    return out


def _document(
    lens: Mapping[str, float],
    knots: Sequence[tuple[float, ...]],
    band: str,
    redshifts: tuple[float | None, float | None],
    origin: tuple[float, float],
    name: str,
) -> dict[str, Any]:
    shear = math.hypot(lens["gamma1"], lens["gamma2"])
    mass = {
        "theta_E": lens["theta_e"],
        "gamma": ISOTHERMAL,
        **_placed(lens["q"], lens["phi"], lens["lens_x"], lens["lens_y"]),
    }
    outer = {"gamma_ext": shear, "phi_ext": from_north(0.5 * math.atan2(lens["gamma2"], lens["gamma1"]))}
    entities: list[dict[str, Any]] = [
        {"type": "Galaxy", "name": "lens", "redshift": redshifts[0], "light_model": [], "mass_model": [("PEMD", mass)]},
        {"type": "MassField", "name": "shear", "redshift": redshifts[0], "mass_model": [("ExternalShear", outer)]},
        {
            "type": "Galaxy",
            "name": "source",
            "redshift": redshifts[1],
            "light_model": [("Sersic", _sersic(*knot)) for knot in knots],
            "mass_model": [],
        },
    ]
    for i, entity in enumerate(entities):
        for kind in ("light", "mass"):
            if f"{kind}_model" in entity:
                entity[f"{kind}_model"] = [
                    _profile(f"{i}-{entity['type'].lower()}-{kind}-{j}-{model}", model, found)
                    for j, (model, found) in enumerate(entity[f"{kind}_model"])
                ]
    return {
        "standard": "COOLEST",
        "mode": "MOCK",
        "coordinates_origin": {"ra": f"{origin[0]:.8f}d", "dec": f"{origin[1]:+.8f}d"},
        "lensing_entities": entities,
        "observation": {"mag_zero_point": schema.ZEROPOINT},
        "instrument": {"band": band, "pixel_size": schema.PIXEL_SCALE},
        "meta": {
            "injection": name,
            "made_by": "lenscal",
            "units": "intensities in nanomaggy per square arcsec; 1 nanomaggy has the AB magnitude 22.5",
            "frame": "x grows with the column (West), y with the row (North)",
        },
    }


def _placed(q: float, phi: float, x: float, y: float) -> dict[str, float]:
    return {"q": q, "phi": from_north(phi), "center_x": x, "center_y": y}


def _sersic(flux: float, n: float, r_e: float, q: float, phi: float, x: float, y: float) -> dict[str, float]:
    """A component of a flux; its radius and intensity are those of a profile with the linear b_n that is ours."""
    radius = r_e * (linear_b(n) / float(light.sersic_b(n))) ** n
    centre = flux * float(light.sersic_central(n, r_e))
    return {"I_eff": centre * math.exp(-linear_b(n)), "theta_eff": radius, "n": n, **_placed(q, phi, x, y)}


def _profile(id_: str, model: str, values: Mapping[str, float]) -> dict[str, Any]:
    nothing = dict.fromkeys(("mean", "median", "percentile_16th", "percentile_84th"))
    return {
        "type": model,
        "id": id_,
        "parameters": {
            name: {
                "id": f"{id_}-{name}",
                "fixed": False,
                "point_estimate": {"value": value},
                "posterior_stats": dict(nothing),
                "prior": {"type": None},
            }
            for name, value in values.items()
        },
    }


def linear_b(n: float) -> float:
    """b_n as COOLEST and lenstronomy have it."""
    return 1.9992 * n - 0.3271


def from_north(phi: float) -> float:
    """Degree in (-90, 90], counter-clockwise from +y, of an axis at phi [radian] counter-clockwise from +x."""
    angle = (math.degrees(phi) - 90) % 180
    return angle - 180 if angle > 90 else angle
