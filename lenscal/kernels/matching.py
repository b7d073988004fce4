"""Matches of positions on the sphere, exact at the poles and across RA = 0."""

from __future__ import annotations

import numpy as np

from lenscal.kernels.candidates import candidates
from lenscal.kernels.compiled import kept

_ARCSEC = np.pi / 648000.0  # radian


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
    return _on_sphere(
        np.ascontiguousarray(ra, dtype=np.float64).ravel(), np.ascontiguousarray(dec, dtype=np.float64).ravel()
    )


@kept()
def _on_sphere(ra, dec):
    out = np.empty((ra.size, 3))
    for i in range(ra.size):
        a, d = ra[i] * (np.pi / 180), dec[i] * (np.pi / 180)
        cosine = np.cos(d)
        out[i, 0], out[i, 1], out[i, 2] = cosine * np.cos(a), cosine * np.sin(a), np.sin(d)
    return out


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

    The shorter list is entered into a grid, each position into every cell it reaches; each of the longer looks at its
    own cell. Long lists are cut into strips first.

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
    one, two = (plain(ra_1), plain(dec_1)), (plain(ra_2), plain(dec_2))
    first, second = candidates(one, two, radius)
    distance = separation(one[0][first], one[1][first], two[0][second], two[1][second])
    first, second, distance = _in_order(first, second, distance, radius, one[0].size)
    _by_distance(first, second, distance)
    return first, second, distance


@kept()
def _in_order(first, second, distance, radius, size):
    """The pairs within the radius, those of each first together, in the order of the firsts."""
    start = np.zeros(size + 2, np.int64)
    for k in range(first.size):
        if distance[k] <= radius:
            start[first[k] + 2] += 1
    for i in range(size):
        start[i + 2] += start[i + 1]
    count = start[size + 1]
    one, two, apart = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    for k in range(first.size):
        if distance[k] <= radius:
            at = start[first[k] + 1]
            one[at], two[at], apart[at] = first[k], second[k], distance[k]
            start[first[k] + 1] += 1
    return one, two, apart


@kept()
def _by_distance(first, second, distance):
    """Order the pairs of each first, which lie together, by separation and second: Shell's sort, in place."""
    start = 0
    while start < first.size:
        stop = start + 1
        while stop < first.size and first[stop] == first[start]:
            stop += 1
        gap = (stop - start) // 2
        while gap > 0:
            for i in range(start + gap, stop):
                s, d = second[i], distance[i]
                j = i
                while j - gap >= start and (distance[j - gap] > d or (distance[j - gap] == d and second[j - gap] > s)):
                    second[j], distance[j] = second[j - gap], distance[j - gap]
                    j -= gap
                second[j], distance[j] = s, d
            gap = gap // 2
        start = stop


def twins(ra, dec, radius) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of distinct positions of one table within a radius, each pair once.

    Parameters
    ----------
    ra, dec : (n,) arrays
        In degrees.
    radius : float
        In arcsec, included.

    Returns
    -------
    first, second : (k,) int64 arrays
        Indices, the smaller first, in order.
    """
    ra, dec = plain(ra), plain(dec)
    if ra.size < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    first, second = candidates((ra, dec), (ra, dec), radius)
    first, second = first[first < second], second[first < second]
    inside = separation(ra[first], dec[first], ra[second], dec[second]) <= radius
    first, second = first[inside], second[inside]
    by_index = np.lexsort((second, first))
    return first[by_index], second[by_index]


def plain(values) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float64).ravel()


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
