"""The classes of pool N2, as data: a name, the columns it needs, its cuts, and who belongs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.errors import LenscalError

from .class_sky import LIGHT_R, Sky

_FITBIT_SERSIC_LIMIT = 1 << 3


class ClassError(LenscalError, ValueError):
    """A confuser class that cannot be decided from the table at hand."""


Cuts = Mapping[str, float]


@dataclass(frozen=True)
class Confuser:
    """One class: `member(sky, cuts)` says which rows belong; `cuts` are its thresholds, magnitudes dereddened."""

    name: str
    about: str
    columns: tuple[str, ...]
    member: Callable[[Sky, Cuts], np.ndarray] = field(repr=False)
    cuts: Cuts = field(default_factory=dict)
    lever: tuple[str, float, float] = ("", 0.0, 0.0)
    """The cut that calibration moves, its loosest and its strictest value."""


def _edge_on(sky: Sky, cut: Cuts) -> np.ndarray:
    return (
        sky.is_type("EXP", "SER", "DEV")
        & (sky.ellipticity >= cut["ellipticity_min"])
        & (sky.column("shape_r") >= cut["shape_r_min"])
        & (sky.size_snr >= cut["size_snr_min"])
        & (sky.r < cut["r_max"])
    )


def _face_on_disk(sky: Sky, cut: Cuts) -> np.ndarray:
    disk = sky.is_type("EXP") | (sky.is_type("SER") & (sky.column("sersic") < cut["sersic_max"]))
    return (
        disk
        & (sky.ellipticity <= cut["ellipticity_max"])
        & (sky.column("shape_r") >= cut["shape_r_min"])
        & (sky.r < cut["r_max"])
        & (sky.g_r <= cut["g_r_max"])
    )


def _blue_clumpy(sky: Sky, cut: Cuts) -> np.ndarray:
    rchisq = np.fmax(sky.column("rchisq_g"), sky.column("rchisq_r"))
    return (
        (sky.g_r <= cut["g_r_max"])
        & (sky.r < cut["r_max"])
        & (sky.column("shape_r") >= cut["shape_r_min"])
        & (rchisq >= cut["rchisq_min"])
    )


def _blend_merger(sky: Sky, cut: Cuts) -> np.ndarray:
    bright = sky.r < cut["r_max"]
    close = sky.has_neighbour(bright, 0.0, cut["radius_arcsec"], ratio=(cut["ratio_min"], cut["ratio_max"]))
    crowded = (sky.column("fracflux_r") >= cut["fracflux_min"]) | (sky.column("fracin_r") < cut["fracin_max"])
    return bright & (crowded | close)


def _bright_core_companion(sky: Sky, cut: Cuts) -> np.ndarray:
    limit = (sky.column("fitbits").astype(np.int64) & _FITBIT_SERSIC_LIMIT) > 0
    core = sky.is_type("DEV") | (sky.is_type("SER") & ((sky.column("sersic") >= cut["sersic_min"]) | limit))
    core &= sky.r < cut["r_max"]
    near = sky.has_neighbour(core, cut["inner_arcsec"], cut["outer_arcsec"], ratio=(cut["ratio_min"], np.inf))
    return core & ((sky.fibre_ratio >= cut["fibre_ratio_min"]) | near)


def _residual_structure(sky: Sky, cut: Cuts) -> np.ndarray:
    return (
        (sky.column("rchisq_r") >= cut["rchisq_min"])
        & (sky.r < cut["r_max"])
        & (sky.column("shape_r") >= cut["shape_r_min"])
    )


def _psf_halo(sky: Sky, cut: Cuts) -> np.ndarray:
    gaia = sky.column("gaia_phot_g_mean_mag")
    star = sky.is_type("PSF", "DUP") & (gaia >= cut["gaia_min"]) & (gaia <= cut["gaia_max"])
    beside = sky.has_neighbour(star, cut["inner_arcsec"], cut["outer_arcsec"], extended=True)
    return beside | _under_medium(sky)


def _under_medium(sky: Sky) -> np.ndarray:
    both = sky.column("maskbits") & ((1 << schema.MASKBITS["MEDIUM"]) | (1 << schema.MASKBITS["BRIGHT"]))
    return both == 1 << schema.MASKBITS["MEDIUM"]


def _may_belong(sky: Sky, chosen: Mapping[str, Cuts]) -> np.ndarray:
    """Rows that some class may hold, by what is cheap to ask: their light in r, Gaia's, and the mask."""
    faintest = max(own["r_max"] for own in chosen.values() if "r_max" in own)
    light = np.float32(0.999 * 10 ** (0.4 * (schema.ZEROPOINT - faintest)))
    bright = sky.column("flux_r") >= light * np.maximum(sky.column("mw_transmission_r"), 0)
    star = sky.column("gaia_phot_g_mean_mag") >= chosen["psf_halo"]["gaia_min"]
    return bright | star | _under_medium(sky)


_POSITION = ("ra", "dec")
_COLOUR = (*LIGHT_R, "flux_g", "mw_transmission_g")

CLASSES = (
    Confuser(
        "edge_on",
        "inclined discs, arc-like",
        ("type", "shape_e1", "shape_e2", "shape_r", "shape_r_ivar", *LIGHT_R),
        _edge_on,
        {"ellipticity_min": 0.48, "shape_r_min": 1.0, "size_snr_min": 5.0, "r_max": 20.5},
        ("ellipticity_min", 0.2, 0.9),
    ),
    Confuser(
        "face_on_disk",
        "rings and spirals",
        ("type", "sersic", "shape_e1", "shape_e2", "shape_r", *_COLOUR),
        _face_on_disk,
        {"sersic_max": 2.0, "ellipticity_max": 0.20, "shape_r_min": 1.5, "r_max": 20.5, "g_r_max": 0.9},
        ("shape_r_min", 0.3, 10.0),
    ),
    Confuser(
        "blue_clumpy",
        "star-forming, ill-fitted by a smooth model",
        ("shape_r", "rchisq_g", "rchisq_r", *_COLOUR),
        _blue_clumpy,
        {"g_r_max": 0.5, "r_max": 20.5, "shape_r_min": 1.0, "rchisq_min": 1.2},
        ("rchisq_min", 0.8, 20.0),
    ),
    Confuser(
        "blend_merger",
        "light shared with a neighbour",
        (*_POSITION, "fracflux_r", "fracin_r", *LIGHT_R),
        _blend_merger,
        {
            "r_max": 20.5,
            "fracflux_min": 0.2,
            "fracin_max": 0.8,
            "radius_arcsec": 6.0,
            "ratio_min": 0.2,
            "ratio_max": 5.0,
        },
        ("r_max", 22.0, 16.0),
    ),
    Confuser(
        "bright_core_companion",
        "bright spheroids with something beside them",
        (*_POSITION, "type", "sersic", "fitbits", "fiberflux_r", "fibertotflux_r", *LIGHT_R),
        _bright_core_companion,
        {
            "sersic_min": 4.0,
            "r_max": 19.5,
            "fibre_ratio_min": 1.05,
            "inner_arcsec": 2.0,
            "outer_arcsec": 6.0,
            "ratio_min": 0.02,
        },
        ("r_max", 22.0, 15.0),
    ),
    Confuser(
        "residual_structure",
        "rings and arms that a smooth model leaves behind",
        ("rchisq_r", "shape_r", *LIGHT_R),
        _residual_structure,
        {"rchisq_min": 1.5, "r_max": 20.0, "shape_r_min": 1.0},
        ("rchisq_min", 0.8, 20.0),
    ),
    Confuser(
        "psf_halo",
        "stars beside galaxies, and objects in the halo of a bright star",
        (*_POSITION, "type", "gaia_phot_g_mean_mag", "maskbits"),
        _psf_halo,
        {"gaia_min": 13.0, "gaia_max": 18.0, "inner_arcsec": 5.0, "outer_arcsec": 15.0},
        ("gaia_max", 20.0, 13.0),
    ),
)
"""In the order of the bits (`schema.CONFUSERS`)."""


def cuts(overrides: Mapping[str, Cuts]) -> dict[str, dict[str, float]]:
    """The cuts of every class, with those of a run file in place of the defaults.

    Raises
    ------
    ClassError
        When a cut is unknown.
    """
    out = {}
    for item in CLASSES:
        own = dict(overrides.get(item.name, {}))
        if unknown := set(own) - set(item.cuts):
            raise ClassError(f"confuser_cuts.{item.name} names {sorted(unknown)}; its cuts are {sorted(item.cuts)}")
        out[item.name] = {**item.cuts, **own}
    return out


def reach_arcsec(overrides: Mapping[str, Cuts]) -> float:
    """The largest distance at which any class asks about neighbours."""
    return max(
        (v for own in cuts(overrides).values() for n, v in own.items() if n in ("radius_arcsec", "outer_arcsec")),
        default=0.0,
    )


COLUMNS = tuple(dict.fromkeys(column for item in CLASSES for column in item.columns))
"""All that the classes read."""


def lacking(columns: Collection[str]) -> dict[str, list[str]]:
    """Columns that each class needs and a table does not have; classes that can be decided are left out."""
    short = {item.name: [name for name in item.columns if name not in columns] for item in CLASSES}
    return {name: names for name, names in short.items() if names}


def classify(
    galaxies: pd.DataFrame, overrides: Mapping[str, Cuts] | None = None, there: np.ndarray | None = None
) -> np.ndarray:
    """Every class that each object belongs to.

    Parameters
    ----------
    galaxies : DataFrame
        As `schema.GALAXIES`, neighbours included.
    overrides : mapping, optional
        Class -> cut -> value.
    there : (n,) bool array, optional
        Rows that count; the others (duplicates) belong to no class and are nobody's neighbours. All by default.

    Returns
    -------
    int32 array
        Bit i is set for class i of `schema.CONFUSERS`.

    Raises
    ------
    ClassError
        When a column that a class needs is missing: a class is never decided from less.
    """
    if short := lacking(galaxies.columns):
        words = "; ".join(f"'{name}' needs {', '.join(columns)}" for name, columns in short.items())
        raise ClassError(f"confuser classes lack columns: {words}")
    chosen, bits = cuts(overrides or {}), np.zeros(len(galaxies), np.int32)
    with np.errstate(invalid="ignore"):
        possible = _may_belong(Sky(galaxies), chosen)
        rows = np.flatnonzero(possible if there is None else possible & there)
        sky, some = Sky(galaxies, rows, there), np.zeros(rows.size, np.int32)
        for item in CLASSES:
            bit = np.int32(1 << schema.CONFUSERS.index(item.name))
            some |= np.where(item.member(sky, chosen[item.name]), bit, np.int32(0))
    bits[rows] = some
    return bits
