"""Where completeness collapses: cells far below their neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import betainc, ndtr
from scipy.stats import false_discovery_control

from lenscal import schema
from lenscal.kernels import intervals

from .rates import FLOOR

DROP = 0.1
"""How far below the lower of its neighbours a cell must lie."""

FALSE_DISCOVERY_RATE = 0.05
"""Share of the collapsed cells that may be none."""


def collapsed(completeness: xr.Dataset) -> pd.DataFrame:
    """Cells where completeness collapses: surely below `FLOOR`, or surely more than `DROP` below their neighbours.

    A cell is compared with the lower of the two neighbours on opposite sides, in the mean over the axes that have both:
    where completeness rises or falls along an axis, however steeply, that neighbour is below the cell, and nothing
    collapses. The probability that a cell at the limit has so few detections is that of its posterior at `FLOOR`, and
    for the neighbours a normal one with the variance *at the limit* (the variance at its own share would be too small
    for a cell that is low by chance). The list is held to a false-discovery rate (Benjamini & Hochberg 1995) over all
    cells of a threshold and reason. Cells that are not sufficient are neither judged nor neighbours.

    Parameters
    ----------
    completeness : Dataset
        As `schema.COMPLETENESS`.

    Returns
    -------
    DataFrame
        theta_e, psf_fwhm, depth, threshold, false_positive_rate, reason ("low" or "below its neighbours"), n, k,
        completeness (median), expected (`FLOOR`, or the neighbours' mean), limit (what the cell is surely below),
        p_value and q_value.
    """
    cube = completeness
    cell = (*schema.CELL, "threshold")
    effect, detected, middle = (
        array.transpose(*cell).values
        for array in (
            cube["design_effect"],
            cube["n_detected"],
            cube["completeness"].sel(quantile=0.5, method="nearest"),
        )
    )
    n = np.broadcast_to(cube["n_injected"].transpose(*schema.CELL).values[..., None], effect.shape)
    sufficient = n > 0
    if "sufficient" in cube:
        sufficient = sufficient & cube["sufficient"].transpose(*schema.CELL).values.astype(bool)[..., None]
    trials = np.where(sufficient, n / effect, np.nan)
    share = np.divide(detected, n, out=np.full(effect.shape, np.nan), where=sufficient)
    if "fraction_detected" in cube:  # of the cube's population of hosts: its trials weigh unequally
        share = np.where(sufficient, cube["fraction_detected"].transpose(*cell).values, np.nan)
    a, b = intervals.shapes(share * trials, trials, cube.attrs["binomial_prior"])
    around, lower, error = _neighbours(share, a * b / (a + b) ** 2 / trials)
    limit = np.clip(lower - DROP, 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = ndtr((share - limit) / np.sqrt(limit * (1 - limit) / trials + error))
    tests = {
        "low": (np.full(share.shape, FLOOR), np.full(share.shape, FLOOR), 1 - betainc(a, b, FLOOR)),
        "below its neighbours": (around, limit, np.where(lower > DROP, below, np.where(np.isnan(lower), np.nan, 1.0))),
    }
    parts = []
    rates = cube["false_positive_rate"].values
    for t, threshold in enumerate(cube["threshold"].values):
        for reason, (expected, surely, probability) in tests.items():
            place = np.nonzero(np.isfinite(probability[..., t]))
            p_value = probability[..., t][place]
            q_value = false_discovery_control(p_value) if p_value.size else p_value
            columns = {dim: cube[dim].values[i] for dim, i in zip(schema.CELL, place)}
            columns |= {"threshold": float(threshold), "false_positive_rate": float(rates[t]), "reason": reason}
            arrays = {"n": n, "k": detected, "completeness": middle, "expected": expected, "limit": surely}
            columns |= {name: array[..., t][place] for name, array in arrays.items()}
            table = pd.DataFrame(columns | {"p_value": p_value, "q_value": q_value})
            parts.append(table[table["q_value"] <= FALSE_DISCOVERY_RATE])
    return pd.concat(parts, ignore_index=True).astype({"reason": "string[pyarrow]"})


def _neighbours(share: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the neighbours on opposite sides, of the lower one of each two, and the variance of that: over the axes
    that have both, NaN without any.
    """
    total, low, error, pairs = (np.zeros(share.shape) for _ in range(4))
    for axis in range(3):
        count = share.shape[axis]
        if count < 3:
            continue
        inner = [slice(None)] * 4
        inner[axis] = slice(1, -1)
        inner = tuple(inner)
        left, right = np.take(share, range(count - 2), axis), np.take(share, range(2, count), axis)
        spread = np.where(
            left <= right, np.take(variance, range(count - 2), axis), np.take(variance, range(2, count), axis)
        )
        there = np.isfinite(left) & np.isfinite(right)
        total[inner] += np.where(there, (left + right) / 2, 0)
        low[inner] += np.where(there, np.minimum(left, right), 0)
        error[inner] += np.where(there, spread, 0)
        pairs[inner] += there
    pairs[pairs == 0] = np.nan
    return total / pairs, low / pairs, error / pairs**2
