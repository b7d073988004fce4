"""What a detector is to an audit: which images it wants, which number it gives, and a hash of all
that decides that number.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Detector(Protocol):
    """A detector that no longer changes. `tests/support/contracts.py` holds any implementation to these words."""

    bands: tuple[str, ...]
    """Order in which `score` expects them."""
    size: int
    """Of the centre crop that is scored, in pixels; larger stamps are cropped."""
    hash: str
    """Of everything that decides a score, 64 hex digits: another one is another detector."""

    def score(self, images: np.ndarray, batch: int = 128) -> np.ndarray:
        """Score of each stamp (n, band, y, x) in nanomaggy; higher is more like a lens.

        The score of a stamp depends on nothing but its pixels: not on its company, the order, `batch`, or how the array
        lies in memory. Unobserved pixels are NaN, or masked.

        Returns
        -------
        (n,) float array
            NaN where some band has no observed pixel in the crop, and nowhere else.
        """

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """Probability of scores, growing with them, as float32; NaN, and masked, stays NaN."""
