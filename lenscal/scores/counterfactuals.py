"""What the score makes of an arc that is taken away, put into another host or onto blank sky: the same injections, pair
by pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.experiments import Paired
from lenscal.gates import Gate, absent
from lenscal.kernels import quantiles
from lenscal.scores.curves import LEVEL

LEAST = 10
"""Pairs without which a change is not judged."""


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


def changes(found: list[Counterfactual], threshold: float) -> pd.DataFrame:
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


def kept(found: Sequence[Counterfactual]) -> pd.DataFrame:
    """The scores of all pairs as one table, from which `changes` can be made again at another threshold.

    Returns
    -------
    DataFrame
        name, pair (from 0), before, after; no row of a change that nobody can tell.
    """
    parts = [
        pd.DataFrame({"name": one.name, "pair": np.arange(one.before.size), "before": one.before, "after": one.after})
        for one in found
    ]
    columns = ["name", "pair", "before", "after"]
    return pd.concat([pd.DataFrame(columns=columns), *parts], ignore_index=True)[columns]


def again(pairs: pd.DataFrame, why_not: Mapping[str, str]) -> list[Counterfactual]:
    """The pairs of a table from `kept`; `why_not` has, by the name of each change, why nobody can tell of one without
    pairs.
    """
    scores = {
        name: [pairs.loc[pairs["name"] == name, end].to_numpy(float) for end in ("before", "after")] for name in why_not
    }
    return [
        Counterfactual(name, ABOUT[name], *scores[name], "" if scores[name][0].size else why)
        for name, why in why_not.items()
    ]


def gates(found: pd.DataFrame, settings: config.Scores, few_events: str) -> list[Gate]:
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
            f"{row['base']:.3f} before, "
            f"{row['changed']:.3f} after (change {row['change_lower']:+.3f} to {row['change_upper']:+.3f}); "
            f"{row['pairs']} injections{beside}"
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
