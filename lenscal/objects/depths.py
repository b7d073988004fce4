"""Depths of a sweep: six columns of one unit, which the file does not say, become AB magnitudes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.kernels import magnitudes
from lenscal.objects.columns import ObjectsError

_DEPTHS = ("PSF", "GAL")
DEPTHS = tuple(f"{kind}DEPTH_{band}" for kind in _DEPTHS for band in "GRZ")
_RATIO = (0.1, 1.05)  # of GALDEPTH over PSFDEPTH as inverse variances; a galaxy is harder to see than a star
_LIKE_MAGNITUDES = (
    15.0,
    30.0,
)  # nearly all depths of a file lie here only when they are magnitudes: bands differ by more than 0.4 mag


def depth_magnitude(ivar: np.ndarray) -> np.ndarray:
    """5-sigma AB magnitude of a depth in nanomaggy^-2; NaN where it is zero or negative."""
    return magnitudes.depth(ivar, schema.ZEROPOINT)


def depths_are_inverse(raw: pd.DataFrame) -> bool:
    """Whether one depth of these rows is above 40, or above 0 and below 15: all six columns of a file share a unit,
    and no magnitude is such.
    """
    return any(magnitudes.are_inverse(raw[name].to_numpy()) for name in DEPTHS)


@dataclass(frozen=True)
class Depths:
    """How many depths of a file are known, and how many of these are as magnitudes are; parts of a file add."""

    known: int = 0
    like_magnitudes: int = 0

    @classmethod
    def of(cls, raw: pd.DataFrame) -> Depths:
        """Of these rows, all six columns."""
        low, high = _LIKE_MAGNITUDES
        values = [raw[name].to_numpy() for name in DEPTHS]
        return cls(
            sum(int(np.count_nonzero(v > 0)) for v in values),
            sum(int(np.count_nonzero((v >= low) & (v <= high))) for v in values),
        )

    def __add__(self, other: Depths) -> Depths:
        return Depths(self.known + other.known, self.like_magnitudes + other.like_magnitudes)

    def check(self, sweep_file: str, rows: int) -> None:
        """Refuse a file that was taken for inverse variances though nearly all of it looks like magnitudes.

        Raises
        ------
        ObjectsError
            With the number of depths that tell.
        """
        if self.like_magnitudes >= 0.9 * self.known > 0:
            raise ObjectsError(
                f"'{sweep_file}' ({rows:,} rows): {self.known - self.like_magnitudes:,} of {self.known:,} depths can "
                f"be no magnitudes, and the others lie in {_LIKE_MAGNITUDES} as magnitudes do; expected inverse "
                "variances (1/nanomaggy^2) or AB magnitudes in all six columns: fetch the file again"
            )


def in_magnitudes(
    raw: pd.DataFrame, sweep_file: str, row_start: int, inverse: bool, bands: Sequence[str] = schema.BANDS
) -> dict[str, np.ndarray]:
    """Depths in magnitudes; NaN where they are zero or negative."""
    letters = [band.upper() for band in bands]
    values = {f"{kind}DEPTH_{band}": raw[f"{kind}DEPTH_{band}"].to_numpy("f8") for kind in _DEPTHS for band in letters}
    values = {name: np.where(v > 0, v, np.nan) for name, v in values.items()}
    if not inverse:
        if wrong := sum(int(np.count_nonzero(magnitudes.no_magnitudes(v))) for v in values.values()):
            raise ObjectsError(
                f"'{sweep_file}': {wrong:,} depths from row {row_start:,} on can be no magnitudes, and the file says "
                "that they are; expected the unit of the values: 1/nanomaggy^2, or AB magnitudes"
            )
        return values
    low, high = _RATIO
    for band in letters:
        ratio = values[f"GALDEPTH_{band}"] / values[f"PSFDEPTH_{band}"]
        ratio = ratio[np.isfinite(ratio)]
        if ratio.size and not low <= np.median(ratio) <= high:
            outside = int(np.count_nonzero((ratio < low) | (ratio > high)))
            raise ObjectsError(
                f"'{sweep_file}': GALDEPTH_{band} over PSFDEPTH_{band} lies outside {_RATIO} in {outside:,} of "
                f"{ratio.size:,} rows from row {row_start:,} on ({np.median(ratio):.3g} in the median): one of them "
                "is in magnitudes or in another unit; expected inverse variances in both"
            )
    return {name: depth_magnitude(v) for name, v in values.items()}
