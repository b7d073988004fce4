"""Gates of the injections."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config
from lenscal.gates import Gate, absent
from lenscal.injections import physics

EFFICIENCY_MIN = 0.01


def gates(injections: xr.Dataset, hosts: pd.DataFrame, settings: config.Injections) -> list[Gate]:
    """Claims about the injections of a run.

    Parameters
    ----------
    injections : Dataset
        All blocks, as declared in `schema.INJECTIONS`.
    hosts : DataFrame
        From `assign_hosts`.
    settings : config.Injections
    """
    made = injections["failure"].values.astype(object) == ""
    galaxy = injections["galaxy_id"].values
    tried = galaxy >= 0
    if not tried.any():
        return [
            Gate("injections.made", "some cell of the grid has hosts", "cells with hosts", 0, minimum=1, critical=True)
        ]
    low, high = settings.magnification
    mu = injections["magnification"].values[made]
    out = [
        _hosts_gate(galaxy, settings),
        Gate(
            "injections.failed",
            "every trial with a host has an image",
            "share of trials that failed",
            float((tried & ~made).sum() / tried.sum()),
            maximum=0.0,
            evidence=_reasons(injections, tried),
        ),
    ]
    if not made.any():
        return out
    outside = int(((mu < low) | (mu > high) | ~np.isfinite(mu)).sum())
    out.append(
        Gate(
            "injections.magnification",
            f"magnifications lie in {low:g}-{high:g}",
            "trials outside",
            outside,
            maximum=0,
            critical=True,
            evidence=f"{mu.min():.2f} to {mu.max():.2f} over {mu.size} trials",
        )
    )
    out.append(_efficiency_gate(injections["proposals"].values[tried]))
    out.append(_flux_gate(injections, made, settings))
    out += physics.gates(injections, made)
    return out


def _efficiency_gate(proposals: np.ndarray) -> Gate:
    """Share of proposals that met the range of the magnification: below a hundredth, the range and not
    the prior makes the sample.
    """
    accepted = proposals.size / proposals.sum() if proposals.sum() else np.nan
    return Gate(
        "injections.efficiency",
        "the prior meets the range of the magnification",
        "accepted over proposed",
        float(accepted),
        minimum=EFFICIENCY_MIN,
        evidence=(
            f"{proposals.size} accepted of {int(proposals.sum())} proposed; at most "
            f"{int(proposals.max())} for one trial"
        ),
    )


def _hosts_gate(galaxy: np.ndarray, settings: config.Injections) -> Gate:
    cells = galaxy.transpose(1, 2, 0, 3).reshape(galaxy.shape[1] * galaxy.shape[2], -1)
    counts = [np.unique(cell[cell >= 0]).size for cell in cells]
    populated = [count for count in counts if count]
    return Gate(
        "injections.hosts",
        "every populated cell has enough distinct hosts",
        "distinct hosts in the poorest populated cell",
        min(populated),
        minimum=min(settings.hosts_min, settings.trials),
        critical=True,
        evidence=f"{len(populated)} of {len(counts)} cells have hosts",
        cannot="cells have the trials of injections.allocation, a part of a sum" if settings.allocation else "",
    )


def _reasons(injections: xr.Dataset, tried: np.ndarray) -> str:
    """How many trials failed for each reason, and the first of them with its block."""
    failure = injections["failure"].values.astype(object)
    out = []
    for reason, count in pd.Series(failure[tried & (failure != "")]).value_counts().items():
        first = tuple(np.argwhere(tried & (failure == reason))[0])
        psf, depth = float(injections["psf_fwhm"][first[1]]), float(injections["depth"][first[2]])
        name = int(injections["injection_id"].values[first])
        out.append(f"{reason}: {count}, first injection {name} of block psf_fwhm {psf:g}, depth {depth:g}")
    return "; ".join(out) or "none"


def _flux_gate(injections: xr.Dataset, made: np.ndarray, settings: config.Injections) -> Gate:
    claim = "lensed flux inside the stamp is the magnification times the source's flux"
    if not settings.inner_images:
        return absent("injections.flux", claim, "inner images are suppressed, the magnification is that of all images")
    lensed = injections["lensed_mag"].isel(band=injections["band"].values.tolist().index("r")).values[made]
    expected = injections["source_mag_r"].values[made] - 2.5 * np.log10(injections["magnification"].values[made])
    ratio = 10 ** (-0.4 * (lensed - expected))
    return Gate(
        "injections.flux",
        claim,
        "1st percentile of the ratio",
        float(np.quantile(ratio, 0.01)),
        minimum=0.97,
        maximum=1.005,
        critical=True,
        evidence=f"ratio {ratio.min():.4f} to {ratio.max():.4f}; light outside the stamp is missing from it",
    )
