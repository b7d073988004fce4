"""What the core and the annulus of a galaxy tell by themselves: classifiers that see one part alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate
from lenscal.kernels import draws, profiles
from lenscal.kernels.ranking import auc
from lenscal.scores.curves import LEVEL

FOLDS = 5
STRENGTH = 0.05  # C of the logistic regression: dozens of features, dozens of lenses
RING = 0.5  # arcsec: width of the rings
SCALES = {"psfsize_r": 0.15, "psfdepth_r": 0.25, "mag_r": 0.5}
"""Differences that count as one, in arcsec, mag and mag."""
LEAST = 10
"""Lenses without which a classifier is not asked."""
PARTS = ("core", "annulus")


def matched(table: pd.DataFrame, settings: config.Scores, seed: int) -> pd.DataFrame:
    """Known lenses, and for each the nearest negatives of N1 in seeing, depth and magnitude, none twice.

    Parameters
    ----------
    table : DataFrame
        From `rows.table`; rows that are not fit for use are left out.
    settings : config.Scores
    seed : int
        Of the run; lenses choose in an order drawn by id.

    Returns
    -------
    DataFrame
        Rows of the table, in the order of their ids, with their index.
    """
    good = table[table["cutout_ok"].astype(bool)]
    lenses = good[good["label"] == 1]
    order = np.argsort(draws.hashes(seed, "judgement lens", lenses["galaxy_id"].to_numpy(np.int64)), kind="stable")
    lenses = lenses.iloc[order[: settings.shortcut_lenses]]
    others = good[good["negative"] & (good["pool"] == "N1")].sort_values("galaxy_id")
    places = {name: others[name].to_numpy(float) / scale for name, scale in SCALES.items()}
    free, chosen = np.ones(len(others), bool), []
    for _, lens in lenses.iterrows():
        far = sum(np.nan_to_num((places[name] - lens[name] / scale) ** 2) for name, scale in SCALES.items())
        near = np.argsort(np.where(free, far, np.inf), kind="stable")[: settings.shortcut_negatives]
        near = near[free[near]]
        free[near] = False
        chosen.append(near)
    rows = others.iloc[np.concatenate([*chosen, np.empty(0, int)]).astype(int)]
    return pd.concat([lenses, rows]).sort_values("galaxy_id")


def part_features(
    images: np.ndarray, sigma: np.ndarray, settings: config.Scores, pixel_scale: float
) -> dict[str, np.ndarray]:
    """Rings of the core and of the annulus (n, feature), as `kernels.profiles.ring_features` makes them.

    Parameters
    ----------
    images : (n, band, y, x) array
        Square, the galaxy at the pixel side // 2.
    sigma : (n, band) array
        Noise of a pixel.
    settings : config.Scores
    pixel_scale : float
        Arcsec per pixel.
    """
    side, core, outer = images.shape[-1], settings.core_radius_arcsec, settings.annulus_radius_arcsec
    out = {}
    for name, (inner, end) in zip(PARTS, ((0.0, core), (core, outer))):
        edges = np.linspace(inner, end, max(1, round((end - inner) / RING)) + 1)
        number = profiles.rings(side, side // 2, edges, pixel_scale)
        out[name] = profiles.ring_features(images, sigma, number, edges.size - 1)
    return out


def fold_of(ids: np.ndarray, positive: np.ndarray, seed: int) -> np.ndarray:
    """Fold (n,) of each galaxy: both classes spread over all, in an order drawn by id."""
    out = np.empty(ids.size, int)
    for own in (positive, ~positive):
        rows = np.flatnonzero(own)
        order = np.argsort(draws.hashes(seed, "judgement fold", ids[rows]), kind="stable")
        out[rows[order]] = np.arange(rows.size) % FOLDS
    return out


def classified(features: np.ndarray, positive: np.ndarray, ids: np.ndarray, seed: int) -> np.ndarray:
    """Out-of-fold scores (n,) of a linear classifier: no galaxy is scored by one that has seen it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fold, score = fold_of(ids, positive, seed), np.full(ids.size, np.nan)
    for number in range(FOLDS):
        test = fold == number
        if not test.any():
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000))
        score[test] = model.fit(features[~test], positive[~test]).decision_function(features[test])
    return score


def parts(features: Mapping[str, np.ndarray], positive: np.ndarray, ids: np.ndarray, seed: int) -> pd.DataFrame:
    """How well the core alone and the annulus alone tell lenses from matched negatives.

    Parameters
    ----------
    features : mapping of part to (n, feature) array
        From `part_features`, rows without a finite number left out.
    positive : (n,) bool array
    ids : (n,) integer array
        galaxy_id.
    seed : int

    Returns
    -------
    DataFrame
        part, auc, lower, upper, level, interval, n_positive, n_negative, why_not.
    """
    n = int(positive.sum()), int((~positive).sum())
    few = "" if min(n) >= LEAST else f"{n[0]} lenses and {n[1]} matched negatives with pixels, fewer than {LEAST}"
    rows = []
    for part in PARTS:
        found = (np.nan,) * 3
        if not few:
            score = classified(features[part], positive, ids, seed)
            found = auc(score[positive], score[~positive], LEVEL)
        rows.append(
            {
                "part": part,
                **dict(zip(("auc", "lower", "upper"), found)),
                "level": LEVEL,
                "interval": "DeLong on the logit scale, out of fold by galaxy",
                "n_positive": n[0],
                "n_negative": n[1],
                "why_not": few,
            }
        )
    return pd.DataFrame(rows)


def part_gates(found: pd.DataFrame, settings: config.Scores) -> list[Gate]:
    """The core tells little, the annulus much. Where an interval holds the limit and the area is on the good side,
    lenses are too few to say.
    """
    rows, out = found.set_index("part"), []
    for part, id_, requirement, claim, limit, good in (
        ("core", "X.7", "4.8", "a classifier that sees the core alone is weak", settings.core_auc_max, -1),
        ("annulus", "4.7", "4.7", "a classifier that sees the annulus alone is strong", settings.annulus_auc_min, 1),
    ):
        row = rows.loc[part]
        end, where = ("upper", "maximum") if good < 0 else ("lower", "minimum")
        cannot = str(row["why_not"])
        if not cannot and good * (row["auc"] - limit) >= 0 > good * (row[end] - limit):
            cannot = (
                f"too few lenses: AUC {row['auc']:.3f} ({row['lower']:.3f} to {row['upper']:.3f}) leaves "
                f"{limit:g} inside"
            )
        out.append(
            Gate(
                id_,
                claim,
                f"{end} 95 % end of the AUC, out of fold",
                float(row[end]),
                **{where: limit},
                lower=float(row["lower"]),
                upper=float(row["upper"]),
                cannot=cannot,
                requirement=requirement,
                evidence=f"AUC {row['auc']:.3f}, {row['n_positive']} known lenses, {row['n_negative']} "
                f"negatives of N1 matched in seeing, depth and magnitude",
            )
        )
    return out
