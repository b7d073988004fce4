"""The classes of pool N2, as data: a name, the columns it needs, its cuts, and who belongs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.errors import LenscalError
from lenscal.kernels import matching

_FITBIT_SERSIC_LIMIT = 1 << 3


class ClassError(LenscalError, ValueError):
    """A confuser class that cannot be decided from the table at hand."""


class Sky:
    """Measures of the objects of a table (dereddened where it is about light), and their neighbours.

    Each is a plain array, one value per row that is asked about; NaN where it cannot be told, which no cut lets
    through.

    Parameters
    ----------
    table : DataFrame
    rows : (n,) int array, optional
        The rows that are asked about; all by default.
    there : (rows of the table,) bool array, optional
        Rows that may be a neighbour; all by default.
    """

    def __init__(self, table: pd.DataFrame, rows: np.ndarray | None = None, there: np.ndarray | None = None) -> None:
        self._table, self._rows, self._there = table, rows, there
        self._fluxes: dict[str, np.ndarray] = {}
        self.size = len(table) if rows is None else len(rows)

    def _own(self, values: np.ndarray) -> np.ndarray:
        return values if self._rows is None else values[self._rows]

    def column(self, name: str) -> np.ndarray:
        """A column as it stands."""
        return self._own(self._table[name].to_numpy())

    @cached_property
    def _types(self) -> pd.Series:
        return self._table["type"].astype("category")

    @cached_property
    def _codes(self) -> np.ndarray:
        return self._own(self._types.cat.codes.to_numpy())

    def is_type(self, *types: str) -> np.ndarray:
        """Which rows have one of these Tractor types."""
        return of_types(self._types, self._codes, types)

    def flux(self, band: str) -> np.ndarray:
        """Dereddened flux [nanomaggy]."""
        if band not in self._fluxes:
            self._fluxes[band] = self._flux(band)
        return self._fluxes[band]

    def _flux(self, band: str) -> np.ndarray:
        return dereddened(self.column(f"flux_{band}"), self.column(f"mw_transmission_{band}"))

    def _magnitude(self, band: str) -> np.ndarray:
        flux = self.flux(band)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(flux > 0, schema.ZEROPOINT - 2.5 * np.log10(flux), np.nan)

    @cached_property
    def r(self) -> np.ndarray:
        """Dereddened r magnitude."""
        return self._magnitude("r")

    @cached_property
    def g_r(self) -> np.ndarray:
        """Dereddened g - r."""
        return self._magnitude("g") - self.r

    @cached_property
    def ellipticity(self) -> np.ndarray:
        """|e| = (1 - b/a) / (1 + b/a)."""
        return np.hypot(self.column("shape_e1"), self.column("shape_e2"))

    @cached_property
    def size_snr(self) -> np.ndarray:
        """Half-light radius over its error."""
        return self.column("shape_r") * np.sqrt(np.maximum(self.column("shape_r_ivar"), 0))

    @cached_property
    def fibre_ratio(self) -> np.ndarray:
        """Total over own flux in the fibre, r."""
        own = self.column("fiberflux_r")
        return np.divide(self.column("fibertotflux_r"), own, out=np.full(self.size, np.nan), where=own > 0)

    def has_neighbour(
        self,
        of: np.ndarray,
        low: float,
        high: float,
        *,
        ratio: tuple[float, float] | None = None,
        extended: bool = False,
    ) -> np.ndarray:
        """Which of the rows `of` have another object at `low` to `high` arcsec.

        `ratio` bounds the neighbour's r flux over the own one; `extended` asks for one that is no PSF or DUP.
        """
        out, here = np.zeros(self.size, bool), np.flatnonzero(of)
        if not here.size:
            return out
        table = self._table
        ra, dec = table["ra"].to_numpy(), table["dec"].to_numpy()
        among = np.ones(len(table), bool) if self._there is None else self._there.copy()
        if extended:
            among &= ~of_types(self._types, self._types.cat.codes.to_numpy(), ("PSF", "DUP"))
        if ratio is not None:  # far fainter ones need not be looked at
            own = self.flux("r")[here]
            flux, transmission = (table[name].to_numpy() for name in _LIGHT_R)
            among &= flux >= np.float32(0.999 * ratio[0] * np.nanmin(own)) * np.maximum(transmission, 0)
        there = np.flatnonzero(among)
        places = here if self._rows is None else self._rows[here]
        first, second, distance = matching.pairs(ra[places], dec[places], ra[there], dec[there], high)
        second = there[second]
        keep = (places[first] != second) & (distance >= low)
        if ratio is not None:
            with np.errstate(invalid="ignore", divide="ignore"):
                share = dereddened(flux[second], transmission[second]) / own[first]
            keep &= (share >= ratio[0]) & (share <= ratio[1])
        out[here[first[keep]]] = True
        return out


def of_types(column: pd.Series, codes: np.ndarray, types: Sequence[str]) -> np.ndarray:
    """Which codes of a column of categories stand for one of these Tractor types."""
    wanted = np.array([name in types for name in column.cat.categories] + [False])  # the last is for no type at all
    return wanted[codes]


def dereddened(flux: np.ndarray, transmission: np.ndarray) -> np.ndarray:
    """Flux without extinction; NaN where the transmission is not positive."""
    return np.divide(flux, transmission, out=np.full(flux.size, np.nan), where=transmission > 0)


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
_LIGHT_R = ("flux_r", "mw_transmission_r")
_COLOUR = (*_LIGHT_R, "flux_g", "mw_transmission_g")

CLASSES = (
    Confuser(
        "edge_on",
        "inclined discs, arc-like",
        ("type", "shape_e1", "shape_e2", "shape_r", "shape_r_ivar", *_LIGHT_R),
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
        (*_POSITION, "fracflux_r", "fracin_r", *_LIGHT_R),
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
        (*_POSITION, "type", "sersic", "fitbits", "fiberflux_r", "fibertotflux_r", *_LIGHT_R),
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
        ("rchisq_r", "shape_r", *_LIGHT_R),
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


def calibrated(
    parts: Sequence[tuple[pd.DataFrame, np.ndarray]],
    share: float,
    overrides: Mapping[str, Cuts] | None = None,
    of: int | None = None,
) -> tuple[dict[str, dict[str, float]], pd.DataFrame]:
    """Cuts under which each class holds a given share of a sample, to be frozen into a run file.

    One cut of each class, its lever, is moved by bisection to the strictest side of the share; the others stay.

    Parameters
    ----------
    parts : sequence of (DataFrame, bool array)
        Parts of the sky with what lies around them, and which rows are counted (each part has its neighbours to
        itself).
    share : float
        Of the counted rows, in (0, 1).
    overrides : mapping, optional
        Class -> cut -> value, to begin with.
    of : int, optional
        Number that the share is of; the counted rows by default.

    Returns
    -------
    cuts : dict
        class -> lever -> value.
    report : DataFrame
        class, cut, before, share_before, after, share_after. Where even the loosest lever gives less, or the strictest
        more, it stays there.

    Raises
    ------
    ClassError
        When no row is counted, or the share is not in (0, 1).
    """
    total = sum(int(np.count_nonzero(counted)) for _, counted in parts) if of is None else of
    if not total or not 0 < share < 1:
        raise ClassError(f"calibration needs rows and a share in (0, 1); found {total} rows, share {share}")
    skies, chosen = [(Sky(table), counted) for table, counted in parts], cuts(overrides or {})
    frozen, report = {}, []
    for item in CLASSES:
        own = chosen[item.name]
        lever, loose, strict = item.lever

        def held(value: float, item: Confuser = item, own: Cuts = own, lever: str = lever) -> float:
            with np.errstate(invalid="ignore"):
                members = (
                    np.count_nonzero(item.member(sky, {**own, lever: value}) & counted) for sky, counted in skies
                )
                return sum(int(m) for m in members) / total

        before = held(own[lever])
        a, b = loose, strict
        if held(a) > share:
            for _ in range(24):
                middle = (a + b) / 2
                a, b = (middle, b) if held(middle) > share else (a, middle)
            value = b
        else:
            value = a
        step = 10.0**-4
        value = float(np.round(np.floor(value / step) * step if strict < loose else np.ceil(value / step) * step, 4))
        frozen[item.name] = {lever: value}
        report.append(
            {
                "class": item.name,
                "cut": lever,
                "before": own[lever],
                "share_before": before,
                "after": value,
                "share_after": held(value),
            }
        )
    return frozen, pd.DataFrame(report)


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
