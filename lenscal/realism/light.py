"""Signal-to-noise ratios and colours of arcs, real and injected."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate
from lenscal.kernels import draws
from lenscal.realism.criteria import criterion, too_few
from lenscal.realism.measures import COLOURS

from .samples import Sample, _values, compared, quantile

PERCENT = (10, 50, 90)


def _quantiles(
    real: Sample, injected: Sample, bare: Sample, settings: config.Realism, seed: int, few: str
) -> tuple[pd.DataFrame, list[Gate]]:
    """Signal-to-noise ratios and colours: quantiles of each sample, their ratio or difference, the criteria."""
    rows, out = [], []
    low, high = settings.snr_ratio
    for band in real.pixels.bands:
        name = f"snr_{band}"
        one, two, none = _values(real, name), _values(injected, name), _values(bare, name)
        for percent in PERCENT:
            rng = draws.generator(seed, f"realism bootstrap {name}", percent)
            ratio = compared(real, injected, name, percent, lambda a, b: np.where(a > 0, b / a, np.nan), rng)
            rows.append(_row(name, percent, one, two, none, "ratio", ratio))
            if band == "r":
                why = (
                    f"{quantile(one, percent):.2f} of {one.size} anchors, {quantile(two, percent):.2f} of "
                    f"{two.size} injections; the same hosts without arcs {quantile(none, percent):.2f}"
                )
                floor = compared(real, real, name, percent, lambda a, b: a, rng)[1]
                dim = (
                    ""
                    if few or floor > 0
                    else (
                        f"real arcs at {percent} % have an SNR of {quantile(one, percent):.2f} that may be none (95 "
                        f"% from {floor:.2f}), which bears no ratio"
                    )
                )
                out.append(
                    criterion(
                        f"snr_{percent}",
                        "3A.5",
                        f"arc SNR in r at {percent} % is that of real lenses within a factor of two",
                        f"ratio at {percent} %",
                        ratio[0],
                        ratio[1:],
                        low,
                        high,
                        why,
                        few or dim,
                    )
                )
    colours, more = _colours(real, injected, bare, settings, seed, few)
    return pd.DataFrame(rows + colours), out + more


def _colours(
    real: Sample, injected: Sample, bare: Sample, settings: config.Realism, seed: int, few: str
) -> tuple[list[dict], list[Gate]]:
    """Medians of colours, their difference, the criteria."""
    rows, out = [], []
    for name, label in zip(COLOURS, ("g - r", "r - z")):
        one, two, none = _values(real, name), _values(injected, name), _values(bare, name)
        rng = draws.generator(seed, f"realism bootstrap {name}", 50)
        shift = compared(real, injected, name, 50, lambda a, b: np.where(np.isinf(a) & np.isinf(b), np.nan, b - a), rng)
        rows.append(_row(name, 50, one, two, none, "difference", shift))
        cannot = few or too_few(
            [(one.size, "anchors with a visible arc"), (two.size, "injections with one")], settings.anchors_min
        )
        why = (
            f"{one.size} anchors and {two.size} injections with SNR "
            f"{settings.arc_snr_min:g} or more in g and r together"
        )
        limit = settings.colour_difference
        out.append(
            criterion(
                name,
                "3A.6",
                f"the median colour {label} of arcs is that of real ones",
                "difference of medians [mag]",
                shift[0],
                shift[1:],
                -limit,
                limit,
                why,
                cannot,
            )
        )
    return rows, out


def _row(
    name: str,
    percent: int,
    one: np.ndarray,
    two: np.ndarray,
    none: np.ndarray,
    what: str,
    found: tuple[float, float, float],
) -> dict:
    return {
        "quantity": name,
        "percent": percent,
        "real": quantile(one, percent),
        "injected": quantile(two, percent),
        "bare_hosts": quantile(none, percent),
        "compared": what,
        "value": found[0],
        "from_95": found[1],
        "to_95": found[2],
        "n_real": one.size,
        "n_injected": two.size,
    }
