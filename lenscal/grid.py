"""Bins: which one holds a value, and what lies outside. Every binning of lenscal is this one: a bin holds its lower
edge, not its upper one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

BELOW, UNKNOWN = -1, -2
"""Places of what is below the first edge, and of what is no number; what is above the last edge has the
number of bins as its place.
"""


def place(edges: np.ndarray | Sequence[float], values: np.ndarray | float) -> np.ndarray:
    """Number of the bin that holds each value.

    Parameters
    ----------
    edges : float array (n + 1,)
        Growing, in the unit of the values.
    values : float array of any shape

    Returns
    -------
    int64 array of that shape
        0 to n - 1; `BELOW`, n (above) or `UNKNOWN` (NaN) of what is in no bin.
    """
    values = np.asarray(values, float)
    found = np.searchsorted(np.asarray(edges, float), values, "right") - 1
    return np.where(np.isnan(values), UNKNOWN, found)


def inside(edges: np.ndarray | Sequence[float], values: np.ndarray | float) -> np.ndarray:
    """Whether some bin holds each value."""
    found = place(edges, values)
    return (found >= 0) & (found < len(edges) - 1)


def nearest(edges: np.ndarray | Sequence[float], values: np.ndarray | float) -> np.ndarray:
    """Number of the bin that holds each value, else of the one at that end; of NaN, the first."""
    return np.clip(place(edges, values), 0, len(edges) - 2)


def outside(axes: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[str, np.ndarray]]:
    """Why rows are in no cell, reason by reason, each row under the first that holds.

    Parameters
    ----------
    axes : name -> (edges, values)

    Yields
    ------
    ("unknown", mask), then of each axis ("NAME below", mask), ("NAME above", mask)
    """
    places = {name: place(edges, values) for name, (edges, values) in axes.items()}
    taken = np.zeros(next(iter(places.values())).shape, bool)
    reasons = {"unknown": np.any([~np.isfinite(values) for _, values in axes.values()], axis=0)}
    for name, found in places.items():
        reasons |= {f"{name} below": found == BELOW, f"{name} above": found == len(axes[name][0]) - 1}
    for reason, mask in reasons.items():
        yield reason, mask & ~taken
        taken |= mask
