"""Do selection channels find lenses independently of imaging searches, and how many would there be? (requirement G.1)

Two channels that found lenses of one sky, without regard to each other, tell by what both found how many there are
(capture and recapture). Whether they regard each other is not told by the two alone: among the lenses that a third
channel found, all four of both, one, the other and neither are counted, and their odds ratio is 1 for channels that do
not. Where no third one has enough lenses the number is withheld, and bounds for a stated dependence are given.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate
from lenscal.kernels import rankcorrelation, recapture

LEVEL = 0.95
ODDS = 5.0
"""Dependence, as an odds ratio either way, for which bounds are given."""
ALPHA = 0.05
IMAGING = "imaging-ml"
STRATA = (("seeing", "psfsize_r"), ("depth", "psfdepth_r"))
INDEPENDENT, DEPENDENT, UNKNOWN = "independent", "dependent", "not known"
COLUMNS = [
    *("first", "second", "group", "value", "n_first", "n_second", "n_both", "n_all"),
    *("number", "lower", "upper", "bound_lower", "bound_upper", "level"),
    *("third", "odds", "odds_lower", "odds_upper", "p", "p_holm", "verdict", "why_not"),
]


def pairs(table: pd.DataFrame, facts: pd.DataFrame, settings: config.Scores) -> pd.DataFrame:
    """Every two selection channels: what each found, both, how many there would be, and whether they depend.

    Parameters
    ----------
    table : DataFrame
        From `rows.table`: the known lenses are its rows of label 1.
    facts : DataFrame
        By galaxy_id: channel, several joined by ``|``.
    settings : config.Scores
        `channel_min`: lenses below which nothing is said of a channel, or by one of two others.

    Returns
    -------
    DataFrame
        `COLUMNS`. A pair has a row for all lenses and one for each half of them by seeing and by depth. `number` (with
        its 95 % interval) is withheld, with the reason, where the channels depend or nothing tells whether they do;
        `bound_lower` and `bound_upper` hold for an odds ratio of 1 / `ODDS` to `ODDS`.
    """
    lenses = table[table["label"] == 1].set_index("galaxy_id").sort_index()
    channel = facts["channel"].reindex(lenses.index).fillna("").astype(str) if "channel" in facts else None
    if channel is None or not len(lenses):
        return pd.DataFrame(columns=COLUMNS)
    lists = {name: np.array([name in own.split("|") for own in channel]) for name in _named(channel)}
    found = []
    for one, two in itertools.combinations(lists, 2):
        told = _dependence(lists, one, two, settings.channel_min)
        found += [
            {"first": one, "second": two, **_counted(lists[one] & inside, lists[two] & inside, group, value), **told}
            for group, value, inside in _strata(lenses)
        ]
    return _judged(pd.DataFrame(found, columns=COLUMNS))


def _named(channel: pd.Series) -> list[str]:
    return sorted({name for own in channel for name in own.split("|") if name})


def _strata(lenses: pd.DataFrame) -> list[tuple[str, str, np.ndarray]]:
    """All lenses, and each half of them by a condition; NaN is in neither half."""
    out = [("all", "", np.ones(len(lenses), bool))]
    for group, column in STRATA:
        values = lenses[column].to_numpy(float)
        if np.isfinite(values).any():
            middle = float(np.nanmedian(values))
            out += [(group, f"below {middle:.4g}", values < middle), (group, f"from {middle:.4g}", values >= middle)]
    return out


def _counted(one: np.ndarray, two: np.ndarray, group: str, value: str) -> dict:
    first, second, both = int(one.sum()), int(two.sum()), int((one & two).sum())
    lower, upper = recapture.interval(first, second, both, LEVEL)
    bound_lower, bound_upper = recapture.bounds(first, second, both, ODDS, LEVEL)
    return {
        **{"group": group, "value": value, "n_first": first, "n_second": second, "n_both": both},
        "n_all": first + second - both,
        "number": recapture.chapman(first, second, both) if both else np.nan,
        **{"lower": lower, "upper": upper, "bound_lower": bound_lower, "bound_upper": bound_upper, "level": LEVEL},
    }


def _dependence(lists: dict[str, np.ndarray], one: str, two: str, least: int) -> dict:
    """The odds ratio of two channels among the lenses of the third that has most of them."""
    blank = dict.fromkeys(("odds", "odds_lower", "odds_upper", "p", "p_holm"), np.nan)
    others = [name for name in lists if name not in (one, two)]
    sizes = {name: int(lists[name].sum()) for name in others}
    third = max(others, key=lambda name: (sizes[name], name), default="")
    if not third or sizes[third] < least:
        why = f"the third channel ({third}) has {sizes[third]} lenses" if third else "there is no third channel"
        return {"third": third, **blank, "why_not": f"{why}, {least} needed to tell whether they depend"}
    own = lists[third]
    a, b = lists[one][own], lists[two][own]
    table = np.array([[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]])
    if (table.sum(0) == 0).any() or (table.sum(1) == 0).any():
        which = one if (table.sum(1) == 0).any() else two
        return {"third": third, **blank, "why_not": f"of the lenses of {third}, {which} has all or none"}
    odds, low, high, p = recapture.dependence(table, LEVEL)
    return {
        "third": third,
        "odds": odds,
        "odds_lower": low,
        "odds_upper": high,
        "p": p,
        "p_holm": np.nan,
        "why_not": "",
    }


def _judged(found: pd.DataFrame) -> pd.DataFrame:
    """With Holm's p over all pairs, their verdicts, and no number where channels are not known to be independent."""
    whole = (found["group"] == "all") & found["p"].notna()
    found.loc[whole, "p_holm"] = rankcorrelation.holm(found.loc[whole, "p"])
    p = found.groupby(["first", "second"])["p_holm"].transform("first")
    wide = ~((found["odds_lower"] >= 1 / ODDS) & (found["odds_upper"] <= ODDS))
    found["verdict"] = np.select([p.isna(), p < ALPHA, wide], [UNKNOWN, DEPENDENT, UNKNOWN], INDEPENDENT)
    for verdict, why in ((DEPENDENT, "they depend: odds ratio"), (UNKNOWN, "too few lenses to tell: odds ratio")):
        rows = (found["verdict"] == verdict) & p.notna()
        found.loc[rows, "why_not"] = [
            f"{why} {low:.3g} to {high:.3g}"
            for low, high in zip(found.loc[rows, "odds_lower"], found.loc[rows, "odds_upper"])
        ]
    none = (found["why_not"] == "") & (found["n_both"] == 0)
    found.loc[none, "why_not"] = "no lens is in both"
    found.loc[found["why_not"] != "", ["number", "lower", "upper"]] = np.nan
    return found


def gate(found: pd.DataFrame) -> Gate:
    """Other channels find lenses without regard to imaging searches, as far as a third channel tells."""
    whole = found[(found["group"] == "all") & ((found["first"] == IMAGING) | (found["second"] == IMAGING))]
    tested = whole[whole["verdict"] != UNKNOWN]
    said = [
        f"{row.first} and {row.second}, among lenses of {row.third}: odds ratio {row.odds:.3g} "
        f"({row.odds_lower:.3g} to {row.odds_upper:.3g})"
        for row in tested.itertuples()
    ]
    said += [f"{row.first} and {row.second}: {row.why_not}" for row in whole[whole["verdict"] == UNKNOWN].itertuples()]
    cannot = (
        "" if len(tested) else "; ".join(said) or f"no lens of the sample was found by {IMAGING} and by another channel"
    )
    return Gate(
        "G.1.independence",
        "channels find lenses without regard to imaging searches",
        "pairs of channels that depend",
        float((tested["verdict"] == DEPENDENT).sum()) if len(tested) else float("nan"),
        maximum=0,
        requirement="G.1",
        cannot=cannot,
        evidence="; ".join(said),
    )
