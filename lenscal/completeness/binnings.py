"""Whether completeness depends on how the number of exposures is binned (requirement 5.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.errors import InputError
from lenscal.gates import Gate, absent

ALL = "one bin"
BINNINGS: Mapping[str, Sequence[int]] = {
    ALL: (1,),
    "as sampled": tuple(low for low, _, _ in schema.NOBS_BINS),
    "few or many": (1, 6),
    "by two": tuple(range(1, 20, 2)),
}
"""First number of exposures of each bin; the last bin has no end."""
CLAIM = "completeness does not depend on how the exposures in z are binned"
_COLUMNS = ("binning", "bin", "hosts", "share", "n_injected", "n_detected", "completeness", "mean", "deviation")


def by_exposures(trials: pd.DataFrame, hosts: pd.DataFrame, found: str, weight: str | None = None) -> pd.DataFrame:
    """Completeness in bins of the exposures in z, and its mean over the hosts, for several binnings.

    Every trial counts alike but for its weight, all cells together. The mean of a binning weighs each bin by the hosts
    that could have taken injections: where trials are spread over exposures as hosts are, or completeness does not
    depend on them, it is the same whatever the bins.

    Parameters
    ----------
    trials : DataFrame
        galaxy_id and the column `found` (1, 0, NaN), as from `found_missed`.
    hosts : DataFrame
        galaxy_id and nobs_z of every host that could have taken injections, and its density where `weight` is given.
    found : str
    weight : str, optional
        Column of the trials with the weight of the host in the population that is meant, and of the hosts with its
        density there.

    Returns
    -------
    DataFrame, one row a binning and bin
        binning, bin (first number of exposures), hosts, share (of the hosts, by density), n_injected, n_detected,
        completeness (NaN without a trial), mean (of the binning, over bins with trials) and its deviation, one sigma,
        hosts the units.

    Raises
    ------
    InputError
        A host of a trial is not among the hosts, or no trial has a score.
    """
    exposures = hosts.set_index("galaxy_id")["nobs_z"]
    rows = trials[trials[found].notna()]
    if rows.empty:
        raise InputError("completeness: no trial has a score, so none can be binned by exposures")
    if lost := int((~rows["galaxy_id"].isin(exposures.index)).sum()):
        raise InputError(f"completeness: {lost} trials have a host without nobs_z; open both from one run")
    seen = exposures.loc[rows["galaxy_id"]].to_numpy(np.int64)
    hit = rows[found].to_numpy(float)
    w = np.ones(len(rows)) if weight is None else np.nan_to_num(rows[weight].to_numpy(float))
    density = np.ones(len(hosts)) if weight is None else np.nan_to_num(hosts[weight].to_numpy(float))
    parts = []
    for name, starts in BINNINGS.items():
        place, pool = (
            np.clip(np.searchsorted(starts, values, "right") - 1, 0, None)
            for values in (seen, hosts["nobs_z"].to_numpy(np.int64))
        )
        size = len(starts)
        total, good = np.bincount(place, w, size), np.bincount(place, w * hit, size)
        share = np.bincount(pool, density, size) / density.sum()
        own = np.divide(good, total, out=np.full(size, np.nan), where=total > 0)
        used = np.where(total > 0, share, 0.0) / share[total > 0].sum()
        residual = (used / np.where(total > 0, total, 1.0))[place] * w * (hit - own[place])
        alike = pd.Series(residual).groupby(rows["galaxy_id"].to_numpy()).sum()
        table = {
            "binning": name,
            "bin": starts,
            "hosts": np.bincount(pool, minlength=size),
            "share": share,
            "n_injected": np.bincount(place, minlength=size),
            "n_detected": np.bincount(place, hit, size).astype(np.int64),
            "completeness": own,
            "mean": float(np.nansum(used * own)),
            "deviation": float(np.sqrt(np.square(alike).sum() * len(alike) / max(len(alike) - 1, 1))),
        }
        parts.append(pd.DataFrame(table))
    out = pd.concat(parts, ignore_index=True)[list(_COLUMNS)]
    return out[(out["hosts"] > 0) | (out["n_injected"] > 0)].reset_index(drop=True)


def gate(table: pd.DataFrame | None) -> Gate:
    """Whether the mean completeness is the same whatever the bins; None where no host has exposures."""
    if table is None:
        return absent("5.8", CLAIM, "the hosts of this run carry no exposures (stamps without a catalogue)")
    means = table.drop_duplicates("binning").set_index("binning")
    away = (means["mean"] - means.loc[ALL, "mean"]).abs()
    deviation = float(means["deviation"].max())
    worst = str(away.idxmax())
    empty = table[(table["n_injected"] == 0) & (table["share"] > 0)].groupby("binning")["share"].sum()
    bare = float(empty.max()) if len(empty) else 0.0
    return Gate(
        "5.8",
        CLAIM,
        "largest change of the mean, in standard errors",
        float(away.max() / deviation) if deviation > 0 else 0.0 if not away.max() > 0 else np.inf,
        maximum=1.0,
        requirement="5.8",
        evidence=(
            f"mean {means.loc[ALL, 'mean']:.3f} in one bin; farthest '{worst}' with {means.loc[worst, 'mean']:.3f}; "
            f"one sigma {deviation:.3f}; hosts in bins without a trial: at most {bare:.1%}"
        ),
        cannot="" if deviation > 0 else "all or none of the trials are found, so there is no error to judge by",
    )
