"""What a block of cutouts looks like, in numbers that add: rates, medians and histograms,
known while the run goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

HISTOGRAMS = {
    "annulus_snr_r": np.concatenate([[-np.inf], np.round(np.geomspace(1, 1000, 19), 3), [np.inf]]),
    "annulus_brightness_r": np.concatenate([[-np.inf], np.arange(19.0, 28.01, 0.5), [np.inf]]),
}
"""Edges of the bins; the first and the last are open."""


def summary(quality: xr.Dataset, name: str) -> dict[str, object]:
    """Of one block.

    Returns
    -------
    dict
        partition, rows, usable, reasons (by name), medians over the usable cutouts (sigma_*, noise_ratio_* = sigma^2
        invvar of the sky, correlation_*; None without any), and for each of `HISTOGRAMS` the counts of the usable
        cutouts, those without a number last.
    """
    ok = quality["cutout_ok"].values
    reasons = Counter(quality["reason"].values.astype(object).tolist())
    reasons.pop("", None)
    out: dict[str, object] = {
        "partition": name,
        "rows": int(ok.size),
        "usable": int(ok.sum()),
        "reasons": dict(sorted(reasons.items())),
    }
    for b, band in enumerate(quality["band"].values.tolist()):
        sigma = quality["sigma"].values[ok, b]
        out[f"sigma_{band}"] = _median(sigma)
        out[f"noise_ratio_{band}"] = _median(sigma**2 * quality["sky_invvar"].values[ok, b])
        out[f"correlation_{band}"] = _median(quality["noise_correlation"].values[ok, b])
    for column, edges in HISTOGRAMS.items():
        values = quality[column].values[ok]
        known = values[np.isfinite(values)]
        out[column] = [*np.histogram(known, edges)[0].tolist(), int(values.size - known.size)]
    return out


def partitions(summaries: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """One row per block: its numbers, and a column of counts per reason. Columns have one order,
    whatever that of the keys.
    """
    rows = []
    for one in summaries:
        flat = {key: value for key, value in one.items() if key != "reasons"}
        rows.append(flat | {f"reason: {reason}": count for reason, count in one["reasons"].items()})
    table = pd.DataFrame(rows)
    counts = sorted(name for name in table.columns if name.startswith("reason: "))
    medians = sorted(name for name in table.columns if name.startswith(("sigma_", "noise_ratio_", "correlation_")))
    table = table.assign(
        **{name: table[name].fillna(0).astype("int64") for name in counts},
        **{name: table[name].astype(float) for name in medians},
    )
    first = [name for name in ("partition", "rows", "usable", *medians, *HISTOGRAMS) if name in table]
    return table[[*first, *sorted(set(table.columns) - {*first, *counts}), *counts]]


def _median(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else None
