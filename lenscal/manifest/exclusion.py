"""Rows that must not be in the sample: the same object twice, sky near a lens, sky near a border of splits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import keys
from lenscal.kernels import grouping, matching, splitting


def same_key(galaxies: pd.DataFrame) -> np.ndarray:
    """Rows whose galaxy_id an earlier row has, where rows are in the order of sweep file and row."""
    order = np.lexsort((galaxies["row_index"], galaxies["sweep_file"].astype("str"), galaxies["galaxy_id"]))
    ids = galaxies["galaxy_id"].to_numpy()[order]
    out = np.zeros(len(galaxies), bool)
    out[order[1:]] = ids[1:] == ids[:-1]
    return out


def same_place(
    galaxies: pd.DataFrame, radius_arcsec: float, first: np.ndarray, there: np.ndarray | None = None
) -> np.ndarray:
    """Rows that are a second fit of the same sky, from an overlapping brick or another release.

    Objects of one brick and release are never the same, however close: they were fitted together. Type is not asked
    about, because a second fit often changes it. Of the fits of one place the row marked in `first` stays, then the
    latest release, then the smallest galaxy_id; the others go.

    Parameters
    ----------
    galaxies : DataFrame
        galaxy_id, which holds release and brick, ra, dec.
    radius_arcsec : float
    first : (n,) bool array
        Rows to keep before others (the positives).
    there : (n,) bool array, optional
        Rows that are asked about; all by default.

    Returns
    -------
    (n,) bool array
    """
    ids, ra, dec = (galaxies[name].to_numpy() for name in ("galaxy_id", "ra", "dec"))
    group, _ = pd.factorize(keys.brick_of(ids))  # one brick of one release
    beside = grouping.beside_another_group(ra, dec, group, radius_arcsec)
    some = np.flatnonzero(beside if there is None else beside & there)
    i, j = (some[part] for part in matching.twins(ra[some], dec[some], radius_arcsec))
    i, j = i[group[i] != group[j]], j[group[i] != group[j]]
    release = keys.unpack(ids).release
    ranks = ~np.asarray(first, bool), -release, ids
    better = np.zeros(i.size, bool)
    for key in reversed(ranks):  # the last decides only where the others are equal
        better = np.where(key[i] == key[j], better, key[i] < key[j])
    out = np.zeros(len(galaxies), bool)
    out[np.where(better, j, i)] = True
    return out


def near_lens(galaxies: pd.DataFrame, lenses: pd.DataFrame, radius_arcsec: float) -> np.ndarray:
    """Rows within a radius of any lens of any catalogue, matched or not."""
    out = np.zeros(len(galaxies), bool)
    i, _, _ = matching.pairs(galaxies["ra"], galaxies["dec"], lenses["ra"], lenses["dec"], radius_arcsec)
    out[i] = True
    return out


def near_border(
    galaxies: pd.DataFrame, guard_arcsec: float, seed: int, fractions: tuple[float, float, float]
) -> np.ndarray:
    """Rows nearer than a guard radius to a sky pixel of another split.

    A circle of 32 points is asked about; it is a quarter wider than the guard, so that no corner of a pixel slips
    between two points.
    """
    import healpy

    if guard_arcsec == 0:
        return np.zeros(len(galaxies), bool)
    centre = matching.unit_vectors(galaxies["ra"], galaxies["dec"])
    east = np.column_stack([-centre[:, 1], centre[:, 0], np.zeros(len(centre))])
    length = np.linalg.norm(east, axis=1, keepdims=True)
    east = np.where(length > 0, east / np.where(length > 0, length, 1), [1.0, 0.0, 0.0])
    north = np.cross(centre, east)
    own = splitting.split_codes(healpy.vec2pix(128, *centre.T, nest=True), seed, fractions)
    radius = np.radians(1.25 * guard_arcsec / 3600)
    out = np.zeros(len(galaxies), bool)
    for angle in 2 * np.pi * np.arange(32) / 32:
        point = np.cos(radius) * centre + np.sin(radius) * (np.cos(angle) * east + np.sin(angle) * north)
        pixel = healpy.vec2pix(128, *point.T, nest=True)
        out |= splitting.split_codes(pixel, seed, fractions) != own
    return out
