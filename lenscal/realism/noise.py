"""Noise of the pixels beside arcs, real and injected."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate
from lenscal.kernels import draws, twosamples
from lenscal.realism.criteria import criterion, too_few
from lenscal.realism.measures import NOISE_EDGES

from .samples import Sample


def _noise(
    real: Sample, injected: Sample, settings: config.Realism, seed: int, few: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[Gate]]:
    """Fine noise around the arcs, band by band."""
    rows, out, histograms, bands = [], [], [], real.pixels.bands
    for b, band in enumerate(bands):
        one, two = (sample.pixels.noise[:, b] for sample in (real, injected))
        one, two = one[one.sum(1) > 0], two[two.sum(1) > 0]
        cannot = few or too_few(
            [(len(one), "anchors with noise"), (len(two), "injections with noise")], max(settings.anchors_min, 4)
        )
        d, p, typical, raw = _distance(one, two, band, settings.p_min / len(bands), settings.splits, seed)
        widths = [_width(counts.sum(0)) if len(counts) else np.nan for counts in (one, two)]
        rows.append(
            {
                "band": band,
                "stamps_real": len(one),
                "stamps_injected": len(two),
                "pixels_real": int(one.sum()),
                "pixels_injected": int(two.sum()),
                "D": d,
                "p_halves": p,
                "D_halves_95": typical,
                "p_pixels": raw,
                "width_real": widths[0],
                "width_injected": widths[1],
            }
        )
        # All bands are asked: each at its share of the level.
        adjusted = min(1.0, len(bands) * p)
        why = (
            f"{len(one)} and {len(two)} stamps; shuffled, they reach D {typical:.3f} in one of "
            f"{len(bands) / settings.p_min:.0f}; p of single pixels {raw:.2g}, not used"
        )
        name = f"{band}: noise around the arc is that around real arcs"
        out.append(
            criterion(
                f"noise_p_{band}",
                "3B.3",
                name,
                f"p of D by permutation of stamps, times {len(bands)}",
                adjusted,
                minimum=settings.p_min,
                why=why,
                cannot=cannot,
            )
        )
        limit = settings.noise_distance_max
        blunt = ""
        if not cannot and limit < d and adjusted > settings.p_min and typical > limit:
            blunt = (
                f"D is {d:.3f}, but stamps shuffled between both differ by up to {typical:.3f}: too few "
                f"stamps for a limit of {limit:g}"
            )
        out.append(
            criterion(
                f"noise_d_{band}", "3D.6", name, "KS distance D", d, maximum=limit, why=why, cannot=cannot or blunt
            )
        )
        histograms += [_histogram(counts, band, kind) for counts, kind in ((one, "real"), (two, "injected"))]
    return pd.DataFrame(rows), pd.concat(histograms, ignore_index=True), out


def _distance(
    one: np.ndarray, two: np.ndarray, band: str, level: float, splits: int, seed: int
) -> tuple[float, float, float, float]:
    """D of the pixels of two sets of stamps, its p by permutation of stamps, the D that shuffled stamps
    seldom exceed, and the p that single pixels would give; NaN where there are too few.
    """
    from scipy.stats import kstwobign

    if len(one) < 2 or not len(two):
        return (np.nan,) * 4
    rng = draws.generator(seed, f"realism halves {band}", 0)
    d, p, shuffled = twosamples.stamp_permutation_p(one, two, rng, splits)
    typical = float(np.quantile(shuffled, 1 - level))
    pixels = one.sum(), two.sum()
    raw = float(kstwobign.sf(d * np.sqrt(pixels[0] * pixels[1] / (pixels[0] + pixels[1]))))
    return d, p, typical, raw


def _histogram(counts: np.ndarray, band: str, kind: str) -> pd.DataFrame:
    middle = 0.5 * (NOISE_EDGES[:-1] + NOISE_EDGES[1:])
    total = counts.sum(0)
    density = total / max(total.sum(), 1) / 0.05
    return pd.DataFrame({"band": band, "sample": kind, "fine_noise": middle, "density": density})


def _width(counts: np.ndarray) -> float:
    """Half the range of the middle 68.27 % of binned pixels."""
    share = np.cumsum(counts) / max(counts.sum(), 1)
    low, high = np.interp([0.15865, 0.84135], share, NOISE_EDGES[1:])
    return float(0.5 * (high - low))
