"""How a selection function is made: of trials, of counts, or of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from lenscal import completeness, config
from lenscal.arguments import columns
from lenscal.errors import InputError

from . import cells, opening
from .cells import HostCounts, hosts_of, named
from .counting import _counts, _edges, _places, outcomes
from .trials import Trials, rows_of


@dataclass(frozen=True, eq=False)
class Made:
    """The parts of a selection function, as in `function.SelectionFunction`."""

    cube: xr.Dataset
    edges: dict[str, np.ndarray]
    trials: Trials | None = field(default=None, repr=False)
    hosts: HostCounts | None = field(default=None, repr=False)

    @classmethod
    def from_table(
        cls,
        table: pd.DataFrame,
        axes: Mapping[str, ArrayLike],
        *,
        found: str = "found",
        trials: str | None = None,
        host: str | None = "host",
        weight: str | None = None,
        density: str | None = None,
        id: str | None = None,
        settings: config.Completeness | None = None,
    ) -> Self:
        """Completeness of trials in a table, by the same counts and posterior as a run's cube.

        Trials on one host are alike, so that they tell less than as many independent ones: the binomial is given
        effective counts, by the correlation of trials within hosts at each step of the first axis
        (docs/stages/completeness.md).

        Parameters
        ----------
        table : DataFrame, one row a trial
            Or one row for several trials of one host in one cell, with their number in the column `trials`.
        axes : dict of str to (n + 1,) array
            Edges of the bins of each axis, which is a column of the table; a Quantity says its unit. The first is the
            one that changes among the trials of a host (such as theta_e), the others are conditions of the host (such
            as seeing and depth).
        found : str
            Column with true or 1 where the detector found the trial, false or 0 where not, NaN where the trial failed;
            with `trials`, how many it found.
        trials : str, optional
            Column with the number of trials of a row.
        host : str or None
            Column that names the host; None where every trial has a host of its own.
        weight : str, optional
            Column with the weight of a host in the population that is meant, the same in all its trials.
        density : str, optional
            Column with ln of the density that a trial was drawn with, of all that was drawn: `reweight` asks for it.
        id : str, optional
            Column that names the trial, once each: two detectors that tried the same trials are joined by it.
        settings : config.Completeness, optional
            Prior, kind of interval, and how many trials and hosts are sufficient; those of a run by default.

        Returns
        -------
        SelectionFunction
            Attribute `outside` of its cube: trials beyond the axes, which are in no cell.

        Raises
        ------
        ValueError
            A column that is missing, more found than tried, a value that is neither found nor missed, an axis without
            rising edges or with values that are not finite, a host without a name, weights that are negative or change
            within a host, a trial that stands there twice, a density that is NaN or infinite, or no trial at all.
        """
        settings = settings or config.Completeness()
        edges = _edges(axes)
        columns("completeness: the table", table, [*edges, found, *filter(None, (trials, host, weight, density, id))])
        n, k, failed = outcomes(table, found, trials)
        places, inside = _places(table, edges)
        if not (n[inside].sum() > 0):
            raise InputError(
                f"completeness: none of the {len(table)} rows holds a trial within the axes "
                f"{', '.join(edges)}; widen the edges"
            )
        counts = _counts(table, places, inside, n, k, failed, edges, host, weight)
        units = {str(name): str(getattr(given, "unit", "1") or "1") for name, given in axes.items()}
        cube = named(completeness.posterior(counts, settings), edges, units)
        own = None if trials else rows_of(table, edges, found, host, weight, density, id)
        return cls(cube.assign_attrs(outside=int((n + failed)[~inside].sum())), edges, own, hosts_of(counts))

    @classmethod
    def from_counts(
        cls,
        counts: pd.DataFrame | xr.Dataset | xr.DataArray,
        *,
        k: str | ArrayLike = "k",
        n: str | ArrayLike = "n",
        hosts: str | ArrayLike | None = "hosts",
        correlation: float = 1.0,
        settings: config.Completeness | None = None,
    ) -> Self:
        """Completeness of cells of which only the counts are known, such as a published table.

        Parameters
        ----------
        counts : DataFrame, Dataset or DataArray
            One row a cell: its centre along each axis (every column that is not k, n or hosts; cells
            without a row have no data); or variables over the
            axes; or the detections over the axes, with `n` (and `hosts`) as arrays. Edges lie half way between centres;
            a coordinate's attribute `half_width` says where the last ones end, `units` its unit.
        k, n : str or array
            Found, and tried.
        hosts : str or array, optional
            Distinct hosts of the trials of each cell; without them (None, or no column `hosts`) each trial has its own.
        correlation : float
            Of the outcomes of trials on one host, in [0, 1]. It cannot be told from counts of cells: by default all
            trials of a host count as one, which no interval can be wider than.
        settings : config.Completeness, optional

        Raises
        ------
        ValueError
            More found than tried, counts that are not whole numbers of 0 or more, a cell that stands there twice, more
            hosts than trials, or no trial at all.
        """
        if not 0 <= correlation <= 1:
            raise InputError(f"from_counts: correlation is {correlation}, expected a number from 0 to 1")
        values, edges, units = cells.counted(counts, k, n, hosts)
        cells.possible(values)
        if not values["n"].sum() > 0:
            raise InputError("from_counts: no cell has a trial (n is 0 everywhere); completeness of nothing is unknown")
        cube = cells.cube_of_counts(values, edges, units, correlation, settings or config.Completeness())
        return cls(cube, edges)

    @classmethod
    def from_run(cls, source: Any, population: str | None = None, threshold: int = 0) -> Self:
        """The selection function that a run has measured.

        Parameters
        ----------
        source : Dataset, path or FinishedRun
            The cube, ``lenscal.open_run(path)["completeness"]``; or the run itself (its run file, the folder of its
            stores, or ``lenscal.open_run(path)``), which brings the trials with their densities as well.
        population : str, optional
            Of hosts; the one that the run means by default.
        threshold : int
            Position along `threshold`.

        Raises
        ------
        ValueError
            It is no cube of completeness, has no such population or threshold, or is not of the detector and threshold
            of its scores.
        """
        return cls(*opening.of_run(source, population, threshold))
