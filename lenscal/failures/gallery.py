"""The worst cases of each kind, for looking at."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema

from .rates import _table, _trials, is_negative

WHERE = ("ra", "dec", "psfsize_r", "psfdepth_r")


def gallery(scores_cutouts: xr.Dataset, injections: xr.Dataset, scores: xr.Dataset, n: int) -> pd.DataFrame:
    """The worst failures to look at, `n` of each kind at most; none that was trained on.

    Parameters
    ----------
    scores_cutouts : Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`.
    injections, scores : Datasets (theta_e, psf_fwhm, depth, trial)
        As `schema.INJECTIONS` and `schema.SCORES_INJECTIONS`.
    n : int

    Returns
    -------
    DataFrame
        kind, number (1, 2, ... of its kind), galaxy_id (of the host for an injection), ra, dec [degree], psfsize_r
        [arcsec] and psfdepth_r [AB mag] of that galaxy, theta_e, psf_fwhm, depth (NaN for a cutout), trial (-1 for a
        cutout), score, about. Kinds: "false positive" (highest scores of negatives), "missed lens" (lowest of known
        lenses), "missed injection" (lowest of injections, one of a host, as many of each theta_e as there is room for:
        one host or the narrowest arcs would fill it else).
    """
    schema.SCORES_CUTOUTS.check(scores_cutouts)
    table = _table(scores_cutouts)
    table = table[(table["split"] != "train") & np.isfinite(table["score"])]
    negative = is_negative(table)
    worst = table[negative].sort_values(["score", "galaxy_id"], ascending=[False, True])[:n]
    lenses = table[table["label"] == 1].sort_values(["score", "galaxy_id"])[:n]
    classes = [
        ", ".join(name for bit, name in enumerate(schema.CONFUSERS) if bits >> bit & 1) for bits in worst["confuser"]
    ]
    cutouts = pd.concat(
        [
            worst.assign(kind="false positive", about=[text or pool for text, pool in zip(classes, worst["pool"])]),
            lenses.assign(kind="missed lens", about=[f"tier {tier}" if tier else "" for tier in lenses["tier"]]),
        ]
    ).assign(theta_e=np.nan, psf_fwhm=np.nan, depth=np.nan, trial=-1)
    trials = _trials(injections, scores, ["arc_snr", "host_type"])
    trials = _spread(trials.sort_values(["score", *schema.CELL, "trial"], ignore_index=True), n)
    about = [f"arc_snr {snr:.3g}, host {type_}" for snr, type_ in zip(trials["arc_snr"], trials["host_type"])]
    trials = trials.assign(kind="missed injection", about=about)
    names = ["kind", "galaxy_id", *schema.CELL, "trial", "score", "about"]
    found = pd.concat([cutouts[names], trials[names]], ignore_index=True)
    found.insert(1, "number", found.groupby("kind", sort=False).cumcount() + 1)
    places = _table(scores_cutouts).set_index("galaxy_id")
    for at, name in enumerate(WHERE, 3):
        found.insert(at, name, found["galaxy_id"].map(places[name]).astype("float64"))
    types = {
        "number": "int64",
        "kind": "string[pyarrow]",
        "about": "string[pyarrow]",
        "galaxy_id": "int64",
        "trial": "int64",
        "score": "float64",
    }
    return found.astype(types | dict.fromkeys(schema.CELL, "float64"))


def _spread(trials: pd.DataFrame, n: int) -> pd.DataFrame:
    """Of trials in order, the first of each theta_e in turn, each host once, until there are n."""
    waiting = [iter(rows) for rows in trials.groupby("theta_e", sort=False).groups.values()]
    hosts, chosen, used = trials["galaxy_id"].to_numpy(), [], set()
    while waiting and len(chosen) < n:
        for rows in list(waiting):
            row = next((row for row in rows if hosts[row] not in used), None)
            if row is None:
                waiting.remove(rows)
            else:
                chosen.append(row)
                used.add(hosts[row])
    return trials.iloc[chosen[:n]]
