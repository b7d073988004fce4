"""Two detectors on the same trials: what one finds and the other does not, cell by cell, with the trials of
one host taken together.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal.errors import InputError
from lenscal.experiments.paired import LEVEL, found
from lenscal.kernels import intervals, proportions, twosamples

HOSTS_MIN = 5
"""Hosts of a cell below which no interval is given."""
AXES = ("theta_e", "psf_fwhm", "depth")


def joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Trials that both detectors scored, by id.

    Parameters
    ----------
    first, second : DataFrame
        id, score, and in the first whatever else is known of a trial.

    Returns
    -------
    DataFrame
        The columns of the first with `first` and `second` in place of `score`; `attrs` count ids of one detector alone,
        and without a score.

    Raises
    ------
    InputError
        Ids are repeated, or none is common.
    """
    for name, table in (("first", first), ("second", second)):
        if table["id"].duplicated().any():
            raise InputError(
                f"compare: {int(table['id'].duplicated().sum())} ids of the {name} detector are "
                "repeated; expected each once"
            )
    both = first.rename(columns={"score": "first"}).merge(
        second[["id", "score"]].rename(columns={"score": "second"}), on="id", how="inner", validate="one_to_one"
    )
    if both.empty and len(first) and len(second):
        raise InputError("compare: no id is common; expected two runs of one sample and one grid of injections")
    scored = np.isfinite(both["first"]) & np.isfinite(both["second"])
    out = both[scored].reset_index(drop=True)
    out.attrs = {
        "only_first": len(first) - len(both),
        "only_second": len(second) - len(both),
        "without_a_score": int((~scored).sum()),
    }
    return out


def compared(trials: pd.DataFrame, thresholds: tuple[float, float], by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Shares found by each detector, by either and by both, and their paired difference.

    Trials of one host are alike, so that counts are divided by a design effect, estimated from the hosts (Kish 1965,
    Survey Sampling, section 5.4); the interval of the difference is Newcombe's (1998, method 10) of such counts, that
    of the union the Jeffreys interval.

    Parameters
    ----------
    trials : DataFrame
        first, second (scores), host, and the columns `by`.
    thresholds : pair of float
        Of the first and the second detector, at one false-positive rate each has.
    by : tuple of str
        Columns that make a cell; none takes all trials together.

    Returns
    -------
    DataFrame
        `by`; n, hosts, both, only_first, only_second, neither; first, second, union (shares found); difference (second
        less first), lower, upper (95 %); union_lower, union_upper; agreement (share with one verdict); p, mid_p
        (McNemar, of counts divided by the design effect); design_effect; NaN for intervals of fewer than `HOSTS_MIN`
        hosts.
    """
    table = trials.assign(
        one=found(trials["first"].to_numpy(), thresholds[0]), two=found(trials["second"].to_numpy(), thresholds[1])
    )
    groups = table.groupby(list(by), sort=True) if by else [((), table)]
    rows = []
    for key, group in groups:
        named = dict(zip(by, key if isinstance(key, tuple) else (key,)))
        rows.append(
            {**named, **_row(group["one"].to_numpy() > 0.5, group["two"].to_numpy() > 0.5, group["host"].to_numpy())}
        )
    return pd.DataFrame(rows)


def _row(one: np.ndarray, two: np.ndarray, host: np.ndarray) -> dict:
    n, _, own = one.size, *np.unique(host, return_inverse=True)
    hosts = int(own.max()) + 1 if n else 0
    counts = np.array([(one & two).sum(), (one & ~two).sum(), (~one & two).sum(), (~one & ~two).sum()])
    out = {
        "n": n,
        "hosts": hosts,
        **dict(zip(("both", "only_first", "only_second", "neither"), map(int, counts))),
        "first": one.mean() if n else np.nan,
        "second": two.mean() if n else np.nan,
        "union": (one | two).mean() if n else np.nan,
        "agreement": (one == two).mean() if n else np.nan,
        "difference": (two.mean() - one.mean()) if n else np.nan,
    }
    blank = dict.fromkeys(("lower", "upper", "union_lower", "union_upper", "p", "mid_p", "design_effect"), np.nan)
    if hosts < HOSTS_MIN:
        return {**out, **blank}
    change = design_effect(two.astype(float) - one, own)
    either = design_effect((one | two).astype(float), own)
    _, lower, upper = proportions.paired_difference(*(counts / change), LEVEL)
    union = intervals.interval((one | two).sum() / either, n / either, LEVEL)
    lost, won = (round(count / change) for count in counts[1:3])
    p, mid_p = twosamples.mcnemar(lost, won)
    return {
        **out,
        "lower": lower,
        "upper": upper,
        "union_lower": float(union[0]),
        "union_upper": float(union[1]),
        "p": p,
        "mid_p": mid_p,
        "design_effect": change,
    }


def design_effect(value: np.ndarray, host: np.ndarray) -> float:
    """Variance of a mean over hosts, over that of independent trials; at least 1.

    Parameters
    ----------
    value : (n,) array
        Of each trial.
    host : (n,) int array
        0 to the number of hosts - 1.
    """
    n, m = value.size, int(host.max()) + 1
    alone = value.var() * n
    if m < 2 or alone <= 0:
        return 1.0
    sums = np.bincount(host, value - value.mean(), m)
    return float(max(1.0, m / (m - 1) * (sums**2).sum() / alone))
