"""Matches of positions on the sphere, exact at the poles and across RA = 0."""

from __future__ import annotations

import numba
import numpy as np

from lenscal.kernels.compiled import kept

_ARCSEC = np.pi / 648000.0  # radian
ROUNDING = 1e-9  # degree: above the rounding of sums of angles; the separation itself decides


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
    own cell.

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
    if not one[0].size or not two[0].size:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    if one[0].size < two[0].size:
        second, first = _candidates(two, one, radius)
        order = np.argsort(first, kind="stable")
        first, second = first[order], second[order]
    else:
        first, second = _candidates(one, two, radius)  # in the order of the first
    distance = separation(one[0][first], one[1][first], two[0][second], two[1][second])
    inside = distance <= radius
    first, second, distance = first[inside], second[inside], distance[inside]
    _by_distance(first, second, distance)
    return first, second, distance


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
    first, second = _candidates((ra, dec), (ra, dec), radius)
    first, second = first[first < second], second[first < second]
    inside = separation(ra[first], dec[first], ra[second], dec[second]) <= radius
    first, second = first[inside], second[inside]
    by_index = np.lexsort((second, first))
    return first[by_index], second[by_index]


def plain(values) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float64).ravel()


def _candidates(many, few, radius):
    """Indices into two lists of positions that may be within a radius of each other, every true pair among them."""
    reach = radius * (1 + 1e-9) / 3600 + ROUNDING
    some, reach_ra, frame = _near_box(*many, *few, reach)
    if not some.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    start, listed = _entered(few[0], few[1], some, reach, reach_ra, *frame)
    size, there = 2 * some.size + 1024, unit_vectors(*few)
    chord2 = (2 * np.sin(np.radians(min(reach, 180.0)) / 2)) ** 2
    while True:
        first, second = np.empty(size, np.int64), np.empty(size, np.int64)
        found = _looked_up(*many, there, start, listed, chord2, *frame, first, second)
        if found <= size:
            return first[:found], second[:found]
        size = found


def _near_box(ra, dec, ra_few, dec_few, reach):
    """Which of the few lie near the box of the many, how far each reaches in RA [degree], and
    the grid of their cells.
    """
    centre = ra[0]
    box = _box(ra, dec, centre)
    turned = _turned(ra_few, centre)
    reach_ra = np.full(dec_few.size, 180.0)
    away = np.abs(dec_few) + reach < 90  # a circle that holds no pole ends at these right ascensions
    reach_ra[away] = (
        np.degrees(np.arcsin(np.minimum(np.sin(np.radians(reach)) / np.cos(np.radians(dec_few[away])), 1))) + ROUNDING
    )
    near = (dec_few >= box[2] - reach) & (dec_few <= box[3] + reach)
    around = (turned - reach_ra < -180) | (turned + reach_ra > 180)  # across the far side of the sky
    near &= around | ((turned + reach_ra >= box[0]) & (turned - reach_ra <= box[1]))
    some = np.flatnonzero(near)
    if not some.size:
        return some, reach_ra, ()
    if around[some].any():
        west, east = -180.0, 180.0
    else:
        west, east = float((turned - reach_ra)[some].min()), float((turned + reach_ra)[some].max())
    south, north = float(dec_few[some].min()) - reach, float(dec_few[some].max()) + reach
    side = int(min(8 * np.sqrt(some.size), 2 * np.sqrt(some.size + ra.size))) + 8  # of few among many, mostly empty
    columns = int(np.clip((east - west) / (2 * reach_ra[some].max()), 1, side))
    rows = int(np.clip((north - south) / (2 * reach), 1, side))
    return some, reach_ra, (centre, west, columns / (east - west), columns, south, rows / (north - south), rows)


@numba.njit(nogil=True, inline="always")
def turn(ra, centre) -> float:
    """Right ascension less that of a centre, in [-180, 180) degrees."""
    turned = ra - centre
    if turned >= 180.0:
        turned -= 360.0
    elif turned < -180.0:
        turned += 360.0
    return turned


@kept()
def _turned(ra, centre):
    out = np.empty(ra.size)
    for i in range(ra.size):
        out[i] = turn(ra[i], centre)
    return out


@kept()
def _box(ra, dec, centre):
    west, east, south, north = np.inf, -np.inf, np.inf, -np.inf
    for i in range(ra.size):
        turned = turn(ra[i], centre)
        west, east = min(west, turned), max(east, turned)
        south, north = min(south, dec[i]), max(north, dec[i])
    return west, east, south, north


@kept()
def _entered(ra, dec, some, reach, reach_ra, centre, west, per_column, columns, south, per_row, rows):
    # Positions by cell, as the first place of each cell and the list of all; the first round counts, the second enters.
    start = np.zeros(rows * columns + 2, np.int64)
    listed = np.empty(0, np.int64)
    for enter in (False, True):
        for i in some:
            turned = turn(ra[i], centre)
            low = int(np.floor((turned - reach_ra[i] - west) * per_column))
            high = min(int(np.floor((turned + reach_ra[i] - west) * per_column)), low + columns - 1)
            bottom = max(int((dec[i] - reach - south) * per_row), 0)
            top = min(int((dec[i] + reach - south) * per_row), rows - 1)
            for row in range(bottom, top + 1):
                for column in range(low, high + 1):
                    cell = row * columns + column % columns
                    if enter:
                        listed[start[cell + 1]] = i
                        start[cell + 1] += 1
                    else:
                        start[cell + 2] += 1
        if not enter:
            start = np.cumsum(start)
            listed = np.empty(start[-1], np.int64)
    return start, listed


@kept()
def _looked_up(
    ra, dec, there, start, listed, chord2, centre, west, per_column, columns, south, per_row, rows, first, second
):
    # How many candidates there are, by the squares of chords, and as many of them as there is room for.
    found = 0
    for i in range(ra.size):
        row = (dec[i] - south) * per_row
        column = (turn(ra[i], centre) - west) * per_column
        if not (0 <= row <= rows and 0 <= column <= columns):
            continue
        cell = min(int(row), rows - 1) * columns + min(int(column), columns - 1)
        if start[cell] == start[cell + 1]:
            continue
        a, d = ra[i] * (np.pi / 180), dec[i] * (np.pi / 180)
        x, y, z = np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)
        for at in range(start[cell], start[cell + 1]):
            j = listed[at]
            if (there[j, 0] - x) ** 2 + (there[j, 1] - y) ** 2 + (there[j, 2] - z) ** 2 <= chord2:
                if found < first.size:
                    first[found], second[found] = i, j
                found += 1
    return found


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
