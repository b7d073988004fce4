"""Matches of positions on the sphere, exact at the poles and across RA = 0."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

_ARCSEC = np.pi / 648000.0  # radian
_SLACK = 1e-12  # on the chord of unit vectors, above its rounding; the angle itself decides


def unit_vectors(ra, dec) -> np.ndarray:
    """Points on the unit sphere.

    Parameters
    ----------
    ra, dec : (n,) arrays
        In degrees, finite.

    Returns
    -------
    (n, 3) array
    """
    ra, dec = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def separation(ra_1, dec_1, ra_2, dec_2) -> np.ndarray:
    """Angle between positions by the haversine formula, which keeps its digits at small angles.

    Parameters
    ----------
    ra_1, dec_1, ra_2, dec_2 : arrays that broadcast
        In degrees.

    Returns
    -------
    array
        In arcsec.
    """
    half_dec = np.radians(np.asarray(dec_2, float) - dec_1) / 2
    half_ra = np.radians(np.asarray(ra_2, float) - ra_1) / 2
    cosines = np.cos(np.radians(dec_1)) * np.cos(np.radians(dec_2))
    h = np.sin(half_dec) ** 2 + cosines * np.sin(half_ra) ** 2
    return 2 * np.arcsin(np.sqrt(np.clip(h, 0, 1))) / _ARCSEC


def pairs(ra_1, dec_1, ra_2, dec_2, radius) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of a first and a second position within a radius.

    Parameters
    ----------
    ra_1, dec_1 : (n,) arrays
        First positions, in degrees.
    ra_2, dec_2 : (m,) arrays
        Second positions, in degrees.
    radius : float
        In arcsec, included; below 90 degrees.

    Returns
    -------
    first, second : (k,) int64 arrays
        Indices, ordered by the first, then by separation, then by the second.
    distance : (k,) float64 array
        Separations, in arcsec.
    """
    ra_1, dec_1 = np.asarray(ra_1, float), np.asarray(dec_1, float)
    ra_2, dec_2 = np.asarray(ra_2, float), np.asarray(dec_2, float)
    empty = np.empty(0, np.int64)
    if not ra_1.size or not ra_2.size:
        return empty, empty, np.empty(0)
    chord = 2 * np.sin(radius * _ARCSEC / 2) + _SLACK
    points_1, points_2 = unit_vectors(ra_1, dec_1), unit_vectors(ra_2, dec_2)
    keep_1, points_1 = _near(points_1, points_2, chord)
    keep_2, points_2 = _near(points_2, points_1, chord)
    if not keep_1.size or not keep_2.size:
        return empty, empty, np.empty(0)
    found = cKDTree(points_1).sparse_distance_matrix(cKDTree(points_2), chord, output_type="ndarray")
    first, second = keep_1[found["i"]], keep_2[found["j"]]
    distance = separation(ra_1[first], dec_1[first], ra_2[second], dec_2[second])
    inside = distance <= radius
    first, second, distance = first[inside], second[inside], distance[inside]
    order = np.lexsort((second, distance, first))
    return first[order], second[order], distance[order]


def _near(points, others, chord):
    # Only when one table is far longer than the other is a tree of the short one worth its queries.
    if len(points) < 8 * len(others):
        return np.arange(len(points)), points
    distance, _ = cKDTree(others).query(points, distance_upper_bound=np.nextafter(chord, 2))
    keep = np.flatnonzero(np.isfinite(distance))
    return keep, points[keep]


def nearest(ra_1, dec_1, ra_2, dec_2, radius) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest second position of each first one; of equally near ones, the first in order.

    Parameters
    ----------
    ra_1, dec_1, ra_2, dec_2, radius
        As in `pairs`.

    Returns
    -------
    index : (n,) int64 array
        Of the second position; -1 where there is none within the radius.
    distance : (n,) float64 array
        In arcsec; NaN where there is none.
    count : (n,) int64 array
        Second positions within the radius.
    """
    first, second, separations = pairs(ra_1, dec_1, ra_2, dec_2, radius)
    size = np.asarray(ra_1).size
    index, distance = np.full(size, -1, np.int64), np.full(size, np.nan)
    lead = np.flatnonzero(np.diff(first, prepend=-1))
    index[first[lead]] = second[lead]
    distance[first[lead]] = separations[lead]
    return index, distance, np.bincount(first, minlength=size)


def groups(ra, dec, radius) -> np.ndarray:
    """Friends of friends: positions linked by steps within a radius.

    Parameters
    ----------
    ra, dec : (n,) arrays
        In degrees.
    radius : float
        In arcsec.

    Returns
    -------
    (n,) int64 array
        The smallest index in each position's group.
    """
    first, second, _ = pairs(ra, dec, ra, dec, radius)
    label = np.arange(np.asarray(ra).size)
    while first.size:
        low = label.copy()
        np.minimum.at(low, first, label[second])
        low = low[low]
        if np.array_equal(low, label):
            break
        label = low
    return label
