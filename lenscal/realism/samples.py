"""Samples that are compared: real lenses, injections and what belongs to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lenscal.kernels import quantiles
from lenscal.realism.measures import Pixels

BOOTSTRAPS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Sample:
    """Images of one kind: which object each shows, what was measured, and the real lens that each was
    matched to (none: itself).
    """

    objects: np.ndarray
    pixels: Pixels
    anchors: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.objects)


def _values(sample: Sample, name: str) -> np.ndarray:
    """Measured values; infinite colours stay, so that a median counts them."""
    values = sample.pixels.table[name].to_numpy(float)
    return values[~np.isnan(values)]


def quantile(values: np.ndarray, percent: int) -> float:
    """The value at a rank, without interpolation, as infinities bear none."""
    return float(np.quantile(values, percent / 100, method="inverted_cdf")) if values.size else np.nan


def _clusters(sample: Sample, name: str) -> np.ndarray:
    """The real lens that each measured value belongs to: one with its matches is drawn, or not, as a whole."""
    own = sample.objects if sample.anchors is None else sample.anchors
    return own[~np.isnan(sample.pixels.table[name].to_numpy(float))]


def compared(
    real: Sample, injected: Sample, name: str, percent: int, compare: Callable, rng: np.random.Generator
) -> tuple[float, float, float]:
    """A comparison of two quantiles and its 95 % bootstrap interval."""
    samples = (_values(real, name), _values(injected, name), _clusters(real, name), _clusters(injected, name))
    return quantiles.compared(*samples, percent / 100, compare, LEVEL, rng, BOOTSTRAPS)
