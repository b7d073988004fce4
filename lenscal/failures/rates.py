"""How often negatives are taken for lenses and injections are missed, by class and by bin."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, grid, schema
from lenscal.errors import InputError
from lenscal.kernels import intervals, likeness, recovery

QUANTITIES: Mapping[str, Sequence[float]] = {
    "psfsize_r": config.Grid().psf_fwhm.edges,  # arcsec
    "psfdepth_r": config.Grid().depth.edges,  # AB mag
}
"""Edges of the bins in which false positives are counted."""
TRIAL_QUANTITIES: Mapping[str, Sequence[float]] = {
    "host_mag_r": (16, 17, 18, 19, 20, 21),  # AB mag
    "magnification": (5, 10, 15, 20, 30),
    "beta_fraction": (0.1, 0.2, 0.3, 0.4, 0.6, 1.0),
    "arc_snr": (0, 5, 10, 20, 40, 80),
}
"""Edges of the bins in which missed injections are counted."""
NO_CLASS = "none"
REGION = "region"
"""Group of the rows of each region, in a run that reads both."""
BORROWED = 0.25
"""Weight of a group's other rows in the intra-host correlation of one (a row holds far more
trials than a cell does).
"""
FLOOR = 0.1
"""Completeness below which a cell has collapsed."""
CONSISTENT = 0.01
"""Two-sided probability below which the rates of two splits differ."""
_ENDS = {0.6827: "68", 0.95: "95"}


def false_positives(
    scores: xr.Dataset,
    thresholds: xr.Dataset,
    quantities: Mapping[str, Sequence[float]] = QUANTITIES,
    split: str = "test",
) -> pd.DataFrame:
    """False positives by pool, confuser class and condition.

    The negatives are the scored ones of pools N1 and N2 as sampled. The thresholds were set on the split val, so
    another one tells the rate without the choice.

    Parameters
    ----------
    scores : Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`.
    thresholds : Dataset (threshold)
        As from `scores.thresholds`.
    quantities : mapping
        From variables of the scores to edges of bins, which hold their lower edge; what lies outside has bins of its
        own. Those of the default grid by default: a run with another grid gives its own.
    split : str
        Of the negatives.

    Returns
    -------
    DataFrame
        group, value, threshold, false_positive_rate (nominal), n (negatives), k (at or above the threshold), rate,
        n_effective, lower_68, upper_68, lower_95, upper_95 (Jeffreys; NaN where n is 0). Groups: all, pool, confuser (a
        galaxy of several classes counts in each; "none" for those of no class), nobs_z_bin, type, region in a run of
        both, and the quantities.
    """
    schema.SCORES_CUTOUTS.check(scores)
    table = _negatives(scores, split)
    groups: list[tuple[str, str, np.ndarray]] = [("all", "all", np.ones(len(table), bool))]
    groups += by_name(table, "pool")
    bits = table["confuser"].to_numpy()
    for bit, name in enumerate(schema.CONFUSERS):
        groups.append(("confuser", name, (bits >> bit & 1).astype(bool)))
    groups.append(("confuser", NO_CLASS, bits == 0))
    groups += [*by_name(table, "nobs_z_bin"), *by_name(table, "type")]
    groups += _by_region(table)
    for name, edges in quantities.items():
        if name not in table:
            raise InputError(f"failures: '{name}' is no variable of the scores")
        groups += _by_bin(table, name, edges)
    groups = [group for group in groups if group[0] == "all" or group[2].any()]
    score = table["score"].to_numpy(float)
    rows = []
    for threshold, rate in _thresholds(thresholds):
        found = score >= threshold
        rows += [
            (group, value, threshold, rate, int(rows_.sum()), int((found & rows_).sum()), 1.0)
            for group, value, rows_ in groups
        ]
    return rates(rows)


def missed(
    injections: xr.Dataset,
    scores: xr.Dataset,
    thresholds: xr.Dataset,
    quantities: Mapping[str, Sequence[float]] = TRIAL_QUANTITIES,
) -> pd.DataFrame:
    """Missed injections by cell axis, host type and properties of the arc.

    Rates are of the injections as drawn: each cell of the grid counts alike, whatever sky it has. Hosts carry several
    trials, so the intervals are those of n_effective trials; a row that tells nothing of its hosts' likeness takes that
    of the other rows of its group.

    Parameters
    ----------
    injections, scores : Datasets (theta_e, psf_fwhm, depth, trial)
        As `schema.INJECTIONS` and `schema.SCORES_INJECTIONS`.
    thresholds : Dataset (threshold)
    quantities : mapping
        From variables of the injections to edges of bins.

    Returns
    -------
    DataFrame
        As `false_positives`: n trials with a score, k of them below the threshold. Groups: all, theta_e, psf_fwhm,
        depth, host_type, region in a run of both, and the quantities. Intervals are wider where few hosts tell how
        alike their trials are, and NaN below `recovery.FREEDOM_MIN` of them.
    """
    schema.SCORES_INJECTIONS.check(scores)
    region = [REGION] if REGION in injections.variables else []
    table = _trials(injections, scores, ["host_type", *region, *quantities])
    ids, host = np.unique(table["galaxy_id"].to_numpy(), return_inverse=True)
    hosts = ids.size
    groups: list[tuple[str, str, np.ndarray]] = [("all", "all", np.ones(len(table), bool))]
    for name in schema.CELL:
        values = table[name].to_numpy()
        groups += [
            (name, f"{centre:g}", values == centre) for centre in injections[name].values if (values == centre).any()
        ]
    groups += [*by_name(table, "host_type"), *_by_region(table)]
    for name, edges in quantities.items():
        groups += [group for group in _by_bin(table, name, edges) if group[2].any()]
    score = table["score"].to_numpy(float)
    rows = []
    for threshold, rate in _thresholds(thresholds):
        below = score < threshold
        for name, alike in itertools.groupby(groups, key=lambda group: group[0]):
            chosen = {value: own for _, value, own in alike}
            trials, hits = (
                np.stack([np.bincount(host[own & also], minlength=hosts) for own in chosen.values()])
                for also in (True, below)
            )
            sums = likeness.PairSums(*(part[None] for part in likeness.pair_sums(trials, hits)))
            effect = recovery.design_effect(trials, recovery.correlation(sums, borrowed=BORROWED))
            freedom = float(recovery.hosts_effective(trials.sum(0))) - 1
            rows += [
                (name, value, threshold, rate, int(n), int(k), float(e), freedom)
                for value, n, k, e in zip(chosen, trials.sum(1), hits.sum(1), effect)
            ]
    return rates(rows)


def _thresholds(thresholds: xr.Dataset) -> list[tuple[float, float]]:
    return list(
        zip(
            thresholds["threshold"].values.astype(float).tolist(),
            thresholds["false_positive_rate"].values.astype(float).tolist(),
        )
    )


def _table(scores: xr.Dataset) -> pd.DataFrame:
    names = [name for name in (*schema.GALAXY_COORDS, "cutout_ok", "arc_snr", "score") if name in scores.variables]
    columns = {name: scores[name].values for name in names}
    return pd.DataFrame({name: v.astype(object) if v.dtype.kind in "OTU" else v for name, v in columns.items()})


def is_negative(table: pd.DataFrame) -> pd.Series:
    return (table["label"] == 0) & table["pool"].isin(["N1", "N2"])


def _negatives(scores: xr.Dataset, split: str) -> pd.DataFrame:
    table = _table(scores)
    return table[is_negative(table) & (table["split"] == split) & np.isfinite(table["score"])].reset_index(drop=True)


def _trials(injections: xr.Dataset, scores: xr.Dataset, names: Sequence[str]) -> pd.DataFrame:
    """Scored trials, one row each: cell, trial, galaxy_id, score and the named variables of the injections."""
    if missing := [name for name in names if name not in injections.variables]:
        raise InputError(f"failures: the injections lack {missing}")
    ids = injections["galaxy_id"].transpose(*schema.TRIAL).values
    cells = all(np.array_equal(injections[dim], scores[dim]) for dim in schema.CELL)
    if not cells or not np.array_equal(ids, scores["galaxy_id"].transpose(*schema.TRIAL).values):
        raise InputError("failures: scores and injections have other cells or hosts; open both from one run")
    score = scores["score"].transpose(*schema.TRIAL).values
    good = np.isfinite(score)
    place = np.nonzero(good)
    columns = {dim: scores[dim].values[i] for dim, i in zip(schema.CELL, place)}
    columns |= {"trial": place[3], "galaxy_id": ids[good], "score": score[good]}
    for name in names:
        values = injections[name].transpose(*schema.TRIAL).values[good]
        columns[name] = values.astype(object) if values.dtype.kind in "OTU" else values
    return pd.DataFrame(columns)


def by_name(table: pd.DataFrame, name: str) -> list[tuple[str, str, np.ndarray]]:
    values = table[name].to_numpy().astype(str)
    return [(name, value or NO_CLASS, values == value) for value in sorted(set(values.tolist()))]


def _by_region(table: pd.DataFrame) -> list[tuple[str, str, np.ndarray]]:
    """Rows of each region, where they have one: in a run of both."""
    return [group for group in by_name(table, REGION) if group[1] != NO_CLASS] if REGION in table else []


def _by_bin(table: pd.DataFrame, name: str, edges: Sequence[float]) -> list[tuple[str, str, np.ndarray]]:
    values, edges = table[name].to_numpy(float), np.asarray(edges, float)
    place = np.where(np.isfinite(values), grid.place(edges, values) + 1, -1)  # 0 is what lies below
    labels = [
        f"< {edges[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)),
        f">= {edges[-1]:g}",
    ]
    return [(name, label, place == i) for i, label in enumerate(labels)] + [(name, "not measured", place == -1)]


def rates(rows: list[tuple]) -> pd.DataFrame:
    names = ("group", "value", "threshold", "false_positive_rate", "n", "k", "effect", "freedom")
    table = pd.DataFrame([(*row, np.inf)[:8] for row in rows], columns=names)
    n, k, effect, freedom = (table[name].to_numpy(float) for name in ("n", "k", "effect", "freedom"))
    share = np.divide(k, n, out=np.full(n.shape, np.nan), where=n > 0)
    effect = np.where(n > 0, effect, 1)
    table = table.drop(columns=["effect", "freedom"]).assign(rate=share, n_effective=np.where(n > 0, n / effect, 0.0))
    for level, end in _ENDS.items():
        wide = recovery.widened(effect, np.minimum(freedom, 1e9), level)
        effective = np.where((n > 0) & (freedom >= recovery.FREEDOM_MIN), n / wide, 0.0)  # too few hosts: no interval
        # k = n must stay so, whatever the rounding of the division
        table[f"lower_{end}"], table[f"upper_{end}"] = intervals.interval(
            np.where(k == n, effective, effective * np.nan_to_num(share)), effective, level
        )
    return table.astype({"group": "string[pyarrow]", "value": "string[pyarrow]", "n": "int64", "k": "int64"})
