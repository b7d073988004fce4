"""Are lenses that other channels found scored like those of imaging searches, which detectors are trained on?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config
from lenscal.gates import Gate
from lenscal.kernels import draws, proportions, twosamples
from lenscal.kernels.ranking import auc
from lenscal.scores.curves import LEVEL

IMAGING, OTHER = "imaging searches", "other channels"
_OF_IMAGING = "imaging-ml|follow-up"  # follow-up takes its targets from imaging
FEATURES = ("psfsize_r", "psfdepth_r", "mag_r", "colour_gr", "colour_rz", "arc_snr")
"""Of the comparison of what the lenses are, not how they are scored."""
PERMUTATIONS = 2000
COLUMNS = ["measure", "value", "lower", "upper", "p", "n_imaging", "n_other", "about", "why_not"]


def split(table: pd.DataFrame, facts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Known lenses with a score that were held out of training: those of imaging searches, and those of other channels.

    A lens that an imaging search found is of imaging, whoever else found it; so are follow-up spectra, whose targets
    came from there.
    """
    lenses = table[(table["label"] == 1) & (table["role"] == "anchor") & np.isfinite(table["score"])]
    lenses = lenses.drop(columns=[name for name in facts if name in lenses]).join(facts, on="galaxy_id")
    lenses = lenses.sort_values("galaxy_id", ignore_index=True)
    channel = lenses["channel"].fillna("").astype(str) if "channel" in lenses else pd.Series("", index=lenses.index)
    imaging = channel.str.contains(_OF_IMAGING)
    return lenses[imaging].reset_index(drop=True), lenses[~imaging & (channel != "")].reset_index(drop=True)


def compared(
    table: pd.DataFrame, facts: pd.DataFrame, thresholds: xr.Dataset, settings: config.Scores, seed: int
) -> pd.DataFrame:
    """How lenses of both kinds of channels differ.

    Parameters
    ----------
    table : DataFrame
        From `rows.table`.
    facts : DataFrame
        By galaxy_id: channel, and those of `FEATURES` that the table lacks.
    thresholds : Dataset (threshold)
    settings : config.Scores
    seed : int

    Returns
    -------
    DataFrame
        `COLUMNS`. Rows: the Kolmogorov-Smirnov distance of their scores with its permutation p; the chance that a lens
        of another channel scores above one of imaging (DeLong); the difference of recall at each threshold (Newcombe);
        the Mahalanobis distance of the means of `FEATURES` with its permutation p, only where both have more lenses
        than there are features.
    """
    imaging, other = split(table, facts)
    counts = {"n_imaging": len(imaging), "n_other": len(other)}
    few = _few(len(imaging), len(other), settings.channel_min)
    one, two = (part["score"].to_numpy(float) for part in (imaging, other))
    distance = (np.nan, np.nan)
    above = (np.nan,) * 3
    if not few:
        distance = twosamples.permutation_p(one, two, draws.generator(seed, "judgement channels", 0), PERMUTATIONS)
        above = auc(two, one, LEVEL)
    rows = [
        {
            "measure": "distance of scores",
            "value": distance[0],
            "p": distance[1],
            "about": "Kolmogorov-Smirnov, permutations",
            "why_not": few,
        },
        {
            "measure": "scored above imaging",
            "value": above[0],
            "lower": above[1],
            "upper": above[2],
            "about": "chance, DeLong on the logit scale",
            "why_not": few,
        },
    ]
    for threshold in thresholds["threshold"].values:
        k_1, k_2 = (int((part >= threshold).sum()) for part in (one, two))
        lower, upper = proportions.independent_difference(k_1, one.size, k_2, two.size, LEVEL)
        value = k_2 / two.size - k_1 / one.size if one.size and two.size else np.nan
        about = (
            f"at or above {threshold:.4g}: {k_1} of {one.size} imaging, {k_2} of {two.size} other; Newcombe's interval"
        )
        rows.append(
            {
                "measure": "difference of recall",
                "value": value,
                "lower": lower,
                "upper": upper,
                "about": about,
                "why_not": few,
            }
        )
    rows.append(_features(imaging, other, few, seed))
    return pd.DataFrame([{**row, **counts} for row in rows], columns=COLUMNS)


def _few(n_imaging: int, n_other: int, least: int) -> str:
    if min(n_imaging, n_other) >= least:
        return ""
    return f"{n_imaging} held-out lenses of {IMAGING} and {n_other} of {OTHER}, fewer than {least}"


def _features(imaging: pd.DataFrame, other: pd.DataFrame, few: str, seed: int) -> dict:
    """The row of the distance of features."""
    names = [name for name in FEATURES if name in imaging]
    one, two = (part[names].to_numpy(float) for part in (imaging, other))
    varied = [i for i in range(len(names)) if np.isfinite(one[:, i]).any() and np.isfinite(two[:, i]).any()]
    one, two = (part[:, varied] for part in (one, two))
    one, two = (part[np.isfinite(part).all(1)] for part in (one, two))
    out = {
        "measure": "distance of features",
        "about": f"Mahalanobis distance of means, permutations; {', '.join(names[i] for i in varied)}",
        "why_not": few,
    }
    if not few and min(len(one), len(two)) <= max(len(varied), 1):
        out["why_not"] = (
            f"{len(one)} and {len(two)} lenses with all of {len(varied)} features; expected more lenses than features"
        )
    if out["why_not"]:
        return out
    value, p = twosamples.mean_distance(one, two, draws.generator(seed, "judgement features", 0), PERMUTATIONS)
    return {**out, "value": value, "p": p}


def gate(found: pd.DataFrame, settings: config.Scores, few_events: str) -> Gate:
    """Lenses of both kinds of channels are scored alike."""
    first = found.iloc[0]
    said = [f"{first['n_imaging']} lenses of {IMAGING}, {first['n_other']} of {OTHER}"]
    if not first["why_not"]:
        said.append(f"distance {first['value']:.3f}")
    said += [
        f"{row.measure} {row.value:+.3f} ({row.lower:+.3f} to {row.upper:+.3f}): {row.about}"
        for row in found[(found["why_not"] == "") & found["lower"].notna()].itertuples()
    ]
    return Gate(
        "X.6",
        "lenses that imaging searches did not find are scored like those that they found",
        "p of the distance of scores",
        float(first["p"]),
        minimum=settings.channel_p_min,
        requirement="4.6",
        cannot=str(first["why_not"]),
        evidence="; ".join([*said, *filter(None, [few_events])]),
    )
