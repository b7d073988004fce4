"""Known lenses held out of the training: which are missed, and how many are recovered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema

from .rates import _table, _thresholds, by_name, rates


def missed_lenses(scores: xr.Dataset, thresholds: xr.Dataset) -> pd.DataFrame:
    """Known lenses that were held out of the training and are not recovered.

    Parameters
    ----------
    scores : Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`.
    thresholds : Dataset (threshold)

    Returns
    -------
    DataFrame
        threshold, false_positive_rate, galaxy_id, ra, dec, split, tier, psfsize_r, psfdepth_r, mag_r, arc_snr, score,
        and reason: "below the threshold" or "not scored" (no usable cutout); sorted by threshold, then galaxy_id.
    """
    schema.SCORES_CUTOUTS.check(scores)
    lenses = _held_out_lenses(scores)
    names = ["galaxy_id", "ra", "dec", "split", "tier", "psfsize_r", "psfdepth_r", "mag_r", "arc_snr", "score"]
    parts = []
    for threshold, rate in _thresholds(thresholds):
        lost = lenses[~(lenses["score"].to_numpy(float) >= threshold)].sort_values("galaxy_id")[names]
        reason = np.where(np.isfinite(lost["score"]), "below the threshold", "not scored")
        lost.insert(0, "threshold", threshold)
        lost.insert(1, "false_positive_rate", rate)
        parts.append(lost.assign(reason=pd.array(reason, "string[pyarrow]")))
    return pd.concat(parts, ignore_index=True).astype({"split": "string[pyarrow]", "tier": "string[pyarrow]"})


def recovered(scores: xr.Dataset, thresholds: xr.Dataset) -> pd.DataFrame:
    """Known lenses held out of the training, by tier and split: n scored, k recovered; columns
    as in `false_positives`.
    """
    schema.SCORES_CUTOUTS.check(scores)
    lenses = _held_out_lenses(scores)
    lenses = lenses[np.isfinite(lenses["score"])]
    groups = [("all", "all", np.ones(len(lenses), bool)), *by_name(lenses, "tier"), *by_name(lenses, "split")]
    score = lenses["score"].to_numpy(float)
    rows = []
    for threshold, rate in _thresholds(thresholds):
        rows += [
            (group, value, threshold, rate, int(own.sum()), int((own & (score >= threshold)).sum()), 1.0)
            for group, value, own in groups
        ]
    return rates(rows)


def _held_out_lenses(scores: xr.Dataset) -> pd.DataFrame:
    table = _table(scores)
    return table[(table["label"] == 1) & (table["split"] != "train")].reset_index(drop=True)
