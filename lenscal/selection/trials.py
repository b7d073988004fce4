"""The trials behind a selection function: where each lies, whether it was found, its host, its density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal.arguments import finite, in_unit
from lenscal.errors import InputError

from .counting import bins


@dataclass(frozen=True, eq=False)
class Cut:
    """A score at or above which a trial is found, and the scores of the negatives that set it.

    Attributes
    ----------
    threshold, rate : float
        Score, and the false-positive rate that it was set for.
    negatives : (n,) array
        Scores.
    score : (trial,) array
    """

    threshold: float
    rate: float
    negatives: np.ndarray
    score: np.ndarray


@dataclass(frozen=True, eq=False)
class Trials:
    """One row a trial.

    Attributes
    ----------
    table : DataFrame
        All that is known of them.
    places : dict of str to (trial,) array
        Value along each axis.
    found : (trial,) array
        1, 0, or NaN for one that failed.
    host : (trial,) array
        A name or a number.
    id : (trial,) array or None
        Distinct; None where they have none.
    weight : (trial,) array or None
        Of its host in the population.
    density : str or None
        Column with ln of the density that it was drawn with.
    set_by_cell : bool
        Whether the number of trials in each cell was set beforehand.
    cut : Cut or None
    """

    table: pd.DataFrame
    places: dict[str, np.ndarray]
    found: np.ndarray
    host: np.ndarray
    id: np.ndarray | None = None
    weight: np.ndarray | None = None
    density: str | None = None
    set_by_cell: bool = False
    cut: Cut | None = None

    def cells(self, edges: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Number of the cell of each trial, and whether it is in one."""
        places, inside = bins(self.places, edges)
        shape = [ends.size - 1 for ends in edges.values()]
        return np.ravel_multi_index(places, shape), inside


def distinct(what: str, ids: np.ndarray) -> np.ndarray:
    """The ids, once each stands there once.

    Raises
    ------
    InputError
        Some are repeated or missing.
    """
    series = pd.Series(ids)
    if series.isna().any():
        raise InputError(f"{what}: {int(series.isna().sum())} of {series.size} trials have no id")
    if (again := series.duplicated()).any():
        raise InputError(
            f"{what}: {int(again.sum())} of {series.size} trials repeat an id (first: {series[again].iloc[0]}); a "
            "trial counts once: drop the copies"
        )
    return np.asarray(ids)


def rows_of(
    table: pd.DataFrame,
    axes: Mapping[str, np.ndarray],
    found: str,
    host: str | None,
    weight: str | None,
    density: str | None,
    id: str | None,
) -> Trials:
    """Trials of a table with one row each; columns are named as in `SelectionFunction.from_table`.

    Raises
    ------
    InputError
        An id or a density that cannot be one.
    """
    if density and (bad := int((~np.isfinite(table[density].to_numpy(float))).sum())):
        raise InputError(
            f"completeness: '{density}' is NaN or infinite in {bad} of {len(table)} rows; a trial that was drawn has a "
            "density above 0 and below infinity: give its logarithm"
        )
    return Trials(
        table.reset_index(drop=True),
        {name: finite(f"completeness: '{name}'", in_unit(name, table[name].to_numpy(), "1")) for name in axes},
        table[found].to_numpy(float, na_value=np.nan),
        np.arange(len(table)) if host is None else table[host].to_numpy(),
        None if id is None else distinct("completeness", table[id].to_numpy()),
        None if weight is None else table[weight].to_numpy(float),
        density,
    )
