"""Columns of a sweep file: those that are read, their kinds and units, and what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.io import units

_DERIVED = ("galaxy_id", "mag_", "colour_", "healpix_", "_healpix_29", "sweep_file", "row_index")


def sweep_columns(bands: Sequence[str]) -> tuple[str, ...]:
    """Columns that `schema.GALAXIES` is made from in these bands."""
    plain = schema.in_bands(schema.GALAXIES.variables, bands)
    return (*(name.upper() for name in plain if not name.startswith(_DERIVED)), "MW_TRANSMISSION_W1")


SWEEP_COLUMNS = sweep_columns(schema.BANDS)
"""Those of g, r, z."""

_KINDS = {"i": "iu", "f": "f", "U": "SU"}


def _problem(name: str, dtype: np.dtype) -> str | None:
    """What is wrong with a column of the declared name; None when nothing is."""
    if dtype.shape:
        return f"column {name} holds {dtype.shape} numbers a row; expected one"
    variable = schema.GALAXIES.variables.get(name.lower())
    if variable is None:
        return None
    expected = "U" if variable.dtype == "str" else np.dtype(variable.dtype).kind
    if dtype.kind not in _KINDS[expected]:
        return f"column {name} is {dtype}, expected {variable.dtype}"
    return None


def release_problems(code: Callable[[], int | None], found: Mapping[str, np.dtype]) -> list[str]:
    """What is wrong with columns, by the release that a file says: bits that its type cannot hold, columns with a known
    fault. Its first row is looked at (`code`) only where it matters.
    """
    doubtful = any(name in one.unreadable for name in found for one in schema.releases().values())
    narrow = "MASKBITS" in found and found["MASKBITS"].itemsize < 4
    number = code() if doubtful or narrow else None
    own = None if number is None else schema.release_of_code(number)
    if own is None:
        return []
    bits = own.bits_problem(found["MASKBITS"]) if "MASKBITS" in found else None
    faults = [
        f"column {name} of {own.title} has a known fault ({own.unreadable[name]}); leave it out"
        for name in found
        if name in own.unreadable
    ]
    return [f"column {bits}", *faults] if bits else faults


TRUTHS = ("BRICK_PRIMARY",)

_UNITS = {
    "FLUX_": "nanomaggy",
    "FLUX_IVAR_": "1/nanomaggy^2",
    "FIBERFLUX_": "nanomaggy",
    "FIBERTOTFLUX_": "nanomaggy",
    "PSFSIZE_": "arcsec",
    "RA": "deg",
    "DEC": "deg",
    "SHAPE_R": "arcsec",
    "SHAPE_R_IVAR": "1/arcsec^2",
    "EBV": "mag",
    "GAIA_PHOT_G_MEAN_MAG": "mag",
    "MW_TRANSMISSION_": "1",
}
"""Unit of the survey by column, or by the longest beginning of its name."""

DEPTHS = ("PSFDEPTH_", "GALDEPTH_")


def unit_problem(name: str, unit: str | None) -> str | None:
    """What is wrong with the unit a file states of a column; None when it states none or the survey's
    own, however it is spelt.
    """
    if name.startswith(DEPTHS):
        known = not units.stated(unit) or units.is_inverse_variance(unit) is not None
        return (
            None
            if known
            else f"column {name} is in '{unit.strip()[:40]}', expected 1/nanomaggy^2 or mag; take the survey's own file"
        )
    start = max(
        (start for start in _UNITS if name.startswith(start) and (start.endswith("_") or name == start)),
        key=len,
        default=None,
    )
    problem = None if start is None else units.problem(unit, _UNITS[start])
    return (
        None
        if problem is None
        else f"column {name} {problem.replace(', not', ', expected')}; convert it, or take the survey's own file"
    )


def text(values: np.ndarray, upper: bool) -> pd.Categorical:
    """Stripped text; few distinct short values are looked at once each."""
    if values.dtype.kind == "U":
        values = np.char.encode(values, "utf-8")
    width = values.dtype.itemsize
    if 0 < width <= 8:
        words = np.zeros((len(values), 8), np.uint8)
        words[:, :width] = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), width)
        codes, distinct = pd.factorize(words.view(np.uint64).ravel())
        distinct = distinct.astype(np.uint64).view("S8")
    else:
        codes, distinct = pd.factorize(values.astype(object))
    cleaned = [bytes(value).decode("ascii", "replace").strip("\x00 ") for value in distinct]
    cleaned = [value.upper() for value in cleaned] if upper else cleaned
    categories = sorted(set(cleaned))
    place = np.array([categories.index(value) for value in cleaned], dtype=np.int64)
    return pd.Categorical.from_codes(place[codes] if len(place) else codes, categories=categories)


def _missing(path: str | Path, rows: int, release: int | None, names: Mapping[str, str], missing: Sequence[str]) -> str:
    hints = []
    for name in missing:
        near = [n for n in difflib.get_close_matches(name, names, 1, 0.85) if n not in SWEEP_COLUMNS]
        hints += [f"{near[0]} looks like {name}"] if near else []
    hint = f" ({'; '.join(hints)})" if hints else ""
    own = None if release is None else schema.release_of_code(release)
    if own is not None and (unseen := [name for name in missing if not _observed(name, names)]):
        hint += f" ({own.title} has regions without a band, as this one: {', '.join(unseen)} was not observed)"
    release = "" if release is None else f", RELEASE {release}"
    return (
        f"'{path}' ({rows:,} rows) lacks {len(missing)} column(s): {', '.join(missing)}{hint}. It looks like "
        f"{layout(names)}{release}; lenscal reads the sweeps and Tractor files of "
        + ", ".join(dict.fromkeys(one.title for one in schema.releases().values()))
    )


def _observed(name: str, names: Mapping[str, str]) -> bool:
    """Whether a file has any column of the band that a column is of."""
    band = name[-1] if name[-2:-1] == "_" else ""
    return not band or band.lower() not in schema.OPTICAL or f"FLUX_{band}" in names


def layout(names: Sequence[str]) -> str:
    """Which release a file's column names belong to, in words.

    SERSIC and one SHAPE_R came with DR9, i-band columns with DR10; before, EBV and MASKBITS were added one after the
    other.
    """
    names = {name.upper() for name in names}
    if {"SERSIC", "SHAPE_R"} <= names:
        return "the layout of DR10 and the south of DR11" if "FLUX_I" in names else "that of DR9 and the north of DR11"
    if "SHAPEDEV_R" in names:
        if "MASKBITS" in names:
            return "the layout of DR7 or DR8 (SHAPEDEV_*, SHAPEEXP_*, MASKBITS, no PSFSIZE)"
        return "the layout of DR3 to DR6 (SHAPEDEV_*, SHAPEEXP_*, no MASKBITS)"
    return f"no layout of the survey ({len(names)} columns)"
