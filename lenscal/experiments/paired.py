"""Outcomes of the same trials in two arms: how many changed sides, and how sure the change is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal.errors import InputError
from lenscal.kernels import proportions, twosamples

LEVEL = 0.95
COLUMNS = ("pairs", "base", "changed", "change", "from_95", "to_95", "lost", "won", "p", "mid_p")


@dataclass(frozen=True)
class Paired:
    """Counts of pairs: found in both arms, in the first alone (lost), in the second alone (won), in none."""

    both: int
    lost: int
    won: int
    neither: int

    @classmethod
    def of(cls, base: np.ndarray, changed: np.ndarray) -> Paired:
        """Pairs of outcomes.

        Parameters
        ----------
        base, changed : (n,) arrays
            1 or true where the trial is found, 0 where not, NaN where there is no outcome: such a pair is left out.

        Raises
        ------
        ValueError
            Arms of different lengths.
        """
        base, changed = np.asarray(base, float), np.asarray(changed, float)
        if base.shape != changed.shape:
            raise InputError(
                f"paired arms have {base.size} and {changed.size} outcomes; expected those of "
                "the same trials, in one order"
            )
        good = np.isfinite(base) & np.isfinite(changed)
        one, two = base[good] > 0.5, changed[good] > 0.5
        return cls(int((one & two).sum()), int((one & ~two).sum()), int((~one & two).sum()), int((~one & ~two).sum()))

    @classmethod
    def of_scores(cls, base: np.ndarray, changed: np.ndarray, threshold: float, other: float | None = None) -> Paired:
        """Pairs of scores: found at or above a threshold (of the second arm `other`, where it has its
        own); NaN is no outcome.
        """
        return cls.of(found(base, threshold), found(changed, threshold if other is None else other))

    @property
    def pairs(self) -> int:
        return self.both + self.lost + self.won + self.neither

    def row(self) -> dict:
        """`COLUMNS`: shares found, their change (second less first) with Newcombe's paired interval, discordant pairs,
        exact and mid-p of McNemar.
        """
        n = self.pairs
        change, lower, upper = proportions.paired_difference(self.both, self.lost, self.won, self.neither, LEVEL)
        p, mid_p = twosamples.mcnemar(self.lost, self.won)
        shares = ((self.both + own) / n if n else np.nan for own in (self.lost, self.won))
        return dict(zip(COLUMNS, (n, *shares, change, lower, upper, self.lost, self.won, p, mid_p)))


def found(score: np.ndarray, threshold: float) -> np.ndarray:
    """1.0 at or above a threshold, 0.0 below, NaN without a score."""
    score = np.asarray(score, float)
    return np.where(np.isfinite(score), score >= threshold, np.nan)


def compared(base: np.ndarray, arms: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Each arm beside the same base: name and `COLUMNS`; outcomes as in `Paired.of`."""
    return pd.DataFrame(
        [{"name": name, **Paired.of(base, outcome).row()} for name, outcome in arms.items()], columns=["name", *COLUMNS]
    )
