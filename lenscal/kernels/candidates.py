"""Positions that may be neighbours: of all pairs of two lists, the few that are worth a separation."""

from __future__ import annotations

import numba
import numpy as np

from lenscal.kernels.compiled import kept

STRIP = 4096  # positions of the shorter list in a strip
ROUNDING = 1e-9  # degree: above the rounding of sums of angles; the separation itself decides


def candidates(one, two, radius) -> tuple[np.ndarray, np.ndarray]:
    """Indices into two lists of positions that may be within a radius of each other, every true pair among them, in
    any order.

    Lists too long for a processor's cache are cut into strips of declination, which are matched one by one.

    Parameters
    ----------
    one, two : pairs of (n,) arrays
        RA and Dec, degree.
    radius : float
        In arcsec.
    """
    if one[0].size < two[0].size:
        second, first = candidates(two, one, radius)
        return first, second
    if not two[0].size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    reach = radius * (1 + 1e-9) / 3600 + ROUNDING
    south, north = float(two[1].min()) - reach, float(two[1].max()) + reach
    strips = int(np.clip((north - south) / (2 * reach), 1, min(two[0].size / STRIP + 1, 32_000)))
    if strips == 1:
        return _within(one, two, reach)
    height = (north - south) / strips
    (many, begins), (few, starts) = (_in_strips(dec, south, height, strips) for _, dec in (one, two))
    one, two = ([c[order] for c in positions] for positions, order in ((one, many), (two, few)))
    found = []
    for strip in range(strips):
        own, near = slice(begins[strip + 1], begins[strip + 2]), slice(starts[strip], starts[strip + 3])
        first, second = _within([c[own] for c in one], [c[near] for c in two], reach)
        found.append((many[own][first], few[near][second]))
    first, second = zip(*found)
    return np.concatenate(first), np.concatenate(second)


def _in_strips(dec, south, height, strips):
    """Order by strip of declination, and where each begins; the first is what lies south of all, the last what lies
    north.
    """
    strip = np.clip(np.floor((dec - south) / height), -1, strips).astype(np.int16)
    order = np.argsort(strip, kind="stable")
    return order, np.concatenate([[0], np.cumsum(np.bincount(strip + 1, minlength=strips + 2))])


def _within(many, few, reach):
    """Candidates of two lists of which the shorter fits into the cache, in the order of the longer."""
    centre = many[0][0] if many[0].size else 0.0
    some, turned, reach_ra, extent = _near(*few, centre, _box(*many, centre), reach)
    if not some.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    frame = _grid(extent, reach, reach_ra.max(), some.size, many[0].size)
    few = few[0][some], few[1][some]
    start, listed = _entered(turned, few[1], reach, reach_ra, *frame)
    cosine2 = _least_cosines(*frame[3:], reach) ** 2
    apart = np.degrees(2 * np.sin(np.radians(min(reach, 180.0)) / 2)) ** 2 * (1 + 1e-12)
    size = 2 * some.size + 1024
    while True:
        first, second = np.empty(size, np.int64), np.empty(size, np.int64)
        found = _looked_up(*many, *few, start, listed, cosine2, apart, centre, *frame, first, second)
        if found <= size:
            return first[:found], some[second[:found]]
        size = found


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
def _box(ra, dec, centre):
    west, east, south, north = np.inf, -np.inf, np.inf, -np.inf
    for i in range(ra.size):
        turned = turn(ra[i], centre)
        west, east = min(west, turned), max(east, turned)
        south, north = min(south, dec[i]), max(north, dec[i])
    return west, east, south, north


@kept()
def _near(ra, dec, centre, box, reach):
    # Which lie near a box, their RA from the centre, how far each reaches in RA [degree], and the box of all of them.
    sine, count = np.sin(reach * (np.pi / 180)), 0
    some, turned, reach_ra = np.empty(ra.size, np.int64), np.empty(ra.size), np.empty(ra.size)
    west, east, south, north, around = np.inf, -np.inf, np.inf, -np.inf, False
    for i in range(ra.size):
        if not box[2] - reach <= dec[i] <= box[3] + reach:
            continue
        wide = 180.0
        if abs(dec[i]) + reach < 90:  # a circle that holds no pole ends at these right ascensions
            wide = np.arcsin(min(sine / np.cos(dec[i] * (np.pi / 180)), 1.0)) * (180 / np.pi) + ROUNDING
        at = turn(ra[i], centre)
        across = at - wide < -180 or at + wide > 180  # the far side of the sky
        if not (across or (at + wide >= box[0] and at - wide <= box[1])):
            continue
        some[count], turned[count], reach_ra[count] = i, at, wide
        around |= across
        west, east = min(west, at - wide), max(east, at + wide)
        south, north = min(south, dec[i] - reach), max(north, dec[i] + reach)
        count += 1
    if around:
        west, east = -180.0, 180.0
    return some[:count], turned[:count], reach_ra[:count], (west, east, south, north)


def _grid(extent, reach, reach_ra, few, many):
    """First cell, cells to a degree and cells, along RA and along Dec."""
    west, east, south, north = extent
    side = int(min(8 * np.sqrt(few), 2 * np.sqrt(few + many))) + 8  # of few among many, mostly empty
    columns = int(np.clip((east - west) / (2 * reach_ra), 1, side))
    rows = int(np.clip((north - south) / (2 * reach), 1, side))
    return west, columns / (east - west), columns, south, rows / (north - south), rows


def _least_cosines(south, per_row, rows, reach):
    """Of the declinations in each row of the grid and within reach of it."""
    edges = south + np.arange(rows + 1) / per_row
    beyond = np.maximum(np.abs(edges[:-1]), np.abs(edges[1:])) + reach + ROUNDING
    return np.cos(np.radians(np.minimum(beyond, 90.0)))


@kept()
def _entered(turned, dec, reach, reach_ra, west, per_column, columns, south, per_row, rows):
    # Positions by cell, as the first place of each cell and the list of all; the first round counts, the second enters.
    start = np.zeros(rows * columns + 2, np.int64)
    listed = np.empty(0, np.int64)
    for enter in (False, True):
        for i in range(dec.size):
            low = int(np.floor((turned[i] - reach_ra[i] - west) * per_column))
            high = min(int(np.floor((turned[i] + reach_ra[i] - west) * per_column)), low + columns - 1)
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
    ra, dec, ra_few, dec_few, start, listed, cosine2, apart, centre,
    west, per_column, columns, south, per_row, rows, first, second,
):  # fmt: skip
    # How many candidates there are, and as many of them as there is room for. With x, y half of the differences in Dec
    # and RA, the square of half a chord is sin^2 x + cos cos sin^2 y, at least
    # (x^2 + cos cos y^2) (1 - max(x, y)^2 / 3); cos cos is at least the square of the row's least.
    found, third = 0, (np.pi / 360) ** 2 / 3
    for i in range(ra.size):
        row = (dec[i] - south) * per_row
        column = (turn(ra[i], centre) - west) * per_column
        if not (0 <= row <= rows and 0 <= column <= columns):
            continue
        along = min(int(row), rows - 1)
        cell = along * columns + min(int(column), columns - 1)
        for at in range(start[cell], start[cell + 1]):
            j = listed[at]
            x2, y2 = (dec_few[j] - dec[i]) ** 2, turn(ra_few[j], ra[i]) ** 2
            if (x2 + cosine2[along] * y2) * (1 - max(x2, y2) * third) <= apart:
                if found < first.size:
                    first[found], second[found] = i, j
                found += 1
    return found
