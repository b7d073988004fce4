"""Galaxies as the rules of the confuser classes see them: dereddened light, shape, fit and surroundings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.kernels import matching

LIGHT_R = ("flux_r", "mw_transmission_r")


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
            flux, transmission = (table[name].to_numpy() for name in LIGHT_R)
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
