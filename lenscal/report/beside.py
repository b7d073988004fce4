"""Another detector on the same trials, as the page and the report speak of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd


class Part(NamedTuple):
    """One false-positive rate: all trials, cells, and everything that is not an injection."""

    rate: float
    thresholds: tuple[float, float]
    overall: pd.DataFrame
    cells: pd.DataFrame
    others: pd.DataFrame


class Beside(NamedTuple):
    """Two detectors: their names and hashes, the trials that both scored (`experiments.two_detectors.joined`), and a
    part for each false-positive rate that both were asked for.
    """

    names: tuple[str, str]
    hashes: tuple[str, str]
    trials: pd.DataFrame
    parts: Sequence[Part]
