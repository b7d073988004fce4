"""What a table of the page is, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import schema
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


def summary(stores: str, title: str) -> Callable:
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


def range(low: float | None, high: float | None, before_low: str, before_high: str) -> str:
    found = [
        f"{word}{value:.4g}"
        for word, value in ((before_low, low), (before_high, high))
        if value is not None and not np.isnan(value)
    ]
    return " ".join(found).replace("-", "−")
