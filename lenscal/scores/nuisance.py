"""Does the score of negatives follow what has nothing to do with lenses: seeing, depth, extinction, the edge of a
brick, missing pixels?
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate
from lenscal.kernels import rankcorrelation
from lenscal.scores.curves import LEVEL

QUANTITIES = {
    "psfsize_r": "seeing (PSFSIZE_R)",
    "psfdepth_r": "depth in r",
    "ebv": "extinction E(B-V)",
    "brick_edge": "distance to the edge of the brick",
    "missing_pixels": "unobserved pixels",
    "missing_bands": "bands without any pixel",
}
"""Columns of the facts, in words."""
LEAST = 30
"""Negatives with a score and a value, without which nothing is said."""


def correlations(table: pd.DataFrame, facts: pd.DataFrame, settings: config.Scores) -> pd.DataFrame:
    """Rank correlation of the score with each quantity, over negatives that the detector was not trained on.

    Parameters
    ----------
    table : DataFrame
        From `rows.table`.
    facts : DataFrame
        By galaxy_id: those of `QUANTITIES` that are known.
    settings : config.Scores

    Returns
    -------
    DataFrame
        quantity, about, n, correlation (Spearman), lower, upper (Fisher's z with the error of Bonett & Wright 2000),
        level, p (one-sided, that it lies within `nuisance_correlation_max` of 0), p_holm (for all quantities together),
        why_not.
    """
    negatives = table[table["negative"] & table["split"].isin(["val", "test"]) & np.isfinite(table["score"])]
    known = negatives.drop(columns=[name for name in facts if name in negatives]).join(facts, on="galaxy_id")
    score, rows = negatives["score"].to_numpy(float), []
    for name, about in QUANTITIES.items():
        values = known[name].to_numpy(float) if name in known else np.full(len(known), np.nan)
        inside = np.isfinite(values)
        n = int(inside.sum())
        why = _why_not(values[inside], name in known)
        rho = np.nan if why else float(rankcorrelation.spearman(values[inside], score[inside]))
        if not why and np.isnan(rho):
            why = "every score is the same"
        lower, upper = map(float, rankcorrelation.interval(rho, n, LEVEL))
        p = float(rankcorrelation.p_beyond(rho, n, settings.nuisance_correlation_max))
        rows.append(
            {
                "quantity": name,
                "about": about,
                "n": n,
                "correlation": rho,
                "lower": lower,
                "upper": upper,
                "level": LEVEL,
                "p": p,
                "p_holm": np.nan,
                "why_not": why,
            }
        )
    out = pd.DataFrame(rows)
    judged = (out["why_not"] == "").to_numpy()
    out.loc[judged, "p_holm"] = rankcorrelation.holm(out.loc[judged, "p"])
    return out


def _why_not(values: np.ndarray, known: bool) -> str:
    if not known or not values.size:
        return "not known for the negatives of this run"
    if values.size < LEAST:
        return f"known for {values.size} negatives, fewer than {LEAST}"
    return f"{values[0]:g} for all of {values.size} scored negatives" if np.ptp(values) == 0 else ""


def gate(found: pd.DataFrame, settings: config.Scores) -> Gate:
    """No correlation lies surely beyond the limit, at 5 % for all quantities together."""
    claim = "the score of negatives follows neither seeing, depth, extinction, brick edges nor missing pixels"
    measure = f"smallest p of a rank correlation within {settings.nuisance_correlation_max:g}, Holm-corrected"
    judged, left = found[found["why_not"] == ""], found[found["why_not"] != ""]
    if judged.empty:
        why = "; ".join(f"{row.about}: {row.why_not}" for row in left.itertuples())
        return Gate("detector.nuisance", claim, measure, np.nan, minimum=1 - LEVEL, cannot=why)
    said = [f"{r.about} {r.correlation:+.3f} ({r.lower:+.3f} to {r.upper:+.3f})" for r in judged.itertuples()]
    said += [f"{r.about} not judged: {r.why_not}" for r in left.itertuples()]
    return Gate(
        "detector.nuisance",
        claim,
        measure,
        float(judged["p_holm"].min()),
        minimum=round(1 - LEVEL, 6),
        evidence=f"{'; '.join(said)}; {int(judged['n'].max())} negatives of the splits val and test",
    )
