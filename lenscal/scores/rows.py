"""Scored cutouts as a table, and the sample that judges a detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from lenscal.kernels import draws

NAMES = (
    "galaxy_id",
    "ra",
    "dec",
    "split",
    "pool",
    "tier",
    "role",
    "label",
    "host",
    "type",
    "nobs_z_bin",
    "psfsize_r",
    "psfdepth_r",
    "mag_r",
    "cutout_ok",
    "arc_snr",
    "score",
    "probability",
)
OPTIONAL = ("region",)
AT_ONCE = 8_000_000  # weights of resamples in memory


def table(scores: xr.Dataset) -> pd.DataFrame:
    """One row for each cutout, with `negative`: whether it is of the pools N1 and N2."""
    columns = {name: scores[name].values for name in (*NAMES, *(name for name in OPTIONAL if name in scores))}
    found = pd.DataFrame({name: v.astype(object) if v.dtype.kind in "OTU" else v for name, v in columns.items()})
    found["negative"] = (found["label"] == 0) & found["pool"].isin(["N1", "N2"])
    return found


@dataclass(frozen=True)
class Sample:
    """Lenses and negatives of one split that have a score, in the order of their ids, and resamples of them.

    Attributes
    ----------
    rows : DataFrame
        Of `table`.
    seed : int
        Of the run: the weight of a galaxy in a resample depends on it and on the galaxy's id alone.
    resamples : int
    """

    rows: pd.DataFrame
    seed: int
    resamples: int

    @classmethod
    def of_split(cls, scored: pd.DataFrame, split: str, seed: int, resamples: int) -> Sample:
        """The lenses and negatives of a split that have a score."""
        judged = (scored["label"] == 1) | scored["negative"]
        chosen = scored[(scored["split"] == split) & judged & np.isfinite(scored["score"])]
        return cls(chosen.sort_values("galaxy_id", ignore_index=True), seed, resamples)

    @cached_property
    def score(self) -> np.ndarray:
        return self.rows["score"].to_numpy(np.float64)

    @cached_property
    def probability(self) -> np.ndarray:
        return self.rows["probability"].to_numpy(np.float64)

    @cached_property
    def positive(self) -> np.ndarray:
        return (self.rows["label"] == 1).to_numpy()

    @cached_property
    def ids(self) -> np.ndarray:
        return self.rows["galaxy_id"].to_numpy(np.int64)

    @property
    def few(self) -> int:
        """Members of the smaller class."""
        return int(min(self.positive.sum(), (~self.positive).sum()))

    def why_not(self, least: int = 1, of: str = "") -> str:
        """Why nothing can be said of it; empty where both classes have at least so many members."""
        if self.few >= least:
            return ""
        return (
            f"{int(self.positive.sum())} scored lenses and {int((~self.positive).sum())} scored "
            f"negatives{of}, fewer than {least}"
        )

    def where(self, inside: np.ndarray) -> Sample:
        """Some of its rows."""
        return Sample(self.rows[inside].reset_index(drop=True), self.seed, self.resamples)

    def resampled(self, statistic: Callable[[np.ndarray, slice], np.ndarray]) -> np.ndarray:
        """A statistic of every resample, from the weights (draw, n) of some of them and which they are."""
        return np.concatenate([statistic(weights, part) for weights, part in self._parts()])

    def _parts(self) -> Iterator[tuple[np.ndarray, slice]]:
        step = max(1, AT_ONCE // max(self.ids.size, 1))
        if step >= self.resamples:
            yield self._all, slice(0, self.resamples)
            return
        for first in range(0, self.resamples, step):
            part = slice(first, min(first + step, self.resamples))
            yield self._weights(part), part

    @cached_property
    def _all(self) -> np.ndarray:
        return self._weights(slice(0, self.resamples))

    def _weights(self, part: slice) -> np.ndarray:
        return draws.resampled(self.seed, "judgement galaxy", self.ids, range(part.start, part.stop))
