"""Where trials reach: systems beyond them, trials unlike any system, and the parameter that is at fault."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lenscal.errors import LenscalError

RANGE = 0.002  # quantile of the population beyond which a trial is too unlike it to be used
SUPPORT = 0.001  # quantile of the trials beyond which a system is outside of them
OUTSIDE_MAX = 0.1  # share of the systems that may lie outside in any one feature
NO_PARAMETER = ("id", "score", "found", "failure", "proposals", "log_density", "cell_", "host_split", "region")


class SupportError(LenscalError, ValueError):
    """A population that the trials do not reach; the message names the feature at fault."""


def outside(trials: pd.DataFrame, population: pd.DataFrame, features: Sequence[str]) -> dict[str, float]:
    """Share of the systems beyond the trials, by feature.

    Raises
    ------
    SupportError
        It is above `OUTSIDE_MAX` in one of them.
    """
    ends = {name: trials[name].quantile([SUPPORT, 1 - SUPPORT]).to_numpy() for name in features}
    shares = {}
    for name, (low, high) in ends.items():
        slack = 0.02 * (high - low) + 1e-9
        values = population[name].to_numpy(float)
        shares[name] = float(((values < low - slack) | (values > high + slack)).mean())
    name = max(shares, key=shares.__getitem__)
    if shares[name] > OUTSIDE_MAX:
        low, high = ends[name]
        raise SupportError(
            f"the population lies outside the trials: {100 * shares[name]:.0f} % of its systems have {name} "
            f"beyond {low:.3g} to {high:.3g}, where trials were drawn; draw trials there (another prior or grid), "
            "or ask for a population inside"
        )
    return shares


def near(trials: pd.DataFrame, population: pd.DataFrame, features: Sequence[str], least: float) -> np.ndarray:
    """Trials inside the range of the population in every feature, with a margin.

    Raises
    ------
    SupportError
        They are fewer than `least`; the feature that leaves out most of them is named.
    """
    inside = {}
    for name in features:
        low, high = population[name].quantile([RANGE, 1 - RANGE])
        margin = 0.05 * (high - low) + 0.02 * trials[name].std()
        inside[name] = trials[name].between(low - margin, high + margin).to_numpy()
    every = np.logical_and.reduce(list(inside.values()))
    if every.sum() < least:
        worst = min(inside, key=lambda name: int(inside[name].sum()))
        raise SupportError(
            f"only {int(every.sum())} of {len(trials)} trials are like any system of the population; {worst} alone "
            f"leaves {int(inside[worst].sum())}: draw trials there (another prior or more hosts)"
        )
    return every


def at_fault(trials: pd.DataFrame, weights: np.ndarray) -> str:
    """Parameter by which weights differ most from those that the trials were drawn with, and where they lie, in
    words; empty where the table has no numbers.
    """
    worst, farthest = "", 0.0
    for name in trials.columns:
        column = trials[name]
        if any(part in str(name) for part in NO_PARAMETER) or column.dtype.kind not in "fiu":
            continue
        values = column.to_numpy(float)
        good = np.isfinite(values)
        if not good.any() or not weights[good].sum() > 0:
            continue
        order = np.argsort(values[good], kind="stable")
        sums = np.cumsum(weights[good][order])
        apart = float(np.abs(sums / sums[-1] - np.arange(1, good.sum() + 1) / good.sum()).max())
        if apart > farthest:
            low, high = values[good][order][
                np.searchsorted(sums, [0.1 * sums[-1], 0.9 * sums[-1]]).clip(max=order.size - 1)
            ]
            farthest, worst = apart, f"{name}, where most of its weight lies within {low:.4g} to {high:.4g}"
    return worst
