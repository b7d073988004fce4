"""Splits by sky pixel: the same function for every table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.kernels import splitting

_NAMES = np.array(schema.SPLITS, dtype=object)  # code -1, no position, is the last


def split_of(pixels: np.ndarray, seed: int, fractions: tuple[float, float, float]) -> np.ndarray:
    """Name of the split of each nside-128 pixel; "none" where the pixel is negative."""
    return _NAMES[splitting.split_codes(pixels, seed, fractions)]


def balance(table: pd.DataFrame) -> pd.DataFrame:
    """What each split is made of: rows, medians of the conditions and shares of the types,
    positives and negatives apart.

    Returns
    -------
    DataFrame
        sample (all, positives, negatives), split (all and each), rows, medians of psfsize_r [arcsec], psfdepth_r
        [mag(AB)] and nobs_z, and one share for each Tractor type.
    """
    rows = []
    samples = {"all": table["label"] >= -1, "positives": table["label"] == 1, "negatives": table["label"] == 0}
    for sample, inside in samples.items():
        for split in ("all", *schema.SPLITS):
            part = table[inside & (table["split"].eq(split) if split != "all" else True)]
            if split == "none" and part.empty:
                continue
            medians = {f"median_{n}": _median(part[n]) for n in ("psfsize_r", "psfdepth_r", "nobs_z")}
            shares = {f"share_{t}": float(part["type"].eq(t).mean()) if len(part) else np.nan for t in schema.TYPES}
            rows.append({"sample": sample, "split": split, "rows": len(part), **medians, **shares})
    return pd.DataFrame(rows)


def _known(values: pd.Series) -> np.ndarray:
    """Which of these conditions are known: a negative number, as of exposures, says that they are not."""
    values = values.to_numpy("f8")
    return np.isfinite(values) & (values >= 0)


def _median(values: pd.Series) -> float:
    values = values.to_numpy("f8")[_known(values)]
    return float(np.median(values)) if values.size else float("nan")


def imbalance(table: pd.DataFrame) -> tuple[float, str]:
    """The largest shift of a split's median psfsize_r, psfdepth_r or nobs_z, over the
    interquartile range of all; where.
    """
    worst, where = 0.0, "no two splits with rows"
    for name in ("psfsize_r", "psfdepth_r", "nobs_z"):
        values, known = table[name].to_numpy("f8"), _known(table[name])
        if not known.any():
            continue
        low, middle, high = np.percentile(values[known], [25, 50, 75])
        for split in schema.SPLITS[:3]:
            part = values[(table["split"] == split).to_numpy() & known]
            if part.size:
                gap = abs(np.median(part) - middle)
                shift = gap / (high - low) if high > low else (0.0 if gap == 0 else np.inf)
                if shift >= worst:
                    worst, where = float(shift), f"{name} of {split}"
    return worst, where
