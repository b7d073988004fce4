"""The tables of the page, each made from the products of the run by one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.gates import FAIL, NOT_JUDGED
from lenscal.kernels import intervals
from lenscal.report.inputs import Inputs

LEVEL = schema.LEVELS[0]
JUDGED = ("val", "test", "none")
"""Splits the detector was not trained on (none: rows without a position)."""


@dataclass(frozen=True)
class Summary:
    """A table: how it is made, and from which stores."""

    make: Callable[[Inputs], pd.DataFrame | None]
    stores: str
    title: str


SUMMARIES: dict[str, Summary] = {}


def _summary(stores: str, title: str) -> Callable:
    def register(make: Callable[[Inputs], pd.DataFrame | None]) -> Callable:
        SUMMARIES[make.__name__] = Summary(make, stores, title)
        return make

    return register


def share(group: str, value: str, hits: np.ndarray) -> dict:
    """One row: how many of these reached the threshold, and the 68.27 % interval of the share (Beta
    posterior, Jeffreys prior).
    """
    n, k = int(hits.size), int(hits.sum())
    lower, upper = (float(end) for end in intervals.interval(k, n, LEVEL))
    return {
        "group": group,
        "value": value,
        "n": n,
        "k": k,
        "rate": k / n if n else np.nan,
        "lower_68": lower,
        "upper_68": upper,
    }


def scored(inputs: Inputs) -> pd.DataFrame:
    """One row per cutout: score, pool, tier, class, split, role, label, and the channel of the manifest."""
    names = (
        "galaxy_id",
        "ra",
        "dec",
        "split",
        "pool",
        "tier",
        "role",
        "label",
        "confuser_class",
        "cutout_ok",
        "arc_snr",
        "score",
    )
    values = {name: inputs.scores_cutouts[name].values for name in names}
    table = pd.DataFrame({name: v.astype(object) if v.dtype.kind in "OTU" else v for name, v in values.items()})
    channel = inputs.manifest.set_index("galaxy_id")["channel"].astype(object)
    return table.assign(channel=table["galaxy_id"].map(channel))


def headline(inputs: Inputs) -> tuple[float, float]:
    """PSF and depth [arcsec, mag] the page speaks of first.

    The depth of the run file (`report.depth`), else the middle one; the PSF with the most sufficient cells at that
    depth, then the most hosts, then the sharpest.
    """
    cube = inputs.completeness
    depths = cube["depth"].values
    wanted = inputs.settings.report.depth
    depth = depths[len(depths) // 2] if wanted is None else depths[np.argmin(np.abs(depths - wanted))]
    layer = cube.sel(depth=depth)
    enough = layer["sufficient"].transpose("theta_e", "psf_fwhm").values.sum(0)
    order = np.lexsort((-layer["host_pool"].values, -enough))
    return float(cube["psf_fwhm"].values[order[0]]), float(depth)


def warning(inputs: Inputs) -> str:
    """One line for figures of completeness: empty where injections are recovered as real lenses
    are, or nothing was said.
    """
    verdict, words = (str(inputs.completeness.attrs.get(name, "")) for name in ("recovery_verdict", "recovery"))
    return f"{words}. These numbers are not those of real lenses." if verdict == "NO-GO" else ""


@_summary("manifest", "Galaxies by pool and split")
def galaxies(inputs: Inputs) -> pd.DataFrame:
    table = inputs.manifest
    splits = [s for s in schema.SPLITS if (table["split"] == s).any() or s != "none"]
    rows = []
    for pool in schema.POOLS:
        part = table[table["pool"] == pool]
        if pool != "control" or len(part):
            rows.append({"pool": pool, **{s: int((part["split"] == s).sum()) for s in splits}, "all": len(part)})
    total = pd.DataFrame(rows)
    return pd.concat(
        [total, pd.DataFrame([{"pool": "all", **total.drop(columns="pool").sum().to_dict()}])], ignore_index=True
    )


@_summary("manifest", "Negatives of pool N2 by the class they were drawn for")
def confusers(inputs: Inputs) -> pd.DataFrame:
    table = inputs.manifest[inputs.manifest["pool"] == "N2"]
    kinds = [*schema.CONFUSERS, *(["(none named)"] if (table["confuser_class"] == "").any() else [])]
    named = table["confuser_class"].astype(object).replace("", "(none named)")
    return pd.DataFrame(
        [
            {
                "class": k,
                **{s: int(((named == k) & (table["split"] == s)).sum()) for s in schema.SPLITS[:3]},
                "all": int((named == k).sum()),
            }
            for k in kinds
        ]
    )


@_summary("objects/lenses, objects/matches", "Lenses of the catalogues by tier")
def lenses(inputs: Inputs) -> pd.DataFrame | None:
    if inputs.lenses is None:
        return None
    table = inputs.lenses
    found = set()
    if inputs.matches is not None:
        found = set(inputs.matches.loc[inputs.matches["galaxy_id"] >= 0, "lens_id"])
    sample = inputs.manifest.loc[inputs.manifest["pool"] == "positive"]
    rows = []
    for tier in [t for t in schema.TIERS if t]:
        part = table[table["tier"] == tier]
        here = sample["tier"] == tier
        rows.append(
            {
                "tier": tier,
                "systems": len(part),
                "imaging_candidate": int(part["imaging_candidate"].sum()),
                "matched": int(part["lens_id"].isin(found).sum()),
                "in_sample": int(here.sum()),
                "anchors": int((here & (sample["role"] == "anchor")).sum()),
                "trained": int((here & (sample["role"] == "train")).sum()),
            }
        )
    return pd.DataFrame(rows)


@_summary("objects/matches", "Lenses and survey objects")
def matching(inputs: Inputs) -> pd.DataFrame | None:
    if inputs.matches is None:
        return None
    counts = inputs.matches["reason"].astype(object).value_counts()
    return pd.DataFrame({"reason": sorted(counts.index), "systems": [int(counts[r]) for r in sorted(counts.index)]})


@_summary("objects/contaminants", "Catalogued look-alikes by category")
def contaminants(inputs: Inputs) -> pd.DataFrame | None:
    if inputs.contaminants is None or inputs.contaminants.empty:
        return None
    table = inputs.contaminants
    rows = [
        {"category": c, "objects": len(p), "matched": int((p["galaxy_id"] >= 0).sum())}
        for c, p in table.groupby("category")
    ]
    return pd.DataFrame(rows)


@_summary("manifest-notes/waterfall", "Rows after each filter")
def waterfall(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.waterfall


@_summary("manifest-notes/strata", "Strata: bin of exposures in z, and Tractor type")
def strata(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.strata


@_summary("manifest-notes/balance", "What each split is made of")
def balance(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.balance


@_summary("quality", "Cutouts fit for use, and not, by the first reason that holds")
def reasons(inputs: Inputs) -> pd.DataFrame:
    ok = inputs.quality["cutout_ok"].values.astype(bool)
    found = pd.Series(inputs.quality["reason"].values.astype(object))[~ok].value_counts()
    rows = [{"reason": r, "rows": int(found[r]), "share": found[r] / ok.size} for r in sorted(found.index)]
    return pd.DataFrame([{"reason": "fit for use", "rows": int(ok.sum()), "share": float(ok.mean())}, *rows])


@_summary("quality", "Noise of the cutouts fit for use")
def noise(inputs: Inputs) -> pd.DataFrame:
    good = inputs.quality.isel(galaxy=np.flatnonzero(inputs.quality["cutout_ok"].values))
    rows = []
    for band in good["band"].values:
        part = good.sel(band=band)
        ratio = part["sigma"].values.astype(float) ** 2 * part["sky_invvar"].values
        rows.append(
            {
                "band": str(band),
                "sigma": _median(part["sigma"].values),
                "sigma2_invvar": _median(ratio),
                "noise_correlation": _median(part["noise_correlation"].values),
            }
        )
    return pd.DataFrame(rows)


def _median(values: np.ndarray) -> float:
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else float("nan")


@_summary("detector/history", "Training, epoch by epoch")
def history(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.history


@_summary("scores/thresholds", "Thresholds set on the validation negatives")
def thresholds(inputs: Inputs) -> pd.DataFrame:
    data = inputs.thresholds
    one = data.sel(level=LEVEL, method="nearest")
    return pd.DataFrame(
        {
            "rate_requested": data["rate_requested"].values,
            "threshold": data["threshold"].values,
            "n": data["n_negatives"].values,
            "k": data["n_false"].values,
            "rate": data["false_positive_rate"].values,
            "lower_68": one["lower"].values,
            "upper_68": one["upper"].values,
        }
    )


@_summary("injections", "Injections: medians and the central 80 %")
def trials(inputs: Inputs) -> pd.DataFrame:
    good = inputs.injections["failure"].values == ""
    rows = []
    for name in (
        "theta_e_drawn",
        "magnification",
        "beta_fraction",
        "arc_snr",
        "r_e",
        "n",
        "q",
        "source_mag_r",
        "host_mag_r",
    ):
        values = inputs.injections[name].values[good].astype(float)
        values = values[np.isfinite(values)]
        low, mid, high = np.percentile(values, [10, 50, 90]) if values.size else (np.nan,) * 3
        about = schema.INJECTIONS.variables[name]
        rows.append(
            {
                "quantity": about.about,
                "unit": about.units.replace("1", ""),
                "trials": int(values.size),
                "p10": low,
                "p50": mid,
                "p90": high,
            }
        )
    return pd.DataFrame(rows)


@_summary("completeness", "Cells of the grid by status")
def statuses(inputs: Inputs) -> pd.DataFrame:
    status = inputs.completeness["status"].values.astype(object)
    injected = inputs.completeness["n_injected"].transpose(*inputs.completeness["status"].dims).values
    return pd.DataFrame(
        [
            {"status": s, "cells": int((status == s).sum()), "injections": int(injected[status == s].sum())}
            for s in ("sufficient", "insufficient", "no data")
        ]
    )


@_summary("completeness", "Completeness, cell by cell")
def completeness(inputs: Inputs) -> pd.DataFrame:
    cube = inputs.completeness.transpose(
        "theta_e", "psf_fwhm", "depth", "threshold", "quantile", "level", ..., missing_dims="ignore"
    )
    flat = xr_frame(cube[["n_injected", "n_failed", "n_hosts", "n_detected", "n_effective", "status"]])
    flat["median"] = cube["completeness"].sel(quantile=0.5).values.ravel()
    for level in cube["level"].values:
        for end in ("lower", "upper"):
            flat[f"{end}_{100 * level:.0f}"] = cube[end].sel(level=level).values.ravel()
    if "total_lower" in cube:
        for level in cube["level"].values:
            for end in ("lower", "upper"):
                flat[f"total_{end}_{100 * level:.0f}"] = cube[f"total_{end}"].sel(level=level).values.ravel()
    return flat


@_summary("completeness", "Completeness at the headline PSF and depth, by population of hosts, with its error budget")
def budget(inputs: Inputs) -> pd.DataFrame | None:
    cube = inputs.populations
    if cube is None or "total_lower" not in cube:
        return None
    psf, depth = headline(inputs)
    level = float(cube["level"].values[np.argmin(np.abs(cube["level"].values - LEVEL))])
    rows = []
    for name in cube["population"].values:
        for theta_e in cube["theta_e"].values:
            one = cube.sel(population=name, psf_fwhm=psf, depth=depth, theta_e=theta_e).isel(threshold=0)
            row = {
                "population": str(name),
                "theta_e": float(theta_e),
                "median": float(one["completeness"].sel(quantile=0.5)),
            }
            row |= {f"{end}_68": float(one[end].sel(level=level)) for end in ("lower", "upper")}
            for cause in cube["cause"].values:
                row[str(cause)] = (
                    f"−{float(one['systematic_lower'].sel(cause=cause)):.2f} "
                    f"+{float(one['systematic_upper'].sel(cause=cause)):.2f}"
                )
            row |= {f"total_{end}_68": float(one[f"total_{end}"].sel(level=level)) for end in ("lower", "upper")}
            rows.append(
                {
                    **row,
                    "n_effective": float(one["n_effective"]),
                    "hosts_effective": float(one["hosts_effective"]),
                    "status": str(one["status"].values),
                }
            )
    return pd.DataFrame(rows)


def xr_frame(cube: object) -> pd.DataFrame:
    """One row per (theta_e, psf_fwhm, depth, threshold), broadcast where a variable has no threshold."""
    dims = ("theta_e", "psf_fwhm", "depth", "threshold")
    like = cube["n_detected"].transpose(*dims)
    axes = np.meshgrid(*[like[d].values for d in dims], indexing="ij")
    out = pd.DataFrame({d: axis.ravel() for d, axis in zip(dims, axes)})
    rate = np.broadcast_to(like["false_positive_rate"].values, like.shape)
    out.insert(4, "false_positive_rate", rate.ravel())
    for name in cube.data_vars:
        values = cube[name].broadcast_like(like).transpose(*dims).values
        out[name] = (values.astype(object) if values.dtype.kind in "OTU" else values).ravel()
    return out


@_summary("completeness", "Completeness at the headline PSF and depth")
def headline_completeness(inputs: Inputs) -> pd.DataFrame:
    psf, depth = headline(inputs)
    table = completeness(inputs)
    first = inputs.completeness["threshold"].values[0]
    rows = table[(table["psf_fwhm"] == psf) & (table["depth"] == depth) & (table["threshold"] == first)]
    return rows.drop(columns=["threshold", "false_positive_rate"]).reset_index(drop=True)


@_summary("completeness", "Sky and hosts with each PSF and depth")
def occupancy(inputs: Inputs) -> pd.DataFrame:
    cube = inputs.completeness.transpose("psf_fwhm", "depth", ...)
    psf, depth = np.meshgrid(cube["psf_fwhm"].values, cube["depth"].values, indexing="ij")
    return pd.DataFrame(
        {
            "psf_fwhm": psf.ravel(),
            "depth": depth.ravel(),
            "host_pool": cube["host_pool"].values.ravel(),
            "area": cube["area"].values.ravel(),
        }
    )


@_summary("scores/cutouts, manifest", "Known lenses recovered, out of training")
def recovered(inputs: Inputs) -> pd.DataFrame:
    table = scored(inputs)
    table = table[(table["role"] == "anchor") & np.isfinite(table["score"])]
    channel = table["channel"].fillna("").astype(str)
    channels = sorted({c for joined in channel for c in joined.split("|") if c})
    without_ml = (channel != "") & ~channel.str.contains(
        "imaging-ml|follow-up"
    )  # follow-up takes its targets from there
    groups = [("all anchors", "", np.ones(len(table), bool))]
    groups += [("tier", tier, (table["tier"] == tier).to_numpy()) for tier in schema.TIERS if tier]
    groups += [("channel", c, np.array([c in joined.split("|") for joined in channel], bool)) for c in channels]
    groups += [("selected without imaging ML", "", without_ml.to_numpy())]
    least = inputs.settings.detector.training.arc_snr_min
    seen = (table["arc_snr"] >= least).to_numpy()
    groups += [("arc", f"SNR {least:g} or more", seen), ("arc", f"SNR below {least:g}", ~seen)]
    rows = []
    for threshold in inputs.thresholds["threshold"].values:
        hits = table["score"].to_numpy() >= threshold
        rows += [
            {"threshold": float(threshold), **share(group, value, hits[inside])} for group, value, inside in groups
        ]
    return pd.DataFrame(rows)


@_summary("failures/false_positives", "Negatives of the test split called lenses, by class and by condition")
def false_positives(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.false_positives


@_summary("failures/missed", "Injections missed, by what they are")
def missed(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.missed


@_summary("failures/gallery", "Rows of the gallery")
def gallery(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.gallery


def wrong_side(inputs: Inputs, rows: pd.DataFrame) -> np.ndarray:
    """Of rows of the gallery: whether they are on the wrong side of the first threshold."""
    label = rows["galaxy_id"].map(inputs.manifest.set_index("galaxy_id")["label"]).to_numpy()
    lens = (rows["trial"].to_numpy() >= 0) | (label == 1)
    above = rows["score"].to_numpy() >= inputs.thresholds["threshold"].values[0]
    return above != lens


def _realism(inputs: Inputs, name: str, columns: list[str] | None = None) -> pd.DataFrame | None:
    """A table of the stage realism, None where the run has none."""
    if inputs.realism is None:
        return None
    return inputs.realism[name] if columns is None else inputs.realism[name][columns]


@_summary("realism/criteria", "Realism: the criteria")
def realism_criteria(inputs: Inputs) -> pd.DataFrame | None:
    found = _realism(inputs, "criteria")
    if found is None:
        return None
    table = found.copy()
    table["limits"] = [_range(a, b, "≥ ", "≤ ") for a, b in zip(table["minimum"], table["maximum"])]
    table["interval"] = [_range(a, b, "", "to ") for a, b in zip(table["lower"], table["upper"])]
    return table[["verdict", "id", "claim", "measure", "value", "limits", "interval", "requirement", "why"]]


@_summary("realism/quantiles", "Arcs, real and injected: signal-to-noise ratio and colour")
def realism_quantiles(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "quantiles")


@_summary("realism/recovery", "Recovery of real lenses and of the injections matched to them")
def realism_recovery(inputs: Inputs) -> pd.DataFrame | None:
    return None if inputs.realism is None or "recovery" not in inputs.realism else inputs.realism["recovery"]


@_summary("realism/noise", "Fine noise around the arcs")
def realism_noise(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "noise")


@_summary("realism/structure", "Structure of visible arcs")
def realism_structure(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "structure")


@_summary("realism/probe", "What the probe tells apart")
def realism_probe(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "probe")


@_summary("realism/sensitivity", "Completeness of the same injections with one thing changed")
def realism_sensitivity(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "sensitivity")


@_summary("realism/inner", "How visible inner images are")
def realism_inner(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "inner")


@_summary("realism/panel", "Key to the blind panel")
def realism_key(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "panel", ["number", "kind", "galaxy_id", "theta_e", "psf_fwhm", "depth"])


@_summary("realism/measures", "Every image measured")
def realism_measures(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "measures")


@_summary("gates", "Gates")
def gates(inputs: Inputs) -> pd.DataFrame:
    table = inputs.gates.copy()
    table["limits"] = [_range(a, b, "≥ ", "≤ ") for a, b in zip(table["minimum"], table["maximum"])]
    table["interval"] = [_range(a, b, "", "to ") for a, b in zip(table["lower"], table["upper"])]
    table["evidence"] = np.where(
        table["verdict"] == NOT_JUDGED, "cannot be judged: " + table["cannot"].astype(str), table["evidence"]
    )
    open_ = np.where(table["verdict"] == NOT_JUDGED, 2, 3)
    order = np.where(table["verdict"] != FAIL, open_, np.where(table["critical"].astype(bool), 0, 1))
    columns = ["verdict", "id", "claim", "measure", "value", "limits", "interval", "critical", "evidence"]
    if not table["interval"].any():
        columns.remove("interval")
    return table.iloc[np.argsort(order, kind="stable")][columns].reset_index(drop=True)


def _range(low: float | None, high: float | None, before_low: str, before_high: str) -> str:
    found = [
        f"{word}{value:.4g}"
        for word, value in ((before_low, low), (before_high, high))
        if value is not None and not np.isnan(value)
    ]
    return " ".join(found).replace("-", "−")


@_summary("ledgers", "Rows in, out, and dropped by reason")
def ledgers(inputs: Inputs) -> pd.DataFrame:
    rows = []
    for stage, ledger in inputs.ledgers.items():
        reasons_ = dict(ledger.dropped) or {"": 0}
        for i, (reason, dropped) in enumerate(reasons_.items()):
            first = (
                {"stage": stage, "rows_in": ledger.rows_in, "rows_out": ledger.rows_out, "unaccounted": ledger.missing}
                if i == 0
                else {"stage": stage}
            )
            rows.append({**first, "reason": reason, "dropped": int(dropped)})
    columns = ["stage", "rows_in", "rows_out", "reason", "dropped", "unaccounted"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(("rows_in", "rows_out", "dropped", "unaccounted"), "Int64"))


@_summary("run", "Origin")
def origin(inputs: Inputs) -> pd.DataFrame:
    rows = [{"what": name.replace("_", " "), "found": str(value)} for name, value in inputs.attrs.items()]
    return pd.DataFrame([*rows, {"what": "schema version", "found": str(schema.VERSION)}])


_JUDGED = {
    "measures": "How good the scores are, split test",
    "curves": "ROC and precision-recall curve, split test",
    "recall": "Known lenses held out of training that reach the threshold, by tier",
    "strata": "Calibration by stratum, split test",
    "bins": "Bins of the calibration",
    "risk": "Risk at each coverage",
    "calibrators": "Ways from scores to probabilities, fitted on the split val, compared on the split test",
    "shortcuts": "Classifiers that see one part of the image alone",
    "counterfactuals": "The same injections with something taken away or put elsewhere",
    "nuisance": "Rank correlation of the score of negatives with nuisance",
    "channels": "Held-out lenses of imaging searches beside those of other channels",
}


def _judged(inputs: Inputs, name: str) -> pd.DataFrame | None:
    """A table of the judgement; a column without a word in it is left out."""
    table = None if inputs.judgement is None else inputs.judgement[name]
    if table is None or "why_not" not in table or (table["why_not"] != "").any():
        return table
    return table.drop(columns="why_not")


SUMMARIES |= {
    f"judged_{name}": Summary(partial(_judged, name=name), f"judgement/{name}", title)
    for name, title in _JUDGED.items()
}
