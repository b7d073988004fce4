"""Share of known lenses above each threshold, by tier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.kernels import intervals
from lenscal.scores.curves import LEVEL
from lenscal.scores.rates import EVENTS_MIN

KINDS = {
    "jeffreys": ("equal-tailed", "Jeffreys, equal-tailed"),
    "hpd": ("hpd", "Jeffreys, highest density"),
    "wilson": ("wilson", "Wilson score"),
    "clopper-pearson": ("clopper-pearson", "Clopper-Pearson, exact"),
}
"""Of each `scores.interval`: the name of the kernel, and that of a reader."""
SAMPLES = {"test": "split test", "anchor": "all held out of training"}


def recall(table: pd.DataFrame, thresholds: xr.Dataset, interval: str = "jeffreys") -> pd.DataFrame:
    """Recall of known lenses that were held out of the training, by tier, at each threshold.

    Parameters
    ----------
    table : DataFrame
        From `rows.table`.
    thresholds : Dataset (threshold)
        From `scores.thresholds`.
    interval : str
        A name in `KINDS`.

    Returns
    -------
    DataFrame
        sample, tier ("all" first), threshold, false_positive_rate, n (with a score), k (at or above), recall, lower,
        upper (NaN where n is 0), level, interval (by name), few (the threshold rests on fewer than `EVENTS_MIN`
        negatives).
    """
    kind, name = KINDS[interval]
    lenses = table[(table["label"] == 1) & np.isfinite(table["score"])]
    score, tier = lenses["score"].to_numpy(float), lenses["tier"].to_numpy()
    samples = {"test": (lenses["split"] == "test").to_numpy(), "anchor": (lenses["role"] == "anchor").to_numpy()}
    rows = []
    for threshold, rate, n_false in zip(
        *(thresholds[key].values for key in ("threshold", "false_positive_rate", "n_false"))
    ):
        for key, inside in samples.items():
            for wanted in ("all", *(t for t in schema.TIERS if t)):
                own = inside if wanted == "all" else inside & (tier == wanted)
                n, k = int(own.sum()), int((own & (score >= threshold)).sum())
                lower, upper = map(float, intervals.interval(k, n, LEVEL, kind=kind))
                rows.append(
                    {
                        "sample": SAMPLES[key],
                        "tier": wanted,
                        "threshold": float(threshold),
                        "false_positive_rate": float(rate),
                        "n": n,
                        "k": k,
                        "recall": k / n if n else np.nan,
                        "lower": lower,
                        "upper": upper,
                        "level": LEVEL,
                        "interval": name,
                        "few": bool(n_false < EVENTS_MIN),
                    }
                )
    return pd.DataFrame(rows)
