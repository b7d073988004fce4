"""What trials predict of true lenses, beside what the detector finds of them: overall, by bins, and the verdict."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit, logit
from scipy.stats import betabinom, binom

from lenscal import schema
from lenscal.errors import InputError
from lenscal.selection.reweighting import FEATURES, Reweighted, SupportError, reweight

GO, NO_GO = "GO", "NO-GO"
BINS_MIN = 20  # lenses of a bin that is judged
INSIDE_MIN = 0.9  # share of the judged bins that must hold the truth in their 95 % interval
AXES = {
    "theta_e": "theta_e",
    "psf_fwhm": "psfsize_r",
    "depth": "psfdepth_r",
    "lensed_mag_r": "lensed_mag_r",
    "host_colour_gr": "host_colour_gr",
}
"""Axes of the bins, and the column of each."""
CAUSES = {"morphology": "source morphology", "moffat": "PSF profile"}
"""Kinds of the realism's changes that a known population leaves open, and their names."""


def judge(
    lenses: pd.DataFrame,
    trials: pd.DataFrame,
    thresholds: xr.Dataset,
    cube: xr.Dataset,
    changes: pd.DataFrame | None,
    seed: int,
) -> tuple[dict, dict[str, pd.DataFrame]]:
    """Prediction and truth at every threshold.

    Parameters
    ----------
    lenses : DataFrame
        True lenses: `selection.FEATURES`, score, left_out.
    trials : DataFrame
        From `selection.table_of`, features finite.
    thresholds : Dataset (threshold)
        As from `scores.thresholds`.
    cube : Dataset
        As `schema.COMPLETENESS`: what it says when read at each lens stands beside the prediction (`naive`).
    changes : DataFrame or None
        From `realism.changes`: brackets of source morphology and PSF profile.
    seed : int
        Of the run.

    Returns
    -------
    dict
        `overall` and `bins` (axis, low, high, and the same) at the first threshold: n, found, observed, predicted,
        lower_68, upper_68, lower_95, upper_95, n_eff, naive; `verdict`, `refused` (why the trials cannot speak of these
        lenses, "" when they can), `left_out`, `skies`, `thresholds` (overall at each). The intervals are of the
        observed share: trials, systematic brackets, and the chance of n lenses.
    dict of DataFrame
        lenses, bins.
    """
    judged = lenses[lenses["left_out"] == ""].reset_index(drop=True)
    if judged.empty:
        raise InputError(
            f"closed loop: none of {len(lenses)} true lenses is inside the grid and fit for use; "
            f"{lenses['left_out'].value_counts().to_dict()}"
        )
    each, (found, said, naive) = _at_thresholds(judged, trials, thresholds, cube, changes, seed)
    bins = [
        {"axis": axis, "low": low, "high": high, **_row(np.flatnonzero(inside), found, said, naive, changes)}
        for axis, column in AXES.items()
        for low, high, inside in _bins(judged[column].to_numpy(float), cube, axis)
        if inside.any()
    ]
    overall = {name: value for name, value in each[0].items() if name not in ("threshold", "false_positive_rate")}
    skies = (
        [
            {"seed": int(key), **_row(rows, found, said, naive, changes)}
            for key, rows in sorted(judged.groupby("seed").indices.items())
        ]
        if "seed" in judged
        else []
    )
    refused = said if isinstance(said, str) else ""
    left_out = lenses.loc[lenses["left_out"] != "", "left_out"]
    summary = {
        "verdict": _verdict(overall, bins, refused),
        "refused": refused,
        "overall": overall,
        "bins": bins,
        "skies": skies,
        "thresholds": each,
        "left_out": {str(why): int(n) for why, n in left_out.value_counts().items()},
        "lenses": len(lenses),
        "trials": len(trials),
        "trials_used": 0 if refused else said.used,
        "bins_min": BINS_MIN,
        "inside": {level: _inside(bins, level) for level in ("68", "95")},
        "systematic": _brackets(changes),
        "method": {} if refused else _method(said),
    }
    marked = judged.assign(found=found, chance=np.nan if refused else said.chance, naive=naive["survey"])
    return summary, {
        "lenses": lenses.merge(
            marked[["seed", "galaxy_id", "found", "chance", "naive"]], how="left", on=["seed", "galaxy_id"]
        ),
        "bins": pd.DataFrame(bins),
    }


def _at_thresholds(
    judged: pd.DataFrame,
    trials: pd.DataFrame,
    thresholds: xr.Dataset,
    cube: xr.Dataset,
    changes: pd.DataFrame | None,
    seed: int,
) -> tuple[list[dict], tuple]:
    """Overall at each threshold; of the first, which lenses are found, what the trials say, and what the cube does."""
    found_any, each = [], []
    for place, (threshold, rate) in enumerate(
        zip(thresholds["threshold"].values, thresholds["false_positive_rate"].values)
    ):
        found = judged["score"].to_numpy() >= threshold
        naive = _naive(cube, judged, place)
        try:
            said: Reweighted | str = reweight(
                trials, judged[list(FEATURES)], trials["score"].to_numpy() >= threshold, seed
            )
        except SupportError as error:
            said = str(error)
        row = _row(np.arange(len(judged)), found, said, naive, changes)
        each.append({"threshold": float(threshold), "false_positive_rate": float(rate), **row})
        found_any.append((found, said, naive))
    return each, found_any[0]


def _method(said: Reweighted) -> dict:
    return {
        "weighted": said.plain,
        "modelled": said.model,
        "joint": said.value,
        "deviation": said.deviation,
        "least_balanced": said.worst[0],
        "by": said.worst[1],
    }


def _bins(values: np.ndarray, cube: xr.Dataset, axis: str) -> list[tuple[float, float, np.ndarray]]:
    """Bins of an axis: those of the cube, else fifths of the lenses."""
    if axis in schema.CELL:
        centres = cube[axis].values
        half = float(cube[axis].attrs.get("half_width", np.diff(centres).min() / 2 if centres.size > 1 else np.inf))
        edges = np.round([centres[0] - half, *(centres[1:] + centres[:-1]) / 2, centres[-1] + half], 6)
    else:
        edges = np.unique(np.round(np.quantile(values, np.linspace(0, 1, 6)), 2))
    if axis not in schema.CELL or not np.isfinite(edges).all():  # one cell is as wide as the lenses are
        edges[0], edges[-1] = np.floor(values.min() * 100) / 100, np.ceil(values.max() * 100 + 1e-6) / 100 + 0.01
    return [(float(low), float(high), (values >= low) & (values < high)) for low, high in itertools.pairwise(edges)]


def _naive(cube: xr.Dataset, lenses: pd.DataFrame, threshold: int) -> dict[str, np.ndarray]:
    """What the cube says of each lens when it is read at its theta_e, seeing and depth, by population; NaN
    outside and without data.
    """
    from lenscal.completeness import of_population, query

    names = (
        [str(name) for name in cube["population"].values] if "population" in cube["completeness"].dims else ["survey"]
    )
    where = [lenses[column].to_numpy(float) for column in ("theta_e", "psfsize_r", "psfdepth_r")]
    return {
        name: query(of_population(cube, name) if len(names) > 1 else cube, *where, threshold=threshold)
        for name in names
    }


def _brackets(changes: pd.DataFrame | None) -> dict[str, list[float]]:
    """Shifts of the logit of completeness by cause."""
    from lenscal.completeness import shift

    if changes is None or changes.empty:
        return {}
    done = changes[changes["why_not"].eq("") & (changes["pairs"] > 0)]
    found = {
        name: [
            shift(row["base"], row["changed"], int(row["pairs"]))
            for row in done[done["kind"] == kind].to_dict("records")
        ]
        for kind, name in CAUSES.items()
    }
    return {name: shifts for name, shifts in found.items() if shifts}


def _row(
    rows: np.ndarray,
    found: np.ndarray,
    said: Reweighted | str,
    naive: Mapping[str, np.ndarray],
    changes: pd.DataFrame | None,
) -> dict:
    n, k = rows.size, int(found[rows].sum())
    out: dict = {"n": int(n), "found": k, "observed": k / n}
    ends = dict.fromkeys(("lower_68", "upper_68", "lower_95", "upper_95"))
    if isinstance(said, str):
        out |= {"predicted": None, **ends, "deviation": None, "n_eff": 0.0}
    else:
        value, deviation = said.share(rows)
        chance = said.chance[rows]
        low = high = 0.0
        for shifts in _brackets(changes).values():
            moved = [float(expit(logit(chance) + step).mean()) - value for step in shifts]
            low, high = low + min(0.0, *moved) ** 2, high + max(0.0, *moved) ** 2
        method = (said.value - said.model) ** 2
        spread = {-1: deviation**2 + low + method, 1: deviation**2 + high + method}
        for name, level in (("68", schema.LEVELS[0]), ("95", schema.LEVELS[1])):
            ends[f"lower_{name}"], ends[f"upper_{name}"] = predictive(value, spread[-1], spread[1], n, level)
        out |= {"predicted": value, **ends, "deviation": deviation, "n_eff": said.n_eff}
    survey = naive["survey"][rows]
    out["naive"] = float(np.nanmean(survey)) if np.isfinite(survey).any() else None
    if "lens-like" in naive:
        like = naive["lens-like"][rows]
        out["naive_lens_like"] = float(np.nanmean(like)) if np.isfinite(like).any() else None
    return out


def predictive(value: float, variance_low: float, variance_high: float, n: int, level: float) -> tuple[float, float]:
    """Interval of the share that will be found of n lenses, when the chance of each is known with an error.

    Quantiles of a beta-binomial whose Beta has the mean and the variance given (one for each side); of a binomial where
    the variance is 0.
    """
    out = []
    for variance, tail in ((variance_low, (1 - level) / 2), (variance_high, (1 + level) / 2)):
        plain = value * (1 - value)
        if variance <= 0 or plain <= 0:
            law = binom(n, value)
        else:
            size = max(plain / variance - 1, 0.5)
            law = betabinom(n, value * size, (1 - value) * size)
        out.append(float(np.clip(law.ppf(tail), 0, n)) / n)
    return out[0], out[1]


def _holds(row: Mapping, level: str) -> bool:
    return (
        row[f"lower_{level}"] is not None
        and row[f"lower_{level}"] - 1e-12 <= row["observed"] <= row[f"upper_{level}"] + 1e-12
    )


def _inside(bins: Sequence[Mapping], level: str) -> dict[str, int]:
    """Judged bins, and those that hold the truth at a level."""
    judged = [row for row in bins if row["n"] >= BINS_MIN and row["predicted"] is not None]
    return {"bins": len(judged), "inside": sum(_holds(row, level) for row in judged)}


def _verdict(overall: Mapping, bins: Sequence[Mapping], refused: str) -> str:
    counted = _inside(bins, "95")
    return GO if not refused and _holds(overall, "95") and counted["inside"] >= INSIDE_MIN * counted["bins"] else NO_GO
