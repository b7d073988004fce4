"""What the page shows, as plain numbers and texts: the cube, the map, the gates."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from lenscal import healpix, schema
from lenscal.gates import ABSENT, FAIL, NOT_JUDGED, PASS

STEPS, NOTHING = 250, 255
"""A completeness of the map is told in 250ths, in a byte; 255 is no number."""


def _rounded(values: np.ndarray, digits: int = 4) -> list:
    """Nested lists, None for what is no number."""
    if values.ndim:
        return [_rounded(value, digits) for value in values]
    number = float(values)
    return round(number, digits) if math.isfinite(number) else None


def cells(cube: xr.Dataset) -> dict[str, Any]:
    """Axes and cells of a cube: each array is (population, theta_e, psf_fwhm, depth, threshold).

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`, in memory.
    """
    if "population" not in cube["completeness"].dims:
        cube = cube.expand_dims(population=[str(cube.attrs.get("population", "survey"))])
    order = ("population", *schema.CELL, "threshold")
    level = cube["level"].values.tolist().index(schema.LEVELS[0])
    found = {
        "middle": cube["completeness"].sel(quantile=0.5),
        "lower": cube["lower"].isel(level=level),
        "upper": cube["upper"].isel(level=level),
        "totalLower": cube["total_lower"].isel(level=level) if "total_lower" in cube else None,
        "totalUpper": cube["total_upper"].isel(level=level) if "total_upper" in cube else None,
        "trials": cube["n_injected"],
        "detected": cube["n_detected"],
        "hosts": cube["n_hosts"],
        "sufficient": cube["sufficient"],
    }
    template = found["middle"]
    arrays = {
        name: _rounded(values.astype(float).broadcast_like(template).transpose(*order).values)
        for name, values in found.items()
        if values is not None
    }
    return {
        "axes": {dim: [float(value) for value in cube[dim].values] for dim in schema.CELL},
        "populations": [str(value) for value in cube["population"].values],
        "population": str(cube.attrs.get("population", "survey")),
        "thresholds": [float(value) for value in cube["threshold"].values],
        "rates": [float(value) for value in np.atleast_1d(cube["false_positive_rate"].values)],
        "level": schema.LEVELS[0],
        **arrays,
    }


def sky(found: xr.Dataset) -> dict[str, Any]:
    """The map, pixel by pixel: places [degree], and completeness at each theta_e as bytes (see `STEPS`).

    Parameters
    ----------
    found : Dataset (cells, theta_e)
        As `completeness.sky_map`, in memory.
    """
    about = found["healpix"].attrs
    ra, dec = healpix.centres(found["cell_ids"].values.astype(np.int64), int(about["refinement_level"]))
    value = found["completeness"].where(found["supported"]).transpose("theta_e", "cells").values
    told = np.where(np.isfinite(value), np.round(np.clip(np.nan_to_num(value), 0, 1) * STEPS), NOTHING).astype(np.uint8)
    return {
        "side": float(np.degrees(np.sqrt(np.pi / 3)) / 2 ** int(about["refinement_level"])),
        "thetaE": [float(value) for value in found["theta_e"].values],
        "ra": _packed(ra.astype("<f4")),
        "dec": _packed(dec.astype("<f4")),
        "values": [_packed(row) for row in told],
        "steps": STEPS,
        "population": str(found.attrs.get("population", "")),
    }


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def gate_rows(gates: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Gates, those that failed first, then those not judged."""
    order = {FAIL: 0, NOT_JUDGED: 1, ABSENT: 2, PASS: 3}
    rows = [
        {name: gate[name] for name in ("id", "claim", "measure", "value", "minimum", "maximum", "verdict", "evidence")}
        for gate in gates
    ]
    for row in rows:
        if isinstance(row["value"], float) and not math.isfinite(row["value"]):
            row["value"] = None
    return sorted(rows, key=lambda row: order[row["verdict"]])
