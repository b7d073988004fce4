"""How well scores rank: ROC and precision-recall curves at a stated share of lenses, and the areas below them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal.kernels import draws, intervals, precision
from lenscal.kernels.ranking import PSEUDO, auc
from lenscal.scores.rates import EVENTS_MIN
from lenscal.scores.rows import Sample

LEVEL = 0.95
POINTS = 512
"""Of a curve, at most."""
DELONG = "DeLong on the logit scale"
BOOTSTRAP = "Bayesian bootstrap by galaxy"
COLUMNS = (
    "measure",
    "value",
    "lower",
    "upper",
    "level",
    "interval",
    "n_positive",
    "n_negative",
    "prevalence",
    "why_not",
)


def curves(sample: Sample, prevalence: float, kind: str = "equal-tailed") -> pd.DataFrame:
    """Recall, false-positive rate and precision at each score, thinned to some hundred points.

    Parameters
    ----------
    sample : Sample
    prevalence : float
        Share of lenses among what is searched, at which the precision holds.
    kind : str
        Of the intervals, as `kernels.intervals.interval` names them.

    Returns
    -------
    DataFrame
        threshold, n_true, n_false (at or above it), recall, recall_lower, recall_upper, false_positive_rate, precision,
        few (it rests on fewer than `EVENTS_MIN` negatives); from the highest threshold down, empty where a class is.
    """
    names = [
        "threshold",
        "n_true",
        "n_false",
        "recall",
        "recall_lower",
        "recall_upper",
        "false_positive_rate",
        "precision",
        "few",
    ]
    if sample.few == 0:
        return pd.DataFrame({name: pd.Series(dtype=bool if name == "few" else float) for name in names})
    threshold, n_true, n_false = precision.steps(sample.score, sample.positive)
    kept = _thinned(n_true, n_false)
    threshold, n_true, n_false = threshold[kept], n_true[kept], n_false[kept]
    m, n = n_true[-1], n_false[-1]
    lower, upper = intervals.interval(n_true, m, LEVEL, kind=kind)
    values = (
        threshold,
        n_true,
        n_false,
        n_true / m,
        lower,
        upper,
        n_false / n,
        precision.precision(n_true / m, n_false / n, prevalence),
        n_false < EVENTS_MIN,
    )
    return pd.DataFrame(dict(zip(names, values)))


def _thinned(n_true: np.ndarray, n_false: np.ndarray) -> np.ndarray:
    """Steps that are kept: evenly in recall, and in the logarithm of the negatives."""
    last = n_true.size - 1
    even = np.searchsorted(n_true, np.linspace(0, n_true[-1], POINTS // 2))
    low = np.searchsorted(n_false, np.geomspace(1, max(n_false[-1], 1), POINTS // 2 - 2))
    return np.unique(np.clip(np.concatenate([[0, last], even, low]), 0, last))


def areas(sample: Sample, prevalence: float) -> list[dict]:
    """Rows (`COLUMNS`) of the AUC and of the average precision at the prevalence, each with its interval.

    The precision at the top rests on negatives that no sample of this size holds. So the lower end is that of resamples
    with half a negative above all, as Jeffreys' prior puts it there, and half a lens at the median of the negatives;
    the upper end is that of plain ones.
    """
    why = sample.why_not()
    found = auc(sample.score[sample.positive], sample.score[~sample.positive], LEVEL)
    rows = [row("AUC", found, DELONG, sample, np.nan, why)]
    name = f"average precision at a share of lenses of {prevalence:.3g}"
    if why:
        return [*rows, row(name, (np.nan,) * 3, BOOTSTRAP, sample, prevalence, why)]
    value = float(precision.average_precision(sample.score, sample.positive, prevalence))
    plain = sample.resampled(lambda w, _: precision.average_precision(sample.score, sample.positive, prevalence, w))
    added = draws.generator(sample.seed, "judgement added", 0).gamma(PSEUDO, size=(sample.resamples, 2))
    score = np.append(
        sample.score, [np.median(sample.score[~sample.positive]), np.nextafter(sample.score.max(), np.inf)]
    )
    positive = np.append(sample.positive, [True, False])
    dim = sample.resampled(
        lambda w, part: precision.average_precision(score, positive, prevalence, np.hstack([w, added[part]]))
    )
    ends = np.quantile(dim, (1 - LEVEL) / 2), np.quantile(plain, (1 + LEVEL) / 2)
    return [*rows, row(name, (value, min(ends[0], value), max(ends[1], value)), BOOTSTRAP, sample, prevalence, "")]


def row(
    measure: str, found: tuple[float, float, float], interval: str, sample: Sample, prevalence: float, why_not: str
) -> dict:
    """One row of the table of measures, `COLUMNS`."""
    n_positive = int(sample.positive.sum())
    values = (
        measure,
        *map(float, found),
        LEVEL,
        interval,
        n_positive,
        sample.ids.size - n_positive,
        prevalence,
        why_not,
    )
    return dict(zip(COLUMNS, values))
