"""Gates of the splits: disjoint, and each as large as was asked for."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from lenscal import config, healpix
from lenscal.gates import Gate, absent, words
from lenscal.manifest import splits


def _train_limits(table: pd.DataFrame, settings: config.Manifest) -> tuple[float, float, str]:
    """Limits of the share of train: given, or the larger of 0.05 and 3 sigma of the draw of whole pixels."""
    if settings.train_range is not None:
        return (*settings.train_range, "given by the run file")
    fraction = settings.split_fractions[0]
    rows = table["healpix_128"].value_counts().to_numpy(float)
    sigma = float(np.sqrt(fraction * (1 - fraction) * np.sum(rows**2)) / rows.sum())
    half = max(0.05, 3 * sigma)
    return fraction - half, fraction + half, f"{rows.size} pixels, whose draw scatters it by {sigma:.3f}"


def share(n1: int, n2: int, settings: config.Manifest) -> Gate:
    value = n1 / (n1 + n2) if n1 + n2 else float("nan")
    low, high = settings.n1_range
    return Gate(
        "1A.3",
        "N1 is the share of the negatives it is meant to be",
        "N1 over all negatives",
        value,
        low,
        high,
        evidence=f"{n1} N1, {n2} N2, meant {settings.n1_fraction}",
    )


def _splits(table: pd.DataFrame, settings: config.Manifest, seed: int, own: Collection[int] = ()) -> list[Gate]:
    placed = table[table["healpix_128"] >= 0]
    if placed.empty:
        why = "no row has a position"
        return [
            absent("X.2", "splits are disjoint on the sky", why),
            absent("1B.4", "train is the share it is meant to be", why),
        ]
    per_pixel = placed.groupby("healpix_128")["split"].nunique()
    expected = splits.split_of(placed["healpix_128"].to_numpy(), seed, settings.split_fractions)
    pixel = healpix.pixels_of(placed["ra"].to_numpy(), placed["dec"].to_numpy(), 128)
    theirs = placed["galaxy_id"].isin(list(own)).to_numpy()
    given = f"; {int(theirs.sum()):,} rows have a split that was given" if theirs.any() else ""
    elsewhere = (placed["split"].to_numpy(object) != expected) & ~theirs
    wrong = int(elsewhere.sum() + (pixel != placed["healpix_128"].to_numpy()).sum())
    low, high, why = _train_limits(placed, settings)
    shares = placed["split"].value_counts(normalize=True).round(4).to_dict()
    worst, where = splits.imbalance(placed)
    return [
        Gate(
            "X.2",
            "splits are disjoint on the sky, all pools together",
            "pixels in two splits, and rows off their pixel",
            int((per_pixel > 1).sum()) + wrong,
            maximum=0,
            critical=True,
            evidence=f"{len(per_pixel)} pixels of nside 128{given}",
        ),
        absent("1B.4", "train is the share it is meant to be", given.removeprefix("; "))
        if given
        else Gate(
            "1B.4",
            "train is the share it is meant to be",
            "train over all rows",
            float(placed["split"].eq("train").mean()),
            low,
            high,
            evidence=f"{words(shares)}; {why}",
        ),
        Gate(
            "1B.3",
            "the splits were taken under the same conditions",
            "largest shift of a median over the interquartile range",
            worst,
            maximum=settings.balance_max,
            evidence=where,
        ),
    ]
