"""Lenses and look-alikes meet the survey on the sphere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lenscal import healpix, schema
from lenscal.kernels import matching

Footprint = Callable[[np.ndarray, np.ndarray], np.ndarray]
MATCHED, NO_OBJECT, OUTSIDE = "matched", "no object within radius", "outside the footprint"


def meet(targets: pd.DataFrame, galaxies: pd.DataFrame, radius_arcsec: float) -> pd.DataFrame:
    """Every survey object near every target.

    Parameters
    ----------
    targets : DataFrame
        ra, dec.
    galaxies : DataFrame
        galaxy_id, ra, dec; whatever else it has comes along. Parts of the survey may be met one after the other.
    radius_arcsec : float

    Returns
    -------
    DataFrame
        at (row of the target), separation [arcsec], and the columns of the galaxies.
    """
    first, second, distance = matching.pairs(
        targets["ra"], targets["dec"], galaxies["ra"], galaxies["dec"], radius_arcsec
    )
    near = galaxies.iloc[second].drop(columns=["ra", "dec"]).reset_index(drop=True)
    return near.assign(at=first, separation=distance)


def _with_light(hits: pd.DataFrame) -> pd.DataFrame:
    """Hits on objects that have light of their own: a DUP is a Gaia position within a larger
    galaxy, which has the light.
    """
    return hits[hits["type"].astype(str).ne("DUP")] if "type" in hits else hits


def _ordered(hits: pd.DataFrame) -> pd.DataFrame:
    """Each object with light once for each target, by target, separation and galaxy_id."""
    hits = _with_light(hits)
    return (
        hits.sort_values(["at", "separation", "galaxy_id"]).drop_duplicates(["at", "galaxy_id"]).reset_index(drop=True)
    )


def _nearest(hits: pd.DataFrame, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """galaxy_id (-1) and separation (NaN) of the nearest object of each target, and the number of objects."""
    hits = _ordered(hits)
    lead = hits.drop_duplicates("at")
    ids, separation = np.full(size, -1, np.int64), np.full(size, np.nan)
    ids[lead["at"]], separation[lead["at"]] = lead["galaxy_id"], lead["separation"]
    return ids, separation, np.bincount(hits["at"], minlength=size)


def match_lenses(
    lenses: pd.DataFrame, galaxies: pd.DataFrame, radius_arcsec: float, footprint: np.ndarray | Footprint | None = None
) -> pd.DataFrame:
    """The nearest survey object of each lens that has light of its own (no DUP), or the reason why there is none.

    Parameters
    ----------
    lenses : DataFrame
        As `schema.LENSES`.
    galaxies : DataFrame
        galaxy_id, ra, dec at least.
    radius_arcsec : float
    footprint : integer array or callable, optional
        Nside-128 nested pixels that the survey covers, or a function of (ra, dec) that says so; the pixels with an
        object when not given.

    Returns
    -------
    DataFrame
        As `schema.MATCHES`, by lens_id.
    """
    hits = meet(lenses, _met(galaxies), radius_arcsec)
    return matches_of(lenses, hits, covered(galaxies) if footprint is None else footprint)


def _met(galaxies: pd.DataFrame) -> pd.DataFrame:
    return galaxies[[name for name in ("galaxy_id", "ra", "dec", "type") if name in galaxies]]


def matches_of(lenses: pd.DataFrame, hits: pd.DataFrame, footprint: np.ndarray | Footprint) -> pd.DataFrame:
    """`match_lenses` from the hits of `meet`, of the whole survey or of its parts one after the other."""
    ids, distance, count = _nearest(hits, len(lenses))
    ra, dec = lenses["ra"].to_numpy(float), lenses["dec"].to_numpy(float)
    inside = (
        np.asarray(footprint(ra, dec), bool)
        if callable(footprint)
        else np.isin(healpix.pixels_of(ra, dec, 128), footprint)
    )
    table = pd.DataFrame(
        {
            "lens_id": lenses["lens_id"].to_numpy(),
            "galaxy_id": ids,
            "separation": distance,
            "n_within": count,
            "reason": np.select([ids >= 0, ~inside], [MATCHED, OUTSIDE], NO_OBJECT),
        }
    )
    return schema.MATCHES.cast_table(table).sort_values("lens_id", ignore_index=True)


def neighbours_of(lenses: pd.DataFrame, hits: pd.DataFrame) -> pd.DataFrame:
    """All survey objects with light within the radius of each lens, as `schema.NEIGHBOURS`, by
    lens_id, then the nearest first.
    """
    hits = _ordered(hits)
    rank = hits.groupby("at").cumcount() + 1
    table = hits.assign(lens_id=lenses["lens_id"].to_numpy()[hits["at"]], rank=rank)
    return schema.NEIGHBOURS.cast_table(table).sort_values(["lens_id", "rank"], ignore_index=True)


def covered(galaxies: pd.DataFrame) -> np.ndarray:
    """Nside-128 nested pixels that hold an object."""
    if "healpix_128" in galaxies:
        return galaxies["healpix_128"].unique()
    return np.unique(healpix.pixels_of(galaxies["ra"], galaxies["dec"], 128))


def match_contaminants(contaminants: pd.DataFrame, galaxies: pd.DataFrame, radius_arcsec: float) -> pd.DataFrame:
    """Contaminants with the nearest survey object of each, as `schema.CONTAMINANTS`, in a fixed order."""
    return contaminants_of(contaminants, meet(contaminants, _met(galaxies), radius_arcsec))


def contaminants_of(contaminants: pd.DataFrame, hits: pd.DataFrame) -> pd.DataFrame:
    """`match_contaminants` from the hits of `meet`."""
    ids, distance, _ = _nearest(hits, len(contaminants))
    table = contaminants.assign(galaxy_id=ids, separation=distance)
    order = ["catalogue", "category", "ra", "dec", "name"]
    return schema.CONTAMINANTS.cast_table(table).sort_values(order, ignore_index=True)
