"""Calibration stratum by stratum: do probabilities hold in every seeing, depth, number of exposures, type and pool?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate
from lenscal.kernels import bootstrap, intervals, reliability
from lenscal.scores.curves import BOOTSTRAP, LEVEL, row
from lenscal.scores.rows import Sample

ALL = "all"
_BINS = {"seeing": "psfsize_r", "depth": "psfdepth_r"}
_NAMES = {"exposures in z": "nobs_z_bin", "type": "type"}
_REGION = "region"  # of a run of both only


def groups(rows: pd.DataFrame, edges: Mapping[str, Sequence[float]]) -> list[tuple[str, str, np.ndarray]]:
    """Strata as (group, value, rows inside); of a pool of negatives all lenses are taken with it.

    Parameters
    ----------
    rows : DataFrame
        From `rows.table`.
    edges : mapping
        Edges of the bins of `seeing` [arcsec] and `depth` [mag].
    """
    found = [(ALL, ALL, np.ones(len(rows), bool))]
    for group, column in _BINS.items():
        values, ends = rows[column].to_numpy(float), np.asarray(edges[group], float)
        bins = [(f"below {ends[0]:g}", values < ends[0]), (f"{ends[-1]:g} and more", values >= ends[-1])]
        bins[1:1] = [
            (f"{a:g} to {b:g}", (values >= a) & (values < b)) for a, b in zip(ends[:-1].tolist(), ends[1:].tolist())
        ]
        found += [(group, value, inside) for value, inside in bins]
    for group, column in _NAMES.items():
        values = rows[column].astype(str).to_numpy()
        found += [(group, value or "(none)", values == value) for value in sorted(set(values))]
    if _REGION in rows:
        values = rows[_REGION].astype(str).to_numpy()
        found += [(_REGION, value, values == value) for value in sorted(set(values) - {""})]
    lens = (rows["label"] == 1).to_numpy()
    found += [("pool of negatives", pool, lens | (rows["pool"] == pool).to_numpy()) for pool in ("N1", "N2")]
    return [one for one in found if one[2].any() or one[0] == ALL]


def calibration(
    sample: Sample, prevalence: float, edges: Mapping[str, Sequence[float]], settings: config.Scores
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Expected calibration error and risk of each stratum, and the bins they come from.

    Parameters
    ----------
    sample : Sample
    prevalence : float
        Share of lenses: both classes are weighted to it, in each stratum alike.
    edges : mapping
        As for `groups`.
    settings : config.Scores

    Returns
    -------
    strata : DataFrame
        group, value, n_positive, n_negative, error (expected calibration error), lower, upper, level, interval,
        predicted (mean probability), risk_area, why_not (a stratum of one class, or of a few, has no number).
    bins : DataFrame
        group, value, bin, predicted, observed, lower, upper (Jeffreys intervals of both classes' shares, joined),
        n_positive, n_negative.
    """
    strata, bins = [], []
    for group, value, inside in groups(sample.rows, edges):
        part = sample.where(inside)
        why = part.why_not(settings.stratum_min) or unknown(part)
        found = (np.nan,) * 3
        own = {"predicted": np.nan, "risk_area": np.nan}
        if not why:
            found, own, table = _stratum(part, prevalence, settings.bins)
            bins.append(table.assign(group=group, value=value))
        strata.append(
            {
                "group": group,
                "value": value,
                "n_positive": int(part.positive.sum()),
                "n_negative": int((~part.positive).sum()),
                **dict(zip(("error", "lower", "upper"), found)),
                "level": LEVEL,
                "interval": BOOTSTRAP,
                **own,
                "why_not": why,
            }
        )
    names = ["group", "value", "bin", "predicted", "observed", "lower", "upper", "n_positive", "n_negative"]
    joined = pd.concat(bins, ignore_index=True) if bins else pd.DataFrame(columns=names)
    return pd.DataFrame(strata), joined[names]


def unknown(sample: Sample) -> str:
    """Why nothing can be said of probabilities; empty where every row has one."""
    missing = int((~np.isfinite(sample.probability)).sum())
    return f"{missing} of {sample.ids.size} scores have no probability" if missing else ""


def _stratum(part: Sample, prevalence: float, bins: int) -> tuple[tuple[float, float, float], dict, pd.DataFrame]:
    probability, positive = part.probability, part.positive
    own = reliability.equal_mass_bins(probability, bins)
    weights = reliability.at_prevalence(positive, prevalence)
    drawn = part.resampled(
        lambda w, _: reliability.bin_misses(
            probability, positive, own, reliability.at_prevalence(positive, prevalence, w)
        )
    )
    error = reliability.error_interval(
        reliability.bin_misses(probability, positive, own, weights), drawn, part.few, LEVEL
    )
    coverage, risk = _risk(part, weights)
    about = {
        "predicted": float((weights * probability).sum()),
        "risk_area": float(reliability.risk_area(coverage, risk)),
    }
    return error, about, _bins(part, own, weights, prevalence)


def _bins(part: Sample, own: np.ndarray, weights: np.ndarray, prevalence: float) -> pd.DataFrame:
    count = int(own.max()) + 1
    n = {name: np.bincount(own, rows, count) for name, rows in (("p", part.positive), ("n", ~part.positive))}
    mass = np.bincount(own, weights, count)
    ends = {name: intervals.interval(k, k.sum(), LEVEL) for name, k in n.items()}
    share = lambda p, q: prevalence * p / (prevalence * p + (1 - prevalence) * q)  # noqa: E731
    return pd.DataFrame(
        {
            "bin": np.arange(count),
            "predicted": np.bincount(own, weights * part.probability, count) / mass,
            "observed": np.bincount(own, weights * part.positive, count) / mass,
            "lower": share(ends["p"][0], ends["n"][1]),
            "upper": share(ends["p"][1], ends["n"][0]),
            "n_positive": n["p"].astype(int),
            "n_negative": n["n"].astype(int),
        }
    )


def _risk(part: Sample, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of wrong answers among the most confident, an answer being whether the probability is one half or more."""
    wrong = (part.probability >= 0.5) != part.positive
    return reliability.risk_coverage(np.maximum(part.probability, 1 - part.probability), wrong, weights)


def risk_curve(sample: Sample, prevalence: float) -> pd.DataFrame:
    """Coverage and risk, from the most confident answers to all; thinned to 512 points, empty where nothing can be
    said.
    """
    if sample.few == 0 or unknown(sample):
        return pd.DataFrame({"coverage": pd.Series(dtype=float), "risk": pd.Series(dtype=float)})
    coverage, risk = _risk(sample, reliability.at_prevalence(sample.positive, prevalence))
    kept = np.unique(np.linspace(0, coverage.size - 1, 512).astype(int))
    return pd.DataFrame({"coverage": coverage[kept], "risk": risk[kept]})


def risk_row(sample: Sample, prevalence: float) -> dict:
    """The row of the table of measures (`curves.COLUMNS`) for the area below the risk-coverage curve."""
    name, why = "area below the risk-coverage curve", sample.why_not() or unknown(sample)
    if why:
        return row(name, (np.nan,) * 3, BOOTSTRAP, sample, prevalence, why)
    at = lambda weights: reliability.risk_area(*_risk(sample, weights))  # noqa: E731
    value = float(at(reliability.at_prevalence(sample.positive, prevalence)))
    drawn = sample.resampled(lambda w, _: at(reliability.at_prevalence(sample.positive, prevalence, w)))
    lower, upper = bootstrap.ends(value, drawn, sample.few, LEVEL)
    return row(name, (value, max(lower, 0.0), upper), BOOTSTRAP, sample, prevalence, "")


def gate(strata: pd.DataFrame, limit: float) -> Gate:
    """No stratum's calibration error is surely above the limit."""
    claim = "probabilities hold in every stratum of seeing, depth, exposures, type and pool"
    parts = strata[strata["group"] != ALL]
    judged = parts[parts["why_not"] == ""]
    left = f"{len(judged)} of {len(parts)} strata judged"
    if judged.empty:
        why = (
            strata["why_not"].iloc[0]
            if len(strata) and strata["why_not"].iloc[0]
            else f"{left}: too few of a class in each"
        )
        return Gate(
            "detector.strata",
            claim,
            "largest lower end of the error",
            np.nan,
            maximum=limit,
            cannot=why,
            requirement="4.5",
        )
    worst = judged.loc[judged["lower"].idxmax()]
    return Gate(
        "detector.strata",
        claim,
        "largest lower 95 % end of the expected calibration error",
        float(worst["lower"]),
        maximum=limit,
        lower=float(worst["lower"]),
        upper=float(worst["upper"]),
        requirement="4.5",
        evidence=f"{worst['group']} {worst['value']}: error {worst['error']:.4f}, {worst['n_positive']} lenses, "
        f"{worst['n_negative']} negatives; {left}",
    )
