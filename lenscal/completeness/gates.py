"""What must hold of the cube."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.completeness.posterior import STATUS
from lenscal.cube import detected_of
from lenscal.gates import Gate, absent
from lenscal.kernels import recovery


def gates(completeness: xr.Dataset) -> list[Gate]:
    """What must hold of the completeness cube.

    Parameters
    ----------
    completeness : Dataset
        As `schema.COMPLETENESS`.
    """
    cube = completeness
    cell = (*schema.CELL, "threshold")
    n, hosts = (cube[name].transpose(*schema.CELL).values for name in ("n_injected", "n_hosts"))
    populated = n > 0
    return [
        _interval_gate(cube, populated, cell),
        _sufficiency_gate(cube, n, hosts),
        _trials_gate(cube, n, cell),
        _trend_gate(cube, cell),
        _threshold_gate(cube),
    ]


def _interval_gate(cube: xr.Dataset, populated: np.ndarray, cell: tuple[str, ...]) -> Gate:
    lower, upper = (cube[name].transpose(*cell, "level").values for name in ("lower", "upper"))
    ordered = ((lower >= 0) & (lower < upper) & (upper <= 1)).all((-2, -1))
    median, outer = (
        cube["completeness"].sel(quantile=q).transpose(*cell, ...).values
        for q in (0.5, [q for q in schema.QUANTILES if q != 0.5])
    )
    values = np.concatenate([lower, upper, outer], -1)
    there = np.isfinite(median).all(-1)
    hosts = cube["hosts_effective" if "hosts_effective" in cube else "n_hosts"].transpose(*schema.CELL).values
    told = recovery.enough(hosts)
    empty = np.isnan(values).all((-2, -1))
    whole = there & np.where(told, ordered & np.isfinite(values).all((-2, -1)), empty)
    wrong = int((populated & ~whole).sum() + (~populated & ~(empty & np.isnan(median).all(-1))).sum())
    cells = int(populated.sum())
    several = int((populated & told).sum())
    few = int((populated & (hosts < recovery.HOSTS_MIN)).sum())
    said = (
        f"Of as many true values, {several * (1 - schema.LEVELS[0]):.0f} are expected outside their 68.27 % interval"
        if several == cells
        else (
            f"{cells - several} cells have no interval: {few} have fewer than {recovery.HOSTS_MIN:g} effective hosts"
            if several
            else (
                f"No interval anywhere: {np.maximum(hosts - 1, 0).sum():.1f} hosts (beyond one for each cell) do not "
                f"tell how alike the trials of a host are, or a cell has fewer than {recovery.HOSTS_MIN:g}; more "
                "hosts, not more trials, would"
            )
        )
    )
    return Gate(
        "X.8",
        "every populated cell with hosts enough has an interval, and no other cell has one",
        "cells where not",
        wrong,
        maximum=0,
        critical=True,
        evidence=(
            f"completeness: {cells} populated of {populated.size} cells; lower, upper, "
            f"completeness by n_injected. {said}"
        ),
        cannot="" if several or wrong or not cells else "too few hosts for any interval",
    )


def _sufficiency_gate(cube: xr.Dataset, n: np.ndarray, hosts: np.ndarray) -> Gate:
    trials_min, hosts_min = int(cube.attrs["trials_min"]), int(cube.attrs["hosts_min"])
    enough = (n >= trials_min) & (hosts >= hosts_min)
    known = n > 0
    if "hosts_effective" in cube and "hosts_effective_min" in cube.attrs:
        known = known & (cube["n_effective"].transpose(*schema.CELL, "threshold").values.max(-1) > 0)
        enough &= known & (cube["hosts_effective"].transpose(*schema.CELL).values >= cube.attrs["hosts_effective_min"])
    expected = np.where(~known, "no data", np.where(enough, "sufficient", "insufficient"))
    status = cube["status"].transpose(*schema.CELL).values.astype(object)
    flag = cube["sufficient"].transpose(*schema.CELL).values.astype(bool)
    wrong = int(((status != expected) | (flag != enough)).sum())
    return Gate(
        "X.9",
        "cells with too few trials or hosts say so",
        "cells whose mark differs from a recount",
        wrong,
        maximum=0,
        critical=True,
        evidence=", ".join(f"{int((expected == name).sum())} {name}" for name in STATUS)
        + (
            f"; at least {trials_min} trials and {hosts_min} hosts ({cube.attrs.get('hosts_effective_min', 0):g} "
            "effective ones) are sufficient"
        ),
    )


def _trials_gate(cube: xr.Dataset, n: np.ndarray, cell: tuple[str, ...]) -> Gate:
    trials = n + cube["n_failed"].transpose(*schema.CELL).values
    detected = cube["n_detected"].transpose(*cell).values
    wrong = (trials != trials.max()) | ((detected < 0) | (detected > n[..., None])).any(-1)
    return Gate(
        "completeness.trials",
        "every cell holds the same number of trials, scored or failed, and no more detections than scores",
        "cells where not",
        int(wrong.sum()),
        maximum=0,
        critical=True,
        evidence=(
            f"completeness: n_injected + n_failed from {int(trials.min())} to "
            f"{int(trials.max())}, n_detected <= n_injected"
        ),
    )


def _trend_gate(cube: xr.Dataset, cell: tuple[str, ...]) -> Gate:
    claim = "wide arcs are found more often than narrow ones"
    n = cube["n_injected"].transpose(*schema.CELL).values[..., None].astype(float)
    share = detected_of(cube).transpose(*cell).values / np.where(
        n > 0, n, np.nan
    )  # medians of cells, averaged, lean to one half
    rise = share[-1] - share[0]
    if len(share) < 2 or not np.isfinite(rise).any():
        return absent("completeness.rises", claim, "no seeing and depth has trials at both ends of theta_e")
    return Gate(
        "completeness.rises",
        claim,
        "mean completeness at the largest theta_e minus that at the smallest",
        float(np.nanmean(rise)),
        minimum=0,
        evidence="share detected, over populated psf_fwhm, depth and threshold; information, not a condition",
    )


def _threshold_gate(cube: xr.Dataset) -> Gate:
    claim = "the false-positive rate of each threshold is carried with its own interval"
    names = ("false_positive_rate_lower", "false_positive_rate_upper")
    rate = cube["false_positive_rate"]
    if any(name not in cube for name in names):
        return Gate(
            "completeness.threshold",
            claim,
            "thresholds without an interval",
            rate.size,
            maximum=0,
            evidence="no interval in the cube",
        )
    low, high = (cube[name].sel(level=0.95).values for name in names)
    wrong = int((~((low <= rate.values) & (rate.values <= high) & (high > low))).sum())
    text = ", ".join(f"{r:.3g} ({a:.2g} to {b:.2g})" for r, a, b in zip(rate.values, low, high))
    return Gate(
        "completeness.threshold",
        claim,
        "thresholds without an interval",
        wrong,
        maximum=0,
        evidence=(
            f"false_positive_rate with its 95 % interval: {text}; the completeness is that of the score "
            "`threshold`, whatever the true rate"
        ),
    )


def occupancy_gate(occupancy: xr.Dataset, settings: config.Completeness) -> Gate:
    """Whether the grid holds the seeing and depth of the footprint, with what lies below and above it, from the
    attributes of `completeness.occupancy`.
    """
    claim, attrs = "the grid holds the seeing and depth of the footprint", occupancy.attrs
    known = attrs["area_total"] - attrs["area_without_conditions"]
    if not known > 0:
        return absent("completeness.area", claim, "no table of bricks or random points tells the area")
    outside = known - attrs["area_inside"]
    parts = ", ".join(
        f"{name.removeprefix('area_').replace('_', ' ')} {attrs[name]:.4g}"
        for name in attrs
        if name.startswith(("area_psf", "area_depth"))
    )
    return Gate(
        "completeness.area",
        claim,
        "share of the observed area outside",
        outside / known,
        maximum=settings.area_outside_max,
        evidence=(
            f"{known:.4g} of {attrs['area_total']:.4g} degree^2 observed in r, from {attrs['area_from']}; {parts}; "
            "`lenscal conditions RUNFILE` prints a grid that holds it"
        ),
    )
