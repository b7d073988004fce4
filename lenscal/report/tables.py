"""The queries behind the numbers of the page: each says how a number is derived from the stores."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal.gates import FAIL
from lenscal.report import summaries

from .derivation import Derivation, query
from .formats import Value

# How values are shown.


# The queries.


@query("1", "text", "")
def cell(d: Derivation, table: str, row: str, column: str) -> Value:
    """One cell of one table."""
    made = d.table(table)
    if made is None:
        raise KeyError(f"the run has no table '{table}'")
    return made[column].iloc[int(row)]


@query("1", "count", "")
def shown(d: Derivation, table: str, rows: str) -> int:
    """Rows of a table that the page prints."""
    return min(int(rows), len(d.table(table)))


@query("1", "count", "")
def rows(d: Derivation, table: str, **where: str) -> int:
    """Rows of a product whose columns have these values; ``a|b`` means either, a leading ``*`` means contains."""
    if table == "scores/cutouts":
        found = summaries.scored(d.inputs)
        found = found[np.isfinite(found["score"])]
    else:
        found = getattr(d.inputs, table)
    if found is None:
        raise KeyError(f"the run has no table '{table}'")
    keep = np.ones(len(found), bool)
    for column, wanted in where.items():
        text = found[column].fillna("").astype(str)
        if wanted.startswith("*"):
            keep &= text.str.contains(wanted[1:], regex=False).to_numpy(bool)
        else:
            keep &= text.isin(wanted.split("|")).to_numpy(bool)
    return int(keep.sum())


@query("1", "count", "quality")
def usable(d: Derivation) -> int:
    """Cutouts fit for use."""
    return int(d.inputs.quality["cutout_ok"].values.sum())


@query("1", "count", "gates")
def gates(d: Derivation, verdict: str, critical: str = "") -> int:
    """Gates with this verdict, of all or of the critical ones."""
    table = d.inputs.gates
    keep = table["verdict"] == verdict
    return int((keep & table["critical"].astype(bool)).sum() if critical else keep.sum())


@query("1", "text", "gates")
def failed(d: Derivation) -> str:
    """Names of the gates that failed."""
    table = d.inputs.gates
    return ", ".join(table.loc[table["verdict"] == FAIL, "id"]) or "none"


@query("1", "real", "thresholds")
def threshold(d: Derivation, index: str) -> float:
    """Score at or above which a detection is claimed."""
    return float(d.inputs.thresholds["threshold"].values[int(index)])


@query("1", "share", "thresholds")
def validation_rate(d: Derivation, index: str, end: str = "") -> float:
    """Share of the validation negatives at or above the threshold, or an end of its interval."""
    if end:
        return float(d.inputs.thresholds[end].sel(level=summaries.LEVEL, method="nearest").values[int(index)])
    return float(d.inputs.thresholds["false_positive_rate"].values[int(index)])


@query("1", "count", "thresholds")
def validation_negatives(d: Derivation, index: str, what: str = "n_negatives") -> int:
    """Validation negatives that set the threshold, or those of them at or above it (n_false)."""
    return int(d.inputs.thresholds[what].values[int(index)])


@query("1", "share", "failures/false_positives")
def false_positive_rate(d: Derivation, index: str, group: str, value: str, what: str = "rate") -> float:
    """Share of the test split's negatives called lenses, or an end of its interval."""
    return float(_negatives(d, index, group, value)[what])


@query("1", "count", "failures/false_positives")
def false_positives(d: Derivation, index: str, group: str, value: str, what: str = "n") -> int:
    """Scored negatives of the test split (n), or those called lenses (k)."""
    return int(_negatives(d, index, group, value)[what])


def _negatives(d: Derivation, index: str, group: str, value: str) -> pd.Series:
    table = d.inputs.false_positives
    at = np.isclose(table["threshold"], d.inputs.thresholds["threshold"].values[int(index)])
    return table[at & (table["group"] == group) & (table["value"] == value)].iloc[0]


@query("1", "share", "scores/cutouts, manifest")
def anchors_recovered(d: Derivation, index: str, group: str = "all anchors", what: str = "rate") -> float:
    """Share of the anchors at or above the threshold, or an end of its interval."""
    return float(_anchors(d, index, group)[what])


@query("1", "count", "scores/cutouts, manifest")
def anchors_counted(d: Derivation, index: str, group: str = "all anchors", what: str = "n") -> int:
    """Anchors scored (n), or those at or above the threshold (k)."""
    return int(_anchors(d, index, group)[what])


@query("1", "count", "scores/cutouts")
def anchors_lost(d: Derivation, index: str) -> int:
    """Anchors scored below the threshold."""
    row = _anchors(d, index, "all anchors")
    return int(row["n"] - row["k"])


def _anchors(d: Derivation, index: str, group: str) -> pd.Series:
    table = d.table("recovered")
    value = d.inputs.thresholds["threshold"].values[int(index)]
    return table[(table["threshold"] == value) & (table["group"] == group)].iloc[0]


@query("1", "share", "completeness")
def cube(
    d: Derivation, theta_e: str, psf_fwhm: str, depth: str, index: str, what: str, level: str = "", population: str = ""
) -> float | int:
    """One cell of the cube: what is median, lower, upper, total_lower or total_upper (with the level), n_injected,
    n_hosts or n_detected; of the meant population of hosts by default.
    """
    place = {"theta_e": float(theta_e), "psf_fwhm": float(psf_fwhm), "depth": float(depth)}
    cubes = d.inputs.completeness if not population else d.inputs.populations.sel(population=population)
    one = cubes.sel(place).isel(threshold=int(index))
    if what == "median":
        return float(one["completeness"].sel(quantile=0.5))
    if what.startswith("n_"):
        return int(one[what])
    return float(one[what].sel(level=float(level)))


@query("1", "share", "completeness")
def cube_extreme(d: Derivation, index: str, which: str) -> float:
    """Lowest (min) or highest (max) median among the sufficient cells."""
    one = d.inputs.completeness.isel(threshold=int(index))
    values = one["completeness"].sel(quantile=0.5).where(one["sufficient"]).values
    if not np.isfinite(values).any():
        return float("nan")
    return float({"min": np.nanmin, "max": np.nanmax}[which](values))


@query("1", "text", "completeness")
def recovery(d: Derivation) -> str:
    """What the cube carries of real lenses beside injections: the verdict and both shares."""
    return str(d.inputs.completeness.attrs.get("recovery", "not compared"))


@query("1", "text", "thresholds")
def few_events(d: Derivation) -> str:
    """Which thresholds rest on fewer than ten negatives, in words."""
    return str(d.inputs.thresholds.attrs.get("few_events", ""))


@query("1", "count", "completeness")
def cells(d: Derivation, status: str = "") -> int:
    """Cells of the grid, of all or with this status."""
    found = d.inputs.completeness["status"].values.astype(object)
    return int((found == status).sum()) if status else int(found.size)


@query("1", "count", "injections")
def injected(d: Derivation, what: str = "all") -> int:
    """Trials with a host (all), with an image (made), or distinct hosts of these (hosts)."""
    has = d.inputs.injections["galaxy_id"].values >= 0
    made = has & (d.inputs.injections["failure"].values == "")
    if what == "hosts":
        return int(np.unique(d.inputs.injections["galaxy_id"].values[made]).size)
    return int(made.sum() if what == "made" else has.sum())


@query("1", "count", "scores/injections")
def missed(d: Derivation, index: str) -> int:
    """Scored injections below the threshold."""
    values = d.inputs.scores_injections["score"].values
    return int((values[np.isfinite(values)] < d.inputs.thresholds["threshold"].values[int(index)]).sum())


@query("1", "text", "realism/criteria")
def realism_verdict(d: Derivation, id: str = "realism") -> str:
    """GO, NO-GO or not judged, of one criterion or of all together."""
    table = d.inputs.realism["criteria"]
    return str(table.loc[table["id"] == id, "verdict"].iloc[0])


@query("1", "count", "realism/criteria")
def realism_criteria_with(d: Derivation, verdict: str) -> int:
    """Criteria with this verdict, the overall one apart."""
    table = d.inputs.realism["criteria"]
    return int(((table["verdict"] == verdict) & (table["id"] != "realism")).sum())


@query("1", "text", "realism/criteria")
def realism_named(d: Derivation, verdict: str) -> str:
    """Names of the criteria with this verdict."""
    table = d.inputs.realism["criteria"]
    return ", ".join(table.loc[(table["verdict"] == verdict) & (table["id"] != "realism"), "id"]) or "none"


@query("1", "count", "realism/measures")
def realism_images(d: Derivation, sample: str) -> int:
    """Images measured of one sample."""
    return int((d.inputs.realism["measures"]["sample"] == sample).sum())


@query("1", "count", "failures/gallery, thresholds")
def pictured(d: Derivation, kind: str, wrong: str = "") -> int:
    """Rows of the gallery of one kind, of all or of those on the wrong side of the first threshold."""
    return (
        int(d.inputs.wrong_side.get(kind, np.zeros(0)).sum())
        if wrong
        else int((d.inputs.gallery["kind"] == kind).sum())
    )


@query("1", "count", "scores/cutouts")
def alarms(d: Derivation, index: str) -> int:
    """Scored negatives outside the split train at or above the threshold."""
    table = summaries.scored(d.inputs)
    value = d.inputs.thresholds["threshold"].values[int(index)]
    keep = table["split"].isin(summaries.JUDGED) & (table["label"] == 0)
    return int((keep & (table["score"] >= value)).sum())


@query("arcsec", "real", "completeness")
def headline_psf(d: Derivation) -> float:
    """PSF the page speaks of first."""
    return summaries.headline(d.inputs)[0]


@query("mag(AB)", "real", "completeness")
def headline_depth(d: Derivation) -> float:
    """Depth the page speaks of first."""
    return summaries.headline(d.inputs)[1]


@query("arcsec", "real", "completeness")
def axis(d: Derivation, name: str, row: str) -> float:
    """A bin centre of the grid."""
    return float(d.inputs.completeness[name].values[int(row)])


@query("1", "real", "run file")
def setting(d: Derivation, key: str) -> Value:
    """A key of the run file."""
    found: object = d.inputs.settings
    for part in key.split("."):
        found = found[int(part)] if isinstance(found, (tuple, list)) else getattr(found, part)
    return found if isinstance(found, (bool, int, float, str)) or found is None else str(found)


@query("1", "text", "run")
def attribute(d: Derivation, name: str) -> str:
    """An attribute of the run."""
    return str(d.inputs.attrs.get(name, ""))
