"""Two selection functions side by side: whether they can be compared, and the trials that both tried."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lenscal.errors import InputError

from .trials import Trials

if TYPE_CHECKING:
    from .function import SelectionFunction

SAME = ("theta_e_drawn", "q", "source_x", "source_y", "r_e", "source_mag_r")
"""Parameters of a run that are the same where two trials are one."""


def comparable(one: SelectionFunction, two: SelectionFunction) -> None:
    """Refuse two selection functions of which no combination means anything.

    Raises
    ------
    InputError
        Other axes, edges, units, populations of hosts or false-positive rates, or one detector at two thresholds.
    """
    if tuple(one.edges) != tuple(two.edges):
        raise InputError(
            f"the selection functions have the axes {', '.join(one.edges)} and {', '.join(two.edges)}; average both "
            "down to the same ones (marginalise)"
        )
    for name in one.edges:
        a, b = one.edges[name], two.edges[name]
        if a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=1e-6, equal_nan=True):
            raise InputError(
                f"the selection functions have other edges along {name}: {np.array2string(a, threshold=8)} and "
                f"{np.array2string(b, threshold=8)}; count both in the same cells"
            )
        units = [str(part.cube[name].attrs.get("units", "1")) for part in (one, two)]
        if units[0] != units[1]:
            raise InputError(f"the selection functions have {name} in {units[0]} and in {units[1]}")
    for what, name in (
        ("population of hosts", "population"),
        ("injections", "run_of_injections"),
        ("prior", "prior"),
        ("prior of their intervals", "binomial_prior"),
    ):
        said = [part.cube.attrs.get(name) for part in (one, two)]
        if None not in said and said[0] != said[1]:
            raise InputError(f"the selection functions are of another {what}: {said[0]} and {said[1]}")
    rates = [rate_of(part) for part in (one, two)]
    if np.isfinite(rates).all() and abs(rates[0] - rates[1]) > 0.25 * max(rates):
        raise InputError(
            f"the selection functions are at other false-positive rates, {rates[0]:.3g} and {rates[1]:.3g}: their "
            "difference would be one of thresholds; take both at one rate (from_run(..., threshold=))"
        )
    hashes = [str(part.cube.attrs.get("detector_hash", "")) for part in (one, two)]
    cuts = [threshold_of(part) for part in (one, two)]
    if hashes[0] and hashes[0] == hashes[1] and np.isfinite(cuts).all() and cuts[0] != cuts[1]:
        raise InputError(
            f"the selection functions are of one detector ({hashes[0][:12]}) at the thresholds {cuts[0]:g} and "
            f"{cuts[1]:g}; take both at one"
        )


def threshold_of(selection: SelectionFunction) -> float:
    """Score at or above which a trial is found; NaN where unknown."""
    if selection.trials is not None and selection.trials.cut is not None:
        return float(selection.trials.cut.threshold)
    return float(selection.cube.coords.get("threshold", np.nan))


def rate_of(selection: SelectionFunction) -> float:
    """False-positive rate of the threshold: the one asked for, else the one reached; NaN where unknown."""
    if selection.trials is not None and selection.trials.cut is not None:
        return float(selection.trials.cut.rate)
    given = selection.cube.coords.get("false_positive_rate", selection.cube.attrs.get("false_positive_rate", np.nan))
    return float(given)


def paired(one: SelectionFunction, two: SelectionFunction) -> tuple[Trials, Trials] | None:
    """Trials that both tried, in one order; None where either has no ids or no trial is common.

    Raises
    ------
    InputError
        A trial of one id is not the same trial: it has another host or lies in another cell.
    """
    a, b = one.trials, two.trials
    if a is None or b is None or a.id is None or b.id is None:
        return None
    left = pd.Series(np.arange(a.id.size), a.id)
    right = pd.Series(np.arange(b.id.size), b.id)
    common = left.index.intersection(right.index, sort=False)
    if common.empty:
        return None
    first, second = (rows(trials, series[common].to_numpy()) for trials, series in ((a, left), (b, right)))
    if wrong := int((first.host != second.host).sum()):
        raise InputError(
            f"{wrong} of {common.size} trials with one id have another host in each selection function; "
            "expected two detectors on the same trials"
        )
    _same_weights(first.weight, second.weight)
    places = [part.cells(selection.edges) for part, selection in ((first, one), (second, two))]
    if wrong := int(((places[0][0] != places[1][0]) & places[0][1]).sum()):
        raise InputError(
            f"{wrong} of {common.size} trials with one id lie in another cell in each selection function; "
            "expected two detectors on the same trials"
        )
    for name in SAME:
        if name in first.table and name in second.table:
            a_values, b_values = (part.table[name].to_numpy(float) for part in (first, second))
            if wrong := int((~np.isclose(a_values, b_values, rtol=1e-6, equal_nan=True)).sum()):
                raise InputError(
                    f"{wrong} of {common.size} trials with one id have another {name} in each selection function: they "
                    "were drawn from other priors or seeds"
                )
    return first, second


def _same_weights(one: np.ndarray | None, two: np.ndarray | None) -> None:
    """Refuse trials whose hosts count otherwise in each: they are of two populations.

    Raises
    ------
    InputError
        The weights differ by more than one factor for all.
    """
    if one is None and two is None:
        return
    a = np.ones_like(two) if one is None else one
    b = np.ones_like(one) if two is None else two
    if wrong := int((~np.isclose(a * b.sum(), b * a.sum(), rtol=1e-6)).sum()):
        raise InputError(
            f"the selection functions are of other populations of hosts: {wrong} of {a.size} trials that "
            "both tried have another weight in each; give both the same weights (weight=, population=)"
        )


def rows(trials: Trials, chosen: np.ndarray) -> Trials:
    """Some of the trials, in the order given."""
    part = lambda array: None if array is None else array[chosen]  # noqa: E731
    return replace(
        trials,
        table=trials.table.iloc[chosen].reset_index(drop=True),
        places={name: values[chosen] for name, values in trials.places.items()},
        found=trials.found[chosen],
        host=trials.host[chosen],
        id=part(trials.id),
        weight=part(trials.weight),
        cut=None if trials.cut is None else replace(trials.cut, score=trials.cut.score[chosen]),
    )


def about(one: SelectionFunction, two: SelectionFunction, how: str, by: str) -> dict[str, str]:
    names = [str(part.cube.attrs.get("detector_hash", ""))[:12] or "unknown" for part in (one, two)]
    out = {"combined": f"{names[0]} {how} {names[1]}", "combined_by": by}
    population = one.cube.attrs.get("population", two.cube.attrs.get("population"))
    return out | ({} if population is None else {"population": str(population)})
