"""Shortcuts: what the core and the annulus tell by themselves, and what the score makes of an arc that is
taken away or put elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.experiments import Paired
from lenscal.gates import Gate, absent
from lenscal.kernels import draws, profiles, quantiles
from lenscal.kernels.ranking import auc
from lenscal.scores.curves import LEVEL

FOLDS = 5
STRENGTH = 0.05  # C of the logistic regression: dozens of features, dozens of lenses
RING = 0.5  # arcsec: width of the rings
SCALES = {"psfsize_r": 0.15, "psfdepth_r": 0.25, "mag_r": 0.5}
"""Differences that count as one, in arcsec, mag and mag."""
LEAST = 10
"""Lenses without which a classifier is not asked, and pairs without which a change is not judged."""
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
                f"too few lenses: AUC {row['auc']:.3f} ({row['lower']:.3f} to "
                f"{row['upper']:.3f}) leaves {limit:g} inside"
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
                evidence=(
                    f"AUC {row['auc']:.3f}, {row['n_positive']} known lenses, {row['n_negative']} negatives of N1 "
                    "matched in seeing, depth and magnitude"
                ),
            )
        )
    return out


@dataclass(frozen=True)
class Counterfactual:
    """What becomes of the same injections: their scores before and after, pair by pair; or why nobody can tell."""

    name: str
    about: str
    before: np.ndarray
    after: np.ndarray
    why_not: str = ""


COLUMNS = [
    "name",
    "about",
    "pairs",
    "shift",
    "shift_lower",
    "shift_upper",
    "level",
    "base",
    "changed",
    "change",
    "change_lower",
    "change_upper",
    "p",
    "why_not",
]
ARC, HOST, BLANK = "arc suppressed", "host swapped", "arc on blank sky"
ABOUT = {
    ARC: "the host alone, against the host with its arc",
    HOST: "the arc in another host of its cell, against its own",
    BLANK: "the arc on noise alone, against that noise without it",
}


def counterfactuals(found: list[Counterfactual], threshold: float) -> pd.DataFrame:
    """Shift of the score and change of the share that is found.

    Parameters
    ----------
    found : list of Counterfactual
        Each injection in another host, so that pairs are independent.
    threshold : float
        A score at or above is a detection.

    Returns
    -------
    DataFrame
        name, about, pairs, shift (median of after - before), shift_lower, shift_upper (between order statistics),
        level, base, changed (shares found), change, change_lower, change_upper (Newcombe, pairs), p (McNemar, exact),
        why_not.
    """
    rows = []
    for one in found:
        good = np.isfinite(one.before) & np.isfinite(one.after)
        before, after = one.before[good], one.after[good]
        shift = quantiles.median_interval(after - before, LEVEL)
        pairs = Paired.of_scores(before, after, threshold).row()
        why = one.why_not or ("" if good.sum() >= LEAST else f"{int(good.sum())} pairs, fewer than {LEAST}")
        rows.append(
            {
                "name": one.name,
                "about": one.about,
                "pairs": int(good.sum()),
                **dict(zip(("shift", "shift_lower", "shift_upper"), shift)),
                "level": LEVEL,
                "base": pairs["base"],
                "changed": pairs["changed"],
                "change": pairs["change"],
                "change_lower": pairs["from_95"],
                "change_upper": pairs["to_95"],
                "p": pairs["p"],
                "why_not": why,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def counterfactual_gates(found: pd.DataFrame, settings: config.Scores, few_events: str) -> list[Gate]:
    """The score falls with the arc and rises with it on blank sky, and another host changes little."""
    claims = {
        ARC: ("shortcut.arc", "the score falls when the arc is taken away", "upper 95 % end of the median shift"),
        HOST: (
            "shortcut.host",
            "another host changes the share that is found by little",
            "change of the share that is found",
        ),
        BLANK: (
            "shortcut.blank",
            "an arc raises the score also where no galaxy is",
            "lower 95 % end of the median shift",
        ),
    }
    if found.empty:
        why = "the run file leaves this out (scores.counterfactuals is 0)"
        return [absent(id_, claim, why) for id_, claim, _ in claims.values()]
    rows, out, beside = found.set_index("name"), [], f"; {few_events}" if few_events else ""
    for name, (id_, claim, measure) in claims.items():
        row = rows.loc[name]
        said = (
            f"median shift {row['shift']:+.3f} ({row['shift_lower']:+.3f} to {row['shift_upper']:+.3f}); found "
            f"{row['base']:.3f} before, {row['changed']:.3f} after (change {row['change_lower']:+.3f} to "
            f"{row['change_upper']:+.3f}); {row['pairs']} injections{beside}"
        )
        given = {"evidence": said, "requirement": "4.8", "cannot": str(row["why_not"])}
        if name == HOST:
            limit, ends = settings.swap_change_max, (float(row["change_lower"]), float(row["change_upper"]))
            if not given["cannot"] and abs(row["change"]) <= limit < max(map(abs, ends)):
                given["cannot"] = f"too few injections: {said} leaves {limit:g} inside"
            out.append(
                Gate(
                    id_, claim, measure, float(abs(row["change"])), maximum=limit, lower=ends[0], upper=ends[1], **given
                )
            )
            continue
        end, limits = ("shift_upper", {"maximum": -TINY}) if name == ARC else ("shift_lower", {"minimum": TINY})
        out.append(
            Gate(
                id_,
                claim,
                measure,
                float(row[end]),
                **limits,
                lower=float(row["shift_lower"]),
                upper=float(row["shift_upper"]),
                **given,
            )
        )
    return out


TINY = float(np.nextafter(0, 1))
"""What is above nothing."""
