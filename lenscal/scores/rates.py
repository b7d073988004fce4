"""Thresholds: the scores at which no more than a stated share of the validation negatives would be called lenses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError
from lenscal.gates import Gate
from lenscal.kernels import intervals
from lenscal.scores import rows as scored_rows

EVENTS_MIN = 10
"""With fewer false positives below it, a threshold's rate is a matter of luck, and says so wherever it is used."""


def few_events(thresholds: xr.Dataset) -> str:
    """Which thresholds rest on fewer than `EVENTS_MIN` negatives, in one sentence; empty where none does."""
    said = []
    level = int(np.argmax(thresholds["level"].values))
    for i, (rate, count) in enumerate(zip(thresholds["rate_requested"].values, thresholds["n_false"].values)):
        if count < EVENTS_MIN:
            ends = (
                float(thresholds[end].transpose("threshold", "level").values[i, level]) for end in ("lower", "upper")
            )
            low, high = (f"{100 * end:.3g}" for end in ends)
            said.append(
                f"the rate of {100 * rate:.3g} % rests on {int(count)} of "
                f"{int(thresholds['n_negatives'].values[i])} negatives, fewer than {EVENTS_MIN}: "
                f"it may be {low} to {high} % ({100 * float(thresholds['level'].values[level]):.3g} % interval)"
            )
    return "; ".join(said)


def events_gate(thresholds: xr.Dataset) -> Gate:
    """Each threshold rests on enough negatives for its rate to be known."""
    least = int(thresholds["n_false"].values.min())
    return Gate(
        "scores.events",
        "the rate of each threshold rests on enough negatives",
        "fewest negatives at or above a threshold",
        least,
        minimum=EVENTS_MIN,
        evidence="thresholds: n_false",
        cannot=few_events(thresholds),
    )


def thresholds(scores: xr.Dataset, false_positive_rates: Sequence[float]) -> xr.Dataset:
    """The lowest score at which no more than each rate of the validation negatives would be called a lens.

    The negatives are the scored ones of the split val, pools N1 and N2 as sampled (85:15 by default), each counted
    once: the rate is one of this mixture, not of the sky. A detection is a score at or above the threshold, and the
    threshold is itself the score of a negative; equal scores stay together, so that the rate reached can be below the
    one asked for.

    Parameters
    ----------
    scores : Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`.
    false_positive_rates : sequence of float
        In (0, 1).

    Returns
    -------
    Dataset (threshold, level)
        Coordinates threshold, false_positive_rate (reached: n_false / n_negatives) and level; rate_requested, n_false,
        n_negatives, and `lower` and `upper` of the rate (exact for a threshold set at its own n_false-th negative, at
        68.27 % and 95 %). The attribute few_events says in words which rest on fewer than `EVENTS_MIN` negatives.

    Raises
    ------
    ValueError
        When the negatives are too few for a rate.
    """
    schema.SCORES_CUTOUTS.check(scores)
    table = scored_rows.table(scores)
    chosen = table[(table["split"] == "val") & table["negative"] & np.isfinite(table["score"])]
    values = np.sort(chosen["score"].to_numpy())[::-1]
    found = _dataset(values, [(rate, *_cut(values, allowed(values.size, rate))) for rate in false_positive_rates])
    pools = chosen["pool"].value_counts().to_dict()
    return found.assign_attrs(
        negatives="scored negatives of the split val, pools as sampled",
        n_N1=int(pools.get("N1", 0)),
        n_N2=int(pools.get("N2", 0)),
        detector_hash=str(scores.attrs.get("detector_hash", "")),
        few_events=few_events(found),
    )


def allowed(negatives: int, rate: float) -> int:
    """How many negatives may lie at or above the threshold of a rate; refuses one that they are too few for."""
    if not 0 < rate < 1:
        raise InputError(f"false_positive_rates holds {rate}; expected numbers between 0 and 1")
    passing = int(np.floor(negatives * rate * (1 + 1e-12)))
    if passing < 1:
        raise InputError(
            f"a false-positive rate of {rate:g} cannot be set with {negatives} validation negatives: it needs at least "
            f"{int(np.ceil(1 / rate))}; ask for a higher rate or enlarge the sample"
        )
    return passing


def _dataset(values: np.ndarray, found: list[tuple[float, float, int]]) -> xr.Dataset:
    """Thresholds from (rate asked for, threshold, negatives at or above it), with the interval of each rate."""
    asked, threshold, n_false = (np.array(column) for column in zip(*found)) if found else (np.empty(0),) * 3
    n_false = n_false.astype(np.int64)
    ends = np.array([intervals.rate_interval(n_false, values.size, level) for level in schema.LEVELS])
    return xr.Dataset(
        {
            "rate_requested": ("threshold", asked, {"units": "1"}),
            "n_false": ("threshold", n_false, {"units": "1"}),
            "n_negatives": ("threshold", np.full(n_false.size, values.size, np.int64), {"units": "1"}),
            "lower": (("threshold", "level"), ends[:, 0].T, {"units": "1"}),
            "upper": (("threshold", "level"), ends[:, 1].T, {"units": "1"}),
        },
        coords={
            "threshold": ("threshold", threshold, {"units": "1", "long_name": "score"}),
            "false_positive_rate": ("threshold", n_false / values.size, {"units": "1"}),
            "level": ("level", np.array(schema.LEVELS), {"units": "1"}),
        },
    )


def _cut(values: np.ndarray, allowed: int) -> tuple[float, int]:
    """Lowest threshold with at most `allowed` of the descending values at or above it, and their number."""
    kept = allowed
    if allowed < values.size and values[allowed] == values[allowed - 1]:
        kept = int(np.count_nonzero(values > values[allowed]))
    if kept == 0:
        return float(np.nextafter(values[0], np.inf, dtype=values.dtype)), 0
    return float(values[kept - 1]), kept
