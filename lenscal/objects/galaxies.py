"""Rows of a sweep become survey objects, in the units of the schema."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lenscal import healpix, keys, schema
from lenscal.gates import Ledger
from lenscal.kernels import magnitudes
from lenscal.objects import depths
from lenscal.objects.columns import ObjectsError, wrapped

TWICE = "key twice in the file"
ELSEWHERE = "where the survey takes the"
"""Beginning of the reason of rows that lie in the part of the sky of the other region; its name follows."""
_TRANSMISSION_MAX = 1 + 1e-6  # rounding of float32


def galaxies(
    raw: pd.DataFrame,
    sweep_file: str,
    row_start: int = 0,
    inverse_depths: bool | None = None,
    bands: Sequence[str] = schema.BANDS,
    part_of: tuple[str, schema.Release] | None = None,
) -> tuple[pd.DataFrame, Ledger]:
    """Survey objects, one row each, from the columns of a sweep or Tractor file.

    Parameters
    ----------
    raw : DataFrame
        Upper-case columns in native byte order, as in the file.
    sweep_file : str
        Name of the file, for provenance and messages.
    row_start : int
        Row of the file that `raw` begins with.
    inverse_depths : bool, optional
        Whether the depths of the whole file are inverse variances, not magnitudes; told from these rows by default.
    bands : sequence of str
        Whose columns are kept.
    part_of : (str, Release), optional
        Region of the file and both regions of the release, of which it is a part: rows that lie where the survey takes
        the other region are dropped, so that a galaxy that both have is one.

    Returns
    -------
    DataFrame
        As `schema.GALAXIES`, by galaxy_id. Negative and zero fluxes stay; their magnitudes are NaN. So are colours
        where a transmission is no share of the light, outside (0, 1]; `attrs["no_transmission"]` counts those rows.
    Ledger
        Rows without a usable position or key, of no known type, twice in the file, not primary in their brick, or in
        the part of the sky of the other region.

    Raises
    ------
    ObjectsError
        When columns are missing, or the two kinds of depth are in different units.
    """
    derived = {"galaxy_id", "healpix_64", "healpix_128", "_healpix_29", "sweep_file", "row_index"}
    declared = schema.in_bands(schema.GALAXIES.variables, bands)
    plain = [n for n in declared if n not in derived and not n.startswith(("mag_", "colour_"))]
    missing = [n.upper() for n in [*plain, "mw_transmission_w1"] if n.upper() not in raw.columns]
    if missing:
        raise ObjectsError(f"'{sweep_file}' lacks column(s) {', '.join(missing)}")
    if (raw["RA"].to_numpy() < 0).any():
        raw = raw.assign(RA=wrapped(raw["RA"].to_numpy(float)))
    keep, ledger = _usable(raw, part_of)
    row = np.flatnonzero(keep)
    raw = raw.iloc[row]
    inverse = depths.depths_are_inverse(raw) if inverse_depths is None else inverse_depths
    in_magnitudes = depths.in_magnitudes(raw, sweep_file, row_start, inverse, bands)
    out = {name: in_magnitudes.get(name.upper(), raw[name.upper()]) for name in plain}
    out["galaxy_id"] = _key(raw)
    dereddened, opaque = {}, np.zeros(len(raw), bool)
    for band in (*bands, "w1"):
        flux = raw[f"FLUX_{band.upper()}"].to_numpy("f4")
        transmission = raw[f"MW_TRANSMISSION_{band.upper()}"].to_numpy("f4")
        if band != "w1":
            out[f"mag_{band}"] = magnitude(flux)
        share = (transmission > 0) & (transmission <= _TRANSMISSION_MAX)
        opaque |= ~share
        dereddened[band] = magnitude(np.divide(flux, transmission, out=np.full_like(flux, np.nan), where=share))
    for blue, red in ("gr", "rz"), ("z", "w1"):
        if (blue, red) == ("gr", "rz"):
            out["colour_gr"] = dereddened["g"] - dereddened["r"]
            out["colour_rz"] = dereddened["r"] - dereddened["z"]
        else:
            out["colour_zw1"] = dereddened["z"] - dereddened["w1"]
    out["_healpix_29"] = healpix.pixels_of(raw["RA"], raw["DEC"], 1 << 29)
    out["healpix_64"], out["healpix_128"] = (
        out["_healpix_29"] >> 2 * (29 - 6),
        out["_healpix_29"] >> 2 * (29 - 7),
    )  # nested
    out["sweep_file"] = pd.Categorical.from_codes(np.zeros(len(raw), int), categories=[sweep_file])
    out["row_index"] = row_start + row
    table = pd.DataFrame(
        {name: np.asarray(out[name]) if not _is_text(out[name]) else pd.Categorical(out[name]) for name in out}
    )
    table = schema.GALAXIES.cast_table(table).sort_values("galaxy_id", ignore_index=True)
    table.attrs["no_transmission"] = int(opaque.sum())
    return table, ledger


def _is_text(values: object) -> bool:
    dtype = getattr(values, "dtype", None)
    return isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(dtype)


def _key(raw: pd.DataFrame) -> np.ndarray:
    objid, brickid, release = (raw[name].to_numpy(np.int64) for name in ("OBJID", "BRICKID", "RELEASE"))
    return keys.pack(objid, brickid, release)


def _usable(raw: pd.DataFrame, part_of: tuple[str, schema.Release] | None) -> tuple[np.ndarray, Ledger]:
    """Rows to keep, and the ledger of the others: each under the first reason that holds."""
    ra, dec = raw["RA"].to_numpy(float), raw["DEC"].to_numpy(float)
    objid, brickid, release = (raw[name].to_numpy(np.int64) for name in ("OBJID", "BRICKID", "RELEASE"))
    types = raw["TYPE"].astype("category")
    known = types.cat.codes.isin([i for i, t in enumerate(types.cat.categories) if t in schema.TYPES]).to_numpy()
    tests = {
        "position not finite": ~(np.isfinite(ra) & np.isfinite(dec)),
        "RA outside [0, 360]": ~((ra >= 0) & (ra <= 360)),
        "Dec outside [-90, 90]": ~(np.abs(dec) <= 90),
        "key out of range": ~keys.fits(objid, brickid, release),
        "type unknown": ~known,
    }
    if "BRICK_PRIMARY" in raw.columns:
        tests["not primary in its brick"] = ~raw["BRICK_PRIMARY"].to_numpy(bool)
    if part_of is not None:
        region, both = part_of
        (other,) = (one.region for one in both.regions if one.region != region)
        tests[f"{ELSEWHERE} {other}"] = both.region_at(ra, dec) != region
    keep, dropped = np.ones(len(raw), bool), {}
    for reason, bad in tests.items():
        dropped[reason] = int((keep & bad).sum())
        keep &= ~bad
    twice = np.zeros(len(raw), bool)
    twice[keep] = (
        pd.Series(_key(raw)[keep]).duplicated().to_numpy()
    )  # as integers: a float has too few digits for a key
    dropped[TWICE] = int(twice.sum())
    keep &= ~twice
    return keep, Ledger(len(raw), int(keep.sum()), {reason: rows for reason, rows in dropped.items() if rows})


def magnitude(flux: np.ndarray) -> np.ndarray:
    """AB magnitude of a flux in nanomaggies; NaN where the flux is zero, negative or unknown."""
    return magnitudes.magnitude(flux, schema.ZEROPOINT)
