"""Failures: what is taken for a lens, which lenses are missed, and where completeness collapses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import betainc, ndtr
from scipy.stats import betabinom, false_discovery_control

from lenscal import config, grid, schema
from lenscal.errors import InputError
from lenscal.gates import Gate, absent
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
BORROWED = 0.25
"""Weight of a group's other rows in the intra-host correlation of one (a row holds far more
trials than a cell does).
"""
FLOOR = 0.1
"""Completeness below which a cell has collapsed."""
DROP = 0.1
"""How far below the lower of its neighbours a cell must lie."""
FALSE_DISCOVERY_RATE = 0.05
"""Share of the collapsed cells that may be none."""
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
        galaxy of several classes counts in each; "none" for those of no class), nobs_z_bin, type, and the quantities.
    """
    schema.SCORES_CUTOUTS.check(scores)
    table = _negatives(scores, split)
    groups: list[tuple[str, str, np.ndarray]] = [("all", "all", np.ones(len(table), bool))]
    groups += _by_name(table, "pool")
    bits = table["confuser"].to_numpy()
    for bit, name in enumerate(schema.CONFUSERS):
        groups.append(("confuser", name, (bits >> bit & 1).astype(bool)))
    groups.append(("confuser", NO_CLASS, bits == 0))
    groups += [*_by_name(table, "nobs_z_bin"), *_by_name(table, "type")]
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
    return _rates(rows)


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
        depth, host_type, and the quantities. Intervals are wider where few hosts tell how alike their trials are, and
        NaN below `recovery.FREEDOM_MIN` of them.
    """
    schema.SCORES_INJECTIONS.check(scores)
    table = _trials(injections, scores, ["host_type", *quantities])
    ids, host = np.unique(table["galaxy_id"].to_numpy(), return_inverse=True)
    hosts = ids.size
    groups: list[tuple[str, str, np.ndarray]] = [("all", "all", np.ones(len(table), bool))]
    for name in schema.CELL:
        values = table[name].to_numpy()
        groups += [
            (name, f"{centre:g}", values == centre) for centre in injections[name].values if (values == centre).any()
        ]
    groups += _by_name(table, "host_type")
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
    return _rates(rows)


def missed_lenses(scores: xr.Dataset, thresholds: xr.Dataset) -> pd.DataFrame:
    """Known lenses that were held out of the training and are not recovered.

    Parameters
    ----------
    scores : Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`.
    thresholds : Dataset (threshold)

    Returns
    -------
    DataFrame
        threshold, false_positive_rate, galaxy_id, ra, dec, split, tier, psfsize_r, psfdepth_r, mag_r, arc_snr, score,
        and reason: "below the threshold" or "not scored" (no usable cutout); sorted by threshold, then galaxy_id.
    """
    schema.SCORES_CUTOUTS.check(scores)
    lenses = _held_out_lenses(scores)
    names = ["galaxy_id", "ra", "dec", "split", "tier", "psfsize_r", "psfdepth_r", "mag_r", "arc_snr", "score"]
    parts = []
    for threshold, rate in _thresholds(thresholds):
        lost = lenses[~(lenses["score"].to_numpy(float) >= threshold)].sort_values("galaxy_id")[names]
        reason = np.where(np.isfinite(lost["score"]), "below the threshold", "not scored")
        lost.insert(0, "threshold", threshold)
        lost.insert(1, "false_positive_rate", rate)
        parts.append(lost.assign(reason=pd.array(reason, "string[pyarrow]")))
    return pd.concat(parts, ignore_index=True).astype({"split": "string[pyarrow]", "tier": "string[pyarrow]"})


def recovered(scores: xr.Dataset, thresholds: xr.Dataset) -> pd.DataFrame:
    """Known lenses held out of the training, by tier and split: n scored, k recovered; columns
    as in `false_positives`.
    """
    schema.SCORES_CUTOUTS.check(scores)
    lenses = _held_out_lenses(scores)
    lenses = lenses[np.isfinite(lenses["score"])]
    groups = [("all", "all", np.ones(len(lenses), bool)), *_by_name(lenses, "tier"), *_by_name(lenses, "split")]
    score = lenses["score"].to_numpy(float)
    rows = []
    for threshold, rate in _thresholds(thresholds):
        rows += [
            (group, value, threshold, rate, int(own.sum()), int((own & (score >= threshold)).sum()), 1.0)
            for group, value, own in groups
        ]
    return _rates(rows)


def collapsed(completeness: xr.Dataset) -> pd.DataFrame:
    """Cells where completeness collapses: surely below `FLOOR`, or surely more than `DROP` below their neighbours.

    A cell is compared with the lower of the two neighbours on opposite sides, in the mean over the axes that have both:
    where completeness rises or falls along an axis, however steeply, that neighbour is below the cell, and nothing
    collapses. The probability that a cell at the limit has so few detections is that of its posterior at `FLOOR`, and
    for the neighbours a normal one with the variance *at the limit* (the variance at its own share would be too small
    for a cell that is low by chance). The list is held to a false-discovery rate (Benjamini & Hochberg 1995) over all
    cells of a threshold and reason. Cells that are not sufficient are neither judged nor neighbours.

    Parameters
    ----------
    completeness : Dataset
        As `schema.COMPLETENESS`.

    Returns
    -------
    DataFrame
        theta_e, psf_fwhm, depth, threshold, false_positive_rate, reason ("low" or "below its neighbours"), n, k,
        completeness (median), expected (`FLOOR`, or the neighbours' mean), limit (what the cell is surely below),
        p_value and q_value.
    """
    cube = completeness
    cell = (*schema.CELL, "threshold")
    effect, detected, middle = (
        array.transpose(*cell).values
        for array in (
            cube["design_effect"],
            cube["n_detected"],
            cube["completeness"].sel(quantile=0.5, method="nearest"),
        )
    )
    n = np.broadcast_to(cube["n_injected"].transpose(*schema.CELL).values[..., None], effect.shape)
    sufficient = n > 0
    if "sufficient" in cube:
        sufficient = sufficient & cube["sufficient"].transpose(*schema.CELL).values.astype(bool)[..., None]
    trials = np.where(sufficient, n / effect, np.nan)
    share = np.divide(detected, n, out=np.full(effect.shape, np.nan), where=sufficient)
    if "fraction_detected" in cube:  # of the cube's population of hosts: its trials weigh unequally
        share = np.where(sufficient, cube["fraction_detected"].transpose(*cell).values, np.nan)
    a, b = intervals.shapes(share * trials, trials, cube.attrs["binomial_prior"])
    around, lower, error = _neighbours(share, a * b / (a + b) ** 2 / trials)
    limit = np.clip(lower - DROP, 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = ndtr((share - limit) / np.sqrt(limit * (1 - limit) / trials + error))
    tests = {
        "low": (np.full(share.shape, FLOOR), np.full(share.shape, FLOOR), 1 - betainc(a, b, FLOOR)),
        "below its neighbours": (around, limit, np.where(lower > DROP, below, np.where(np.isnan(lower), np.nan, 1.0))),
    }
    parts = []
    rates = cube["false_positive_rate"].values
    for t, threshold in enumerate(cube["threshold"].values):
        for reason, (expected, surely, probability) in tests.items():
            place = np.nonzero(np.isfinite(probability[..., t]))
            p_value = probability[..., t][place]
            q_value = false_discovery_control(p_value) if p_value.size else p_value
            columns = {dim: cube[dim].values[i] for dim, i in zip(schema.CELL, place)}
            columns |= {"threshold": float(threshold), "false_positive_rate": float(rates[t]), "reason": reason}
            arrays = {"n": n, "k": detected, "completeness": middle, "expected": expected, "limit": surely}
            columns |= {name: array[..., t][place] for name, array in arrays.items()}
            table = pd.DataFrame(columns | {"p_value": p_value, "q_value": q_value})
            parts.append(table[table["q_value"] <= FALSE_DISCOVERY_RATE])
    return pd.concat(parts, ignore_index=True).astype({"reason": "string[pyarrow]"})


def _neighbours(share: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the neighbours on opposite sides, of the lower one of each two, and the variance of that: over the axes
    that have both, NaN without any.
    """
    total, low, error, pairs = (np.zeros(share.shape) for _ in range(4))
    for axis in range(3):
        count = share.shape[axis]
        if count < 3:
            continue
        inner = [slice(None)] * 4
        inner[axis] = slice(1, -1)
        inner = tuple(inner)
        left, right = np.take(share, range(count - 2), axis), np.take(share, range(2, count), axis)
        spread = np.where(
            left <= right, np.take(variance, range(count - 2), axis), np.take(variance, range(2, count), axis)
        )
        there = np.isfinite(left) & np.isfinite(right)
        total[inner] += np.where(there, (left + right) / 2, 0)
        low[inner] += np.where(there, np.minimum(left, right), 0)
        error[inner] += np.where(there, spread, 0)
        pairs[inner] += there
    pairs[pairs == 0] = np.nan
    return total / pairs, low / pairs, error / pairs**2


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
        kind, galaxy_id (of the host for an injection), theta_e, psf_fwhm, depth (NaN for a cutout), trial (-1 for a
        cutout), score, about. Kinds: "false positive" (highest scores of negatives), "missed lens" (lowest of known
        lenses), "missed injection" (lowest of injections, one of a host, as many of each theta_e as there is room for:
        one host or the narrowest arcs would fill it else).
    """
    schema.SCORES_CUTOUTS.check(scores_cutouts)
    table = _table(scores_cutouts)
    table = table[(table["split"] != "train") & np.isfinite(table["score"])]
    negative = _is_negative(table)
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
    types = {
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


def gates(scores: xr.Dataset, thresholds: xr.Dataset, table: pd.DataFrame) -> list[Gate]:
    """What must hold of the false positives.

    Parameters
    ----------
    scores : Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`.
    thresholds : Dataset (threshold)
        With n_false and n_negatives.
    table : DataFrame
        As from `false_positives` on the split test.
    """
    schema.SCORES_CUTOUTS.check(scores)
    negatives = _negatives(scores, "test")
    return [_class_gate(negatives, thresholds, table), *_rate_gates(len(negatives), thresholds, table)]


def _class_gate(negatives: pd.DataFrame, thresholds: xr.Dataset, table: pd.DataFrame) -> Gate:
    claim = "every confuser class among the negatives of the test split has its count"
    present = {
        name: int((negatives["confuser"].to_numpy() >> bit & 1).sum()) for bit, name in enumerate(schema.CONFUSERS)
    }
    present = {name: rows for name, rows in present.items() if rows}
    if not present:
        return absent(
            "failures.classes",
            claim,
            f"none of the {len(negatives)} scored negatives of the split test is of a confuser class",
        )
    counted = table[table["group"] == "confuser"]
    wrong = 0
    for name, rows in present.items():
        own = counted[counted["value"] == name]
        sound = (own["n"] == rows) & (own["k"] >= 0) & (own["k"] <= own["n"])
        wrong += int(len(own) != thresholds.sizes["threshold"] or not sound.all())
    return Gate(
        "failures.classes",
        claim,
        "classes without",
        wrong,
        maximum=0,
        critical=True,
        evidence="false_positives where group = 'confuser'; "
        + ", ".join(f"{name} {rows}" for name, rows in present.items()),
    )


def _rate_gates(size: int, thresholds: xr.Dataset, table: pd.DataFrame) -> Iterator[Gate]:
    overall = table[table["group"] == "all"].reset_index(drop=True)
    for i, (_, rate) in enumerate(_thresholds(thresholds)):
        id_ = "failures.rate" if thresholds.sizes["threshold"] == 1 else f"failures.rate.{i + 1}"
        claim = f"negatives of the test split reach the threshold as often as those that set it (rate {rate:.3g})"
        if not size:
            yield absent(id_, claim, "the split test holds no scored negative")
            continue
        row = overall.loc[i]
        false, negatives = int(thresholds["n_false"][i]), int(thresholds["n_negatives"][i])
        yield Gate(
            id_,
            claim,
            "two-sided probability of so many or few false positives",
            _probability(int(row["k"]), int(row["n"]), false, negatives),
            minimum=CONSISTENT,
            lower=float(row["lower_95"]),
            upper=float(row["upper_95"]),
            evidence=(
                f"test: {row['k']} of {row['n']}, rate {row['rate']:.3g} ({row['lower_95']:.2g} to "
                f"{row['upper_95']:.2g} at 95 %); val: {false} of {negatives}; beta-binomial "
                "prediction from a threshold set there"
            ),
        )


def _probability(k: int, n: int, false: int, negatives: int) -> float:
    """Twice the smaller tail of k in the prediction for n from another sample, whose `false`-th
    highest is the threshold.
    """
    prediction = betabinom(n, *(float(x) for x in intervals.above_order_statistic(false, negatives)))
    return float(min(1.0, 2 * min(prediction.cdf(k), prediction.sf(k - 1))))


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


def _is_negative(table: pd.DataFrame) -> pd.Series:
    return (table["label"] == 0) & table["pool"].isin(["N1", "N2"])


def _negatives(scores: xr.Dataset, split: str) -> pd.DataFrame:
    table = _table(scores)
    return table[_is_negative(table) & (table["split"] == split) & np.isfinite(table["score"])].reset_index(drop=True)


def _held_out_lenses(scores: xr.Dataset) -> pd.DataFrame:
    table = _table(scores)
    return table[(table["label"] == 1) & (table["split"] != "train")].reset_index(drop=True)


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


def _by_name(table: pd.DataFrame, name: str) -> list[tuple[str, str, np.ndarray]]:
    values = table[name].to_numpy().astype(str)
    return [(name, value or NO_CLASS, values == value) for value in sorted(set(values.tolist()))]


def _by_bin(table: pd.DataFrame, name: str, edges: Sequence[float]) -> list[tuple[str, str, np.ndarray]]:
    values, edges = table[name].to_numpy(float), np.asarray(edges, float)
    place = np.where(np.isfinite(values), grid.place(edges, values) + 1, -1)  # 0 is what lies below
    labels = [
        f"< {edges[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)),
        f">= {edges[-1]:g}",
    ]
    return [(name, label, place == i) for i, label in enumerate(labels)] + [(name, "not measured", place == -1)]


def _rates(rows: list[tuple]) -> pd.DataFrame:
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
