"""What matters most: are injections recovered as often, and scored as high, as the real lenses they stand for?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.gates import Gate
from lenscal.kernels import draws, proportions
from lenscal.realism.criteria import criterion, too_few

NAME, SCORES = "recovery", "scores"
"""Ids of the two criteria."""


def compared(real: pd.DataFrame, injected: pd.DataFrame, thresholds: pd.DataFrame) -> pd.DataFrame:
    """Recovery of real lenses and of the injections matched to them, at every threshold.

    Parameters
    ----------
    real : DataFrame
        galaxy_id, score (NaN where there is none).
    injected : DataFrame
        anchor_id, score: matches of each real lens.
    thresholds : DataFrame
        threshold, false_positive_rate.

    Returns
    -------
    DataFrame
        threshold, false_positive_rate, n_real, k_real, share_real, n_injected, k_injected, share_injected (each real
        lens counts alike, whatever the number of its matches), n_effective (of the injections: those of one lens are
        alike), difference (injected - real), from_95, to_95.

    Notes
    -----
    The interval is Newcombe's (1998, Statistics in Medicine 17, 873, method 10) from the Wilson intervals of both
    shares, the injections' with as many trials as they are worth, clusters being the real lenses: it stays honest where
    all of either are recovered.
    """
    real = real[np.isfinite(real["score"])]
    injected = injected[np.isfinite(injected["score"]) & injected["anchor_id"].isin(real["galaxy_id"])]
    real = real[real["galaxy_id"].isin(injected["anchor_id"])]
    rows = []
    for threshold, rate in thresholds[["threshold", "false_positive_rate"]].itertuples(index=False):
        hit = (injected["score"].to_numpy() >= threshold).astype(float)
        each = pd.Series(hit).groupby(injected["anchor_id"].to_numpy()).mean().to_numpy()
        found = real["score"].to_numpy() >= threshold
        row = {
            "threshold": threshold,
            "false_positive_rate": rate,
            "n_real": len(real),
            "k_real": int(found.sum()),
            "n_injected": len(injected),
            "k_injected": int(hit.sum()),
        }
        if not len(real):
            rows.append(
                {
                    **row,
                    "share_real": np.nan,
                    "share_injected": np.nan,
                    "n_effective": 0.0,
                    "difference": np.nan,
                    "from_95": np.nan,
                    "to_95": np.nan,
                }
            )
            continue
        share, worth = each.mean(), _worth(each, len(injected))
        low, high = proportions.independent_difference(
            int(found.sum()), len(real), share * worth, worth, schema.LEVELS[1]
        )
        rows.append(
            {
                **row,
                "share_real": found.mean(),
                "share_injected": share,
                "n_effective": worth,
                "difference": share - found.mean(),
                "from_95": low,
                "to_95": high,
            }
        )
    columns = [
        "threshold",
        "false_positive_rate",
        "n_real",
        "k_real",
        "share_real",
        "n_injected",
        "k_injected",
        "share_injected",
        "n_effective",
        "difference",
        "from_95",
        "to_95",
    ]
    return pd.DataFrame(rows, columns=columns)


def _worth(each: np.ndarray, trials: int) -> float:
    """Independent trials that tell as much as clustered ones, from the scatter of the clusters' shares: between one a
    cluster and all of them.
    """
    share, clusters = each.mean(), each.size
    plain = share * (1 - share)
    if clusters < 2 or plain == 0:
        return float(clusters)
    return float(np.clip(plain / (each.var(ddof=1) / clusters), clusters, trials))


def score_p(real: pd.DataFrame, injected: pd.DataFrame, seed: int, permutations: int) -> tuple[float, float, int]:
    """Whether real lenses and their matches have scores of one distribution: mean share of the matches that a
    lens outscores, and its p.

    If a lens and its matches were of one kind, each of them would as likely be the lens. So in every cluster another
    member takes its place, `permutations` times; p is two-sided. Clusters are the units, whatever they share.

    Parameters
    ----------
    real, injected : DataFrame
        As in `compared`.
    seed : int
        Of the run.
    permutations : int

    Returns
    -------
    share, p : float
        1/2 where neither scores higher; NaN without clusters.
    clusters : int
    """
    own = real.set_index("galaxy_id")["score"]
    rng = draws.generator(seed, "realism score permutations", 0)
    total, null, clusters = 0.0, np.zeros(permutations), 0
    for anchor, rows in injected[np.isfinite(injected["score"])].groupby("anchor_id"):
        score = own.get(anchor, np.nan)
        if not np.isfinite(score):
            continue
        together = np.append(score, rows["score"].to_numpy(float))
        above = (together[:, None] > together).sum(1) + 0.5 * ((together[:, None] == together).sum(1) - 1)
        shares = above / (together.size - 1)
        total += shares[0]
        null += shares[rng.integers(0, together.size, permutations)]
        clusters += 1
    if not clusters:
        return np.nan, np.nan, 0
    far = np.abs(null / clusters - 0.5) >= abs(total / clusters - 0.5) - 1e-12
    return total / clusters, float((far.sum() + 1) / (permutations + 1)), clusters


def judged(table: pd.DataFrame, shares: tuple[float, float, int], settings: config.Realism) -> list[Gate]:
    """The two criteria: recovery at the threshold where it differs most, and the distribution of scores.

    Parameters
    ----------
    table : DataFrame
        From `compared`.
    shares : tuple
        From `score_p`.
    settings : config.Realism
        `recovery_difference`, `p_min` and `anchors_min`.
    """
    limit = settings.recovery_difference
    claim, measure = (
        "injections are recovered as often as the real lenses they stand for",
        "difference of recovery, injections less real lenses",
    )
    few = too_few(
        [(int(table["n_real"].max()) if len(table) else 0, "anchors with a score and a match")], settings.anchors_min
    )
    if not len(table) or not np.isfinite(table["difference"]).any():
        return [
            criterion(
                NAME,
                "T.1",
                claim,
                measure,
                minimum=-limit,
                maximum=limit,
                cannot=few or "no real lens has a score and a match",
            ),
            _scores(shares, settings, few),
        ]
    worst = table.loc[table["difference"].abs().idxmax()]
    low, high = float(worst["from_95"]), float(worst["to_95"])
    why = "; ".join(
        f"at {r['threshold']:.2f}: {r['k_injected']} of {r['n_injected']} injections ({r['share_injected']:.2f}), "
        f"{r['k_real']} of {r['n_real']} lenses ({r['share_real']:.2f})"
        for r in table.to_dict("records")
    )
    value = float(worst["difference"])
    # More than the limit apart, and surely apart, is NO-GO; surely within the limit is GO; what lies between is not
    # judged.
    settled = (-limit <= low and high <= limit) or (abs(value) > limit and (low > 0 or high < 0))
    unsure = (
        ""
        if settled
        else (
            f"{value:+.2f} ({low:+.2f} to {high:+.2f}) with {int(worst['n_real'])} anchors is not surely within the "
            f"limit of {limit:g}, nor surely a difference beyond it; {why}"
        )
    )
    return [
        criterion(NAME, "T.1", claim, measure, value, (low, high), -limit, limit, why, few or unsure),
        _scores(shares, settings, few),
    ]


def _scores(shares: tuple[float, float, int], settings: config.Realism, few: str) -> Gate:
    share, p, clusters = shares
    return criterion(
        SCORES,
        "T.1",
        "injections score as the real lenses they stand for",
        "p of the share of its matches that a lens outscores",
        p,
        minimum=settings.p_min,
        why=f"a real lens outscores {share:.2f} of its matches (1/2 expected), {clusters} lenses",
        cannot=few,
    )


def sentence(table: pd.DataFrame, verdict: str) -> str:
    """What stands beside every number of completeness: the verdict and both shares, at the first threshold."""
    if not len(table) or not np.isfinite(table["difference"].iloc[0]):
        return f"{verdict}: no real lens stands beside injections, so nothing says that completeness is theirs"
    one = table.iloc[0]
    return (
        f"{verdict}: of {int(one['n_real'])} real lenses {100 * one['share_real']:.0f} % are recovered, of the "
        f"injections matched to them {100 * one['share_injected']:.0f} % (difference {100 * one['difference']:+.0f}, "
        f"{100 * one['from_95']:+.0f} to {100 * one['to_95']:+.0f} points at 95 %)"
    )
