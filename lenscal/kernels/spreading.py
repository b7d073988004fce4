"""Light of a cell shared out among the pixels of an image."""

import math

import numpy as np

from lenscal.kernels.compiled import inner
from lenscal.kernels.fastmath import FLAGS
from lenscal.kernels.outer import add_cubic, add_outer

PAD = 2  # grid points around the grid, for the B-splines

NODE = 0.28867513459481287  # 1 / (2 sqrt 3): nodes of the two-point Gauss rule, cell side 1

_f4 = np.float32


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def deposit(grid, place, side, width, value) -> None:
    share = value / _f4(side * side)
    for a in range(side):
        for b in range(side):
            grid[place + a * width + b] += share


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def _taps(t):
    """Cubic B-spline at t + 1, t, 1 - t, 2 - t."""
    r = _f4(1.0) - t
    w0, w3 = r * r * r * _f4(1 / 6), t * t * t * _f4(1 / 6)
    w1 = _f4(2 / 3) + t * t * (_f4(0.5) * t - _f4(1.0))
    return w0, w1, _f4(1.0) - w0 - w1 - w3, w3


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def _spread(points, width, x, y, value):
    """Share a point's flux among 4 x 4 grid points; x, y in cells from the first point of the padded grid."""
    j, i = np.uint64(x), np.uint64(y)
    wx0, wx1, wx2, wx3 = _taps(x - _f4(j))
    wy = _taps(y - _f4(i))
    place = (i - np.uint64(1)) * width + j - np.uint64(1)
    for a in range(4):
        w = value * wy[a]
        points[place] += w * wx0
        points[place + np.uint64(1)] += w * wx1
        points[place + np.uint64(2)] += w * wx2
        points[place + np.uint64(3)] += w * wx3
        place += width


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def bilinear(stamp, x, y) -> float:
    j, i = math.floor(x), math.floor(y)
    t, r = x - _f4(j), y - _f4(i)
    total = _f4(0.0)
    for a in range(2):
        for b in range(2):
            if 0 <= i + a < stamp.shape[0] and 0 <= j + b < stamp.shape[1]:
                total += (r if a else _f4(1.0) - r) * (t if b else _f4(1.0) - t) * stamp[i + a, j + b]
    return total


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def share_out(grid, points, smooth, x, y, place, value, count, left, bottom, cell) -> None:
    """Add samples smaller than a cell: each to its cell, or (smooth) to the grid points around it."""
    if not smooth:
        for k in range(np.uint64(count)):
            grid[place[k]] += value[k]
        return
    per_cell = _f4(1 / cell)
    padded, width = points.reshape(points.size), np.uint64(points.shape[1])
    first_x, first_y = _f4(PAD - 0.5 - left / cell), _f4(PAD - 0.5 - bottom / cell)
    for k in range(np.uint64(count)):
        _spread(padded, width, x[k] * per_cell + first_x, y[k] * per_cell + first_y, value[k])


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def share_out_nodes(grid, points, smooth, whole, x, y, place, value, count, left, bottom, cell) -> None:
    """`share_out` of Gauss nodes, which come in fours: lower left, lower right, upper left, upper right;
    `whole`: of whole cells.

    The nodes of a smaller cell lie between the same four grid points along x, and along y; those of a whole cell around
    its centre, a grid point, so that they reach five.
    """
    if not smooth:
        for k in range(np.uint64(count)):
            grid[place[k]] += value[k]
        return
    per_cell = _f4(1 / cell)
    padded, width = points.reshape(points.size), np.uint64(points.shape[1])
    first_x, first_y = _f4(PAD - 0.5 - left / cell), _f4(PAD - 0.5 - bottom / cell)
    if whole:
        w0, w1, w2, w3 = _taps(_f4(NODE))
        low, high = (w3, w2, w1, w0, _f4(0.0)), (_f4(0.0), w0, w1, w2, w3)
        to_nearest = _f4(NODE + 0.5)
        for n in range(np.uint64(count // 4)):
            k = np.uint64(4) * n
            j, i = np.uint64(x[k] * per_cell + first_x + to_nearest), np.uint64(y[k] * per_cell + first_y + to_nearest)
            first = (i - np.uint64(2)) * width + j - np.uint64(2)
            add_outer(padded, first, width, low, high, low, high, value[k], value[k + 1], value[k + 2], value[k + 3])
        return
    for n in range(np.uint64(count // 4)):
        k = np.uint64(4) * n
        x0, y0 = x[k] * per_cell + first_x, y[k] * per_cell + first_y
        x1, y1 = x[k + 1] * per_cell + first_x, y[k + 2] * per_cell + first_y
        j, i = np.uint64(x0), np.uint64(y0)
        first = (i - np.uint64(1)) * width + j - np.uint64(1)
        column, row = _f4(j), _f4(i)
        add_cubic(
            padded,
            first,
            width,
            x0 - column,
            x1 - column,
            y0 - row,
            y1 - row,
            value[k],
            value[k + 1],
            value[k + 2],
            value[k + 3],
        )
