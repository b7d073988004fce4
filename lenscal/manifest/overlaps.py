"""Objects that share pixels across splits: how many, and the gate that holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate, absent

_OVERLAP_STEP = {"psfsize_r": 0.1, "psfdepth_r": 0.25}  # arcsec, mag(AB)


def overlap(table: pd.DataFrame) -> pd.DataFrame:
    """How much of the positives' sky and conditions the negatives and the hosts reach.

    Returns
    -------
    DataFrame
        quantity (footprint in nside-16 pixels, psfsize_r in steps of 0.1 arcsec, psfdepth_r in steps of 0.25 mag),
        compared (negatives, hosts), positives, compared_rows, share: of the positives in a bin that the compared rows
        reach too; NaN where either side is empty; alike: the share to expect of positives that are distributed as the
        compared rows, 1 - (bins with one row) / rows (Good 1953, Biometrika 40, 237, equation 9).
    """
    positive = table["label"].eq(1).to_numpy()
    others = {"negatives": table["label"].eq(0).to_numpy(), "hosts": table["host"].to_numpy(bool)}
    bins = {"footprint": np.where(table["healpix_64"] >= 0, table["healpix_64"].to_numpy() >> 4, -1)}
    for name, step in _OVERLAP_STEP.items():
        values = table[name].to_numpy("f8")
        bins[name] = np.where(np.isfinite(values), np.floor(np.nan_to_num(values) / step), -1).astype(np.int64)
    rows = []
    for quantity, bin_ in bins.items():
        mine = bin_[positive & (bin_ >= 0)]
        for name, inside in others.items():
            theirs = bin_[inside & (bin_ >= 0)]
            share = float(np.isin(mine, theirs).mean()) if mine.size and theirs.size else float("nan")
            single = int((np.unique(theirs, return_counts=True)[1] == 1).sum())
            rows.append(
                {
                    "quantity": quantity,
                    "compared": name,
                    "positives": mine.size,
                    "compared_rows": theirs.size,
                    "share": share,
                    "alike": 1 - single / theirs.size if theirs.size else float("nan"),
                }
            )
    return pd.DataFrame(rows)


def overlaps(table: pd.DataFrame, settings: config.Manifest) -> list[Gate]:
    out = []
    for row in overlap(table).itertuples():
        id_, claim = f"overlap.{row.compared}.{row.quantity}", f"{row.compared} reach the positives' {row.quantity}"
        if np.isnan(row.share):
            out.append(absent(id_, claim, f"{row.positives} positives and {row.compared_rows} {row.compared} have it"))
        else:
            out.append(
                Gate(
                    id_,
                    claim,
                    "share of the positives reached",
                    row.share,
                    minimum=settings.overlap_min,
                    cannot=_too_few(row, settings.overlap_min),
                    evidence=(
                        f"{row.positives} positives, {row.compared_rows} {row.compared}; {row.alike:.2f} to expect of "
                        "positives distributed as these"
                    ),
                )
            )
    return out


def _too_few(row: Any, minimum: float) -> str:
    """Why a share cannot be held against a minimum; empty when it can."""
    if row.positives * (1 - minimum) < 1 - 1e-9 and minimum < 1:
        return f"with {row.positives} positives a single one decides"
    if row.alike < minimum:
        return (
            f"{row.compared_rows} {row.compared} are too few: of positives distributed as they are only "
            f"{row.alike:.2f} would share a bin with them"
        )
    return ""
