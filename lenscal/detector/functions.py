"""A detector that is a function: whatever gives one number for each image, in any library, behind
lenscal's handling of pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.special import expit

from lenscal.detector import architectures
from lenscal.detector.preprocessing import crop_start, unmasked
from lenscal.errors import InputError

PROBE_TOLERANCE = 1e-5
"""Largest difference of one stamp's scores in other company, as a share of the scatter of the
probe's scores, or of 1.
"""


class FunctionDetector:
    """Scores by a function from images to numbers.

    Unobserved pixels are filled before the function sees them, since what a library makes of NaN differs (some give a
    finite score). The function gets native float32 in C order, whatever the images were. Before the first score it is
    asked for the same stamps alone, in company, beside a bright star and in another order.

    Parameters
    ----------
    function : callable
        From (n, band, size, size) float32 in nanomaggy to (n,) numbers, higher for lenses.
    bands : sequence of str
        In the order that the function expects.
    size : int
        Of the crop about the centre, in pixels.
    fill : float
        What an unobserved pixel becomes, in nanomaggy; 0 is empty sky.
    about : mapping, optional
        Whatever else decides a score and is not in the code: versions, paths, options. It is part of the hash.

    Raises
    ------
    InputError
        The function gives another number of scores, none that vary, some that are not finite, or a stamp's score
        depends on its company.
    """

    def __init__(
        self,
        function: Callable[[np.ndarray], np.ndarray],
        bands: Sequence[str] = ("g", "r", "z"),
        size: int = 64,
        fill: float = 0.0,
        about: Mapping[str, object] | None = None,
    ) -> None:
        if not callable(function):
            raise InputError(
                f"detector: {function!r} is no function; expected one from images (n, band, {size}, {size}) to n scores"
            )
        if not bands or size < 1 or not np.isfinite(fill):
            raise InputError(
                f"detector: bands {list(bands)}, size {size}, fill {fill}; expected at least one band, a "
                "positive size and a finite fill"
            )
        self._function, self.bands, self.size, self._fill = function, tuple(bands), int(size), float(fill)
        self.about = {
            "kind": "function",
            "bands": list(self.bands),
            "size": self.size,
            "fill_nanomaggy": self._fill,
            **(about or {}),
        }
        text = json.dumps({**self.about, "code": architectures.code_of(function)}, sort_keys=True)
        self.hash = hashlib.blake2b(text.encode(), digest_size=32).hexdigest()
        self._probe()

    def __repr__(self) -> str:
        return (
            f"<FunctionDetector {getattr(self._function, '__qualname__', type(self._function).__name__)} {self.size} "
            f"px {''.join(self.bands)} {self.hash[:12]}>"
        )

    def score(self, images: np.ndarray, batch: int = 128) -> np.ndarray:
        """See `Detector.score`."""
        images = unmasked(images)
        if images.ndim != 4 or images.shape[1] != len(self.bands):
            raise InputError(
                f"detector: images have shape {images.shape}; expected (n, {len(self.bands)}, y, x), bands {self.bands}"
            )
        scores = np.full(len(images), np.nan)
        if not len(images):
            return scores
        start = crop_start(images.shape[-1], self.size)
        crop = images[:, :, start : start + self.size, start : start + self.size]
        rows = np.flatnonzero(np.isfinite(crop).any((2, 3)).all(1))
        for first in range(0, rows.size, batch):
            some = rows[first : first + batch]
            scores[some] = self._asked(crop[some])
        return scores

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """The logistic function of scores; it is fitted to nothing."""
        return expit(unmasked(scores).astype(np.float64)).astype(np.float32)

    def _asked(self, crop: np.ndarray) -> np.ndarray:
        ready = np.ascontiguousarray(np.where(np.isfinite(crop), crop, self._fill), np.float32)
        found = np.asarray(self._function(ready))
        if found.shape != (len(crop),):
            raise InputError(
                f"detector: the function gave shape {found.shape} for {len(crop)} images; expected ({len(crop)},)"
            )
        found = found.astype(np.float64)
        if not np.isfinite(found).all():
            raise InputError(
                f"detector: {int((~np.isfinite(found)).sum())} of {found.size} scores are not finite, though "
                "every pixel that it was shown is"
            )
        return found

    def _probe(self) -> None:
        """Ask for the same stamps in other company."""
        rng = np.random.Generator(np.random.PCG64(1))
        stamps = rng.normal(0, 0.01, (5, len(self.bands), self.size, self.size))
        y, x = np.mgrid[: self.size, : self.size] - self.size // 2
        stamps[1:] += np.exp(-0.5 * (np.hypot(y, x) / 3) ** 2) * np.array([0.05, 0.5, 5, 500])[:, None, None, None]
        together = self._asked(stamps)
        if np.unique(together).size == 1:
            raise InputError(
                "detector: an empty stamp, faint and bright galaxies and a star have one score "
                f"({together[0]:g}); expected scores that vary"
            )
        scale = max(1.0, float(together.std()))
        order = np.array([3, 0, 4, 2, 1])
        for company, found in (
            ("alone", np.array([self._asked(stamps[i : i + 1])[0] for i in range(5)])),
            ("without a bright star beside it", np.append(self._asked(stamps[:4]), together[4])),
            ("in another order", self._asked(stamps[order])[np.argsort(order)]),
            ("asked again", self._asked(stamps)),
        ):
            if (away := float(np.abs(found - together).max())) > PROBE_TOLERANCE * scale:
                raise InputError(
                    f"detector: a stamp that is {company} has another score, by {away:.3g}; expected one that "
                    "depends on its own pixels (normalise by fixed numbers, not by the batch; switch dropout "
                    "and batch norm to evaluation)"
                )
