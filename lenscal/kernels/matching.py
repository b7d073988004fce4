"""Matches of positions on the sphere, exact at the poles and across RA = 0."""

from __future__ import annotations

import numba
import numpy as np

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
    return _on_sphere(np.ascontiguousarray(ra, dtype=np.float64).ravel(), np.ascontiguousarray(dec, dtype=np.float64).ravel())


@numba.njit(cache=True, nogil=True)
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


def pairs(ra_1, dec_1, ra_2, dec_2, radius, points_1=None, points_2=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of a first and a second position within a radius.

    Parameters
    ----------
    ra_1, dec_1 : (n,) arrays
        First positions, in degrees.
    ra_2, dec_2 : (m,) arrays
        Second positions, in degrees.
    radius : float
        In arcsec, included; below 90 degrees.
    points_1, points_2 : (n, 3) and (m, 3) arrays, optional
        Their `unit_vectors`, where they are at hand.

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
    points_1 = unit_vectors(ra_1, dec_1) if points_1 is None else points_1
    points_2 = unit_vectors(ra_2, dec_2) if points_2 is None else points_2
    keep_1, points_1 = _inside_box(points_1, points_2, _chord(radius))
    keep_2, points_2 = _inside_box(points_2, points_1, _chord(radius))
    if not keep_1.size or not keep_2.size:
        return empty, empty, np.empty(0)
    if len(points_1) < len(points_2):  # the shorter table is sorted, the longer one walks past it
        second, first = _walk(points_2, points_1, _chord(radius))
    else:
        first, second = _walk(points_1, points_2, _chord(radius))
    first, second = keep_1[first], keep_2[second]
    distance = separation(ra_1[first], dec_1[first], ra_2[second], dec_2[second])
    inside = distance <= radius
    first, second, distance = first[inside], second[inside], distance[inside]
    order = np.lexsort((second, distance, first))
    return first[order], second[order], distance[order]


def _inside_box(points, others, chord):
    if len(points) > 4 * len(others):  # the walk is cheap for these
        return np.arange(len(points)), points
    if not len(others):
        return np.empty(0, np.int64), points[:0]
    low, high = _box(others)
    keep = np.flatnonzero(((points >= low - chord) & (points <= high + chord)).all(axis=1))
    return keep, points[keep]


@numba.njit(cache=True, nogil=True)
def _box(points):
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for i in range(points.shape[0]):
        for k in range(3):
            low[k], high[k] = min(low[k], points[i, k]), max(high[k], points[i, k])
    return low, high


def _widest(points):
    low, high = _box(points)
    return int(np.argmax(high - low))


def _walk(points, others, chord):
    axis = _widest(others)
    order = np.argsort(others[:, axis], kind="stable")
    i, j = _within(points, others[order], axis, chord)
    return i, order[j]


def _chord(radius):
    return 2 * np.sin(radius * _ARCSEC / 2) + _SLACK


@numba.njit(cache=True, nogil=True)
def _within(points, others, axis, chord):
    # Points beside others that are sorted along an axis: only a window of one chord on either side can be near.
    key = others[:, axis].copy()
    size = max(16, points.shape[0])
    first, second, found = np.empty(size, np.int64), np.empty(size, np.int64), 0
    # Where a window begins: the first of the others in a slice of the axis, many slices to each of them.
    slices = 4 * key.size + 1
    scale = slices / max(key[-1] - key[0], 1e-300)
    begin = np.zeros(slices + 1, np.int64)
    for j in range(key.size):
        begin[min(int((key[j] - key[0]) * scale), slices - 1) + 1] += 1
    begin = np.cumsum(begin)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        low = points[i, axis] - chord
        if low > key[-1] or points[i, axis] + chord < key[0]:
            continue
        j = begin[min(int(max(low - key[0], 0.0) * scale), slices - 1)]
        while j < key.size and key[j] < low:
            j += 1
        while j < key.size and key[j] <= points[i, axis] + chord:
            if (others[j, 0] - x) ** 2 + (others[j, 1] - y) ** 2 + (others[j, 2] - z) ** 2 <= chord * chord:
                if found == size:
                    first, second = np.append(first, np.empty(size, np.int64)), np.append(second, np.empty(size, np.int64))
                    size *= 2
                first[found], second[found] = i, j
                found += 1
            j += 1
    return first[:found].copy(), second[:found].copy()


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
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    if ra.size < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    points = unit_vectors(ra, dec)
    axis = _widest(points)
    order = np.argsort(points[:, axis], kind="stable")
    a, b = _beside(points[order], axis, _chord(radius))
    first, second = np.minimum(order[a], order[b]), np.maximum(order[a], order[b])
    inside = separation(ra[first], dec[first], ra[second], dec[second]) <= radius
    first, second = first[inside], second[inside]
    by_index = np.lexsort((second, first))
    return first[by_index], second[by_index]


@numba.njit(cache=True, nogil=True)
def _beside(points, axis, chord):
    size = max(16, points.shape[0] // 8)
    first, second, found = np.empty(size, np.int64), np.empty(size, np.int64), 0
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        j = i + 1
        while j < points.shape[0] and points[j, axis] <= points[i, axis] + chord:
            if (points[j, 0] - x) ** 2 + (points[j, 1] - y) ** 2 + (points[j, 2] - z) ** 2 <= chord * chord:
                if found == size:
                    first, second = np.append(first, np.empty(size, np.int64)), np.append(second, np.empty(size, np.int64))
                    size *= 2
                first[found], second[found] = i, j
                found += 1
            j += 1
    return first[:found].copy(), second[:found].copy()


def beside_another_group(ra, dec, group, radius, points=None) -> np.ndarray:
    """Positions that lie in the box of another group, widened by a radius: all that can be near a member of another.

    Parameters
    ----------
    ra, dec : (n,) arrays
        In degrees.
    group : (n,) int64 array
        Codes from 0.
    radius : float
        In arcsec.
    points : (n, 3) array, optional
        Their `unit_vectors`, where they are at hand.

    Returns
    -------
    (n,) bool array
    """
    group = np.asarray(group, np.int64)
    if not group.size:
        return np.zeros(0, bool)
    return _in_other_boxes(unit_vectors(ra, dec) if points is None else points, group, int(group.max()) + 1, _chord(radius))


@numba.njit(cache=True, nogil=True)
def _in_other_boxes(points, group, groups, chord):
    low, high = np.full((groups, 3), 2.0), np.full((groups, 3), -2.0)
    for i in range(group.size):
        for k in range(3):
            low[group[i], k] = min(low[group[i], k], points[i, k] - chord)
            high[group[i], k] = max(high[group[i], k], points[i, k] + chord)
    others = [[0 for _ in range(0)] for _ in range(groups)]
    for a in range(groups):
        for b in range(groups):
            if a != b and (low[a] <= high[b]).all() and (low[b] <= high[a]).all():
                others[a].append(b)
    out = np.zeros(group.size, np.bool_)
    for i in range(group.size):
        for b in others[group[i]]:
            x, y, z = points[i]
            if (
                low[b, 0] <= x <= high[b, 0] and low[b, 1] <= y <= high[b, 1] and low[b, 2] <= z <= high[b, 2]
            ):  # fmt: skip
                out[i] = True
                break
    return out


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
    first, second = twins(ra, dec, radius)
    label = np.arange(np.asarray(ra).size)
    while first.size:
        low = label.copy()
        np.minimum.at(low, first, label[second])
        np.minimum.at(low, second, label[first])
        low = low[low]
        if np.array_equal(low, label):
            break
        label = low
    return label
