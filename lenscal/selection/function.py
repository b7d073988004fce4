"""A selection function: how often a detector finds a lens, by its conditions, with the interval of that number; from a
run, from one's own trials or from counts, and the same object after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from lenscal.errors import InputError

from . import averaging, combining, differences, over_sky, pooling, populations, trends
from .asking import ask, frame, level_of
from .making import Made
from .reweighting import N_EFF_MIN, Density, Reweighted


@dataclass(frozen=True, eq=False)
class SelectionFunction(Made):
    """Completeness by condition, with intervals.

    Attributes
    ----------
    cube : Dataset
        Dims of the axes; n_injected, n_failed, n_detected, n_hosts, n_effective, design_effect, hosts_effective,
        fraction_detected, completeness (quantile), lower and upper (level), sufficient, status, as
        `schema.COMPLETENESS` has them. From a run, total_lower and total_upper hold the systematic errors as well.
    edges : dict of str to array
        Edges of the bins of each axis; a bin holds its lower edge, not its upper one.
    trials : Trials or None
        Trial by trial, where they are known: what `reweight`, `predict` and paired comparisons rest on.
    hosts : HostCounts or None
        Counts host by host: what the covariance of cells that share hosts rests on.
    """

    @overload
    def query(
        self, points: pd.DataFrame | Mapping[str, ArrayLike], level: float = ..., *, outside: str = ...
    ) -> pd.DataFrame: ...
    @overload
    def query(self, points: None = ..., level: float = ..., *, outside: str = ..., **axes: Any) -> Any: ...
    def query(
        self,
        points: pd.DataFrame | xr.Dataset | Mapping[str, ArrayLike] | None = None,
        level: float = 0.6827,
        *,
        outside: str = "refuse",
        **axes: Any,
    ) -> Any:
        """Completeness at some points, with its interval: ``query(theta_e=1.5, psf_fwhm=1.3, depth=23.5)``.

        Parameters
        ----------
        points : DataFrame, Dataset or mapping, optional
            A column for each axis in place of keywords; the answer is a DataFrame (of a Dataset, a Dataset).
        level : float
            Of the interval: 0.6827 or 0.95.
        outside : str
            ``refuse`` points outside of the axes, and NaN; or ``nan``: they have NaN and their status says so.
        **axes : numbers, arrays, Quantities, Series or DataArrays
            Points along each axis, in its unit or a Quantity; they broadcast.

        Returns
        -------
        Answer, DataFrame or Dataset
            completeness (median), lower, upper, n_effective and status in the shape of the points (`asking.Answer`),
            and total_lower, total_upper where the cube has them. Series give a DataFrame with their index, DataArrays a
            Dataset with their coordinates.

        Raises
        ------
        ValueError
            Points outside or NaN (unless `outside` is ``nan``), an axis that is missing or unknown, a unit that is not
            the axis's, or a level that the cube does not have.
        """
        if outside not in ("refuse", "nan"):
            raise InputError(f"query: outside is {outside!r}, expected 'refuse' or 'nan'")
        given = dict(axes) if points is None else {str(name): points[name] for name in points if name in self.edges}
        if points is not None and axes:
            raise InputError("query: points are given as a table and by keywords; give one of them")
        if lacking := [name for name in self.edges if name not in given]:
            raise InputError(f"query: the points lack {', '.join(lacking)}; expected {', '.join(self.edges)}")
        if strange := [name for name in given if name not in self.edges]:
            raise InputError(f"query: there is no axis {', '.join(strange)}; the axes are {', '.join(self.edges)}")
        level_of(self.cube, level)
        if points is None or isinstance(points, (xr.Dataset, pd.DataFrame)):
            return ask(self.cube, self.edges, given, level, outside)
        return frame(ask(self.cube, self.edges, given, level, outside))

    def marginalise(self, over: str | Sequence[str], weights: str | xr.DataArray = "area") -> SelectionFunction:
        """Completeness averaged over some axes; with none left, `query()` has the one number.

        The number is one share and has one prior. Cells that share hosts, such as those along the first axis, have
        errors that are told host by host, with their covariance.

        Parameters
        ----------
        over : str or sequence of str
            Axes to average over.
        weights : str or DataArray
            ``area`` (sky) or ``hosts`` (galaxies that may be hosts) of a run's seeing and depth; or how much there is
            in each cell, over the axes that go (and others, if it differs there).

        Returns
        -------
        SelectionFunction
            Its cube has, besides, `unknown` (share of the weight without an estimate), `insufficient` (share in cells
            with few trials or hosts), and `bound_lower`, `bound_upper` of the whole with completeness 0 and 1 in the
            unknown part.

        Raises
        ------
        ValueError
            No such axis, weights of other cells, or an average along the first axis of counts that do not say which
            hosts they share.
        """
        dims = (over,) if isinstance(over, str) else tuple(over)
        cube = averaging.average(self.cube, self.edges, self.hosts, dims, weights)
        return SelectionFunction(cube, {name: ends for name, ends in self.edges.items() if name not in dims})

    def sky_map(
        self, conditions: pd.DataFrame, nside: int = 256, theta_e: Mapping[float, float] | None = None
    ) -> xr.Dataset:
        """Completeness over the footprint, pixel by pixel, as `completeness.sky_map` has it. `conditions` are the
        survey's bricks (ra1, ra2, dec1, dec2) or its random points (ra, dec), with psfsize_r [arcsec], psfdepth_r [AB
        mag] and area [degree^2]; `theta_e` the weights of Einstein radii, for one number a pixel.
        """
        return over_sky.sky_map(self, conditions, nside, theta_e)

    def reweight(
        self,
        population: pd.DataFrame | Density,
        *,
        of: str | Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        n_eff_min: float = N_EFF_MIN,
        seed: int = 0,
    ) -> Reweighted:
        """Share found of another population, from all trials, those beyond the axes (in no cell) as well.

        Parameters
        ----------
        population : DataFrame or callable
            Systems, one row each; or a function that gives ln of the density (up to a constant) at a table of trials.
        of : str or sequence of str, optional
            What the density is of, where it is of a part: ``theta_e``, ``condition`` (seeing and depth), ``host``,
            ``parameters`` (of lens and source). All else stays as the trials were drawn, on hosts of the population
            of the selection function. All by default.
        features : sequence of str, optional
            Columns by which systems and trials are compared: `selection.FEATURES` of a run, else the axes.
        n_eff_min : float
            Effective trials below which there is no answer.
        seed : int
            It deals hosts into groups, with a table of systems.

        Returns
        -------
        Reweighted
            value, deviation, interval(level), n_eff.

        Raises
        ------
        SupportError
            The trials do not reach the population; the parameter at fault is named.
        ValueError
            There are no trials, no density they were drawn with, or a column is missing.
        """
        return populations.reweight(self.trials, self.edges, population, of, features, n_eff_min, seed)

    def predict(
        self,
        population: pd.DataFrame | Density,
        *,
        size: float | None = None,
        level: float = 0.6827,
        **options: Any,
    ) -> populations.Prediction:
        """How many of a population would be found, with the whole error: trials and hosts, threshold, and chance.

        Parameters
        ----------
        population
            As in `reweight`.
        size : float, optional
            Systems in the population; of a table its rows.
        level : float
            Of the intervals.
        **options
            As in `reweight`.
        """
        return populations.predict(self.trials, self.edges, population, size, level, options)

    def pooled(self, rising: str | Sequence[str] | None = None, seed: int = 0) -> SelectionFunction:
        """The same with a second estimate of each cell beside the first, which borrows from its neighbours.

        A hierarchical logistic surface, smooth along the axes, from which a column and a cell differ by as much as all
        cells say they do. Thin cells gain most. The first estimate stays as it is.

        Parameters
        ----------
        rising : str or sequence of str, optional
            Axes along which the surface does not fall on the whole: ``depth`` by default, where there is one.
        seed : int
            It deals cells into those that are held out.

        Returns
        -------
        SelectionFunction
            Its cube has pooled_completeness, pooled_lower, pooled_upper (level) and pooled_status (``pooled``, or
            ``predicted`` in cells without data); the attributes pooled_held_out_68 and _95 say in how many cells the
            interval predicted without it holds its own count.

        Raises
        ------
        ValueError
            Fewer than `pooling.CELLS_MIN` cells with trials, no such axis, or counts that do not say which hosts cells
            share.
        """
        up = ("depth",) if rising is None and "depth" in self.edges else rising or ()
        return replace(self, cube=pooling.pooled(self, (up,) if isinstance(up, str) else tuple(up), seed))

    def trend(self, along: str = "depth") -> pd.DataFrame:
        """Whether completeness falls from one bin of an axis to the next, beyond its error.

        Averages over the cells that have trials in every bin, each with the same weight.

        Parameters
        ----------
        along : str
            A condition of the hosts, along which completeness should rise.

        Returns
        -------
        DataFrame, one row a step
            from, to (centres), difference, lower, upper (95 %), falls (upper below 0); its attributes `alarm` (any
            falls), `judged` (all have an interval) and `cells`. Of a flat surface one step in 40 falls by chance.

        Raises
        ------
        ValueError
            No such axis, one bin alone, or bins that share hosts.
        """
        return trends.steps(self, along)

    def merge(self, along: str, trials_min: int) -> SelectionFunction:
        """Neighbouring bins of an axis put together until every cell has enough trials; the cube says which.

        Parameters
        ----------
        along : str
        trials_min : int
            Of the thinnest cell that has data anywhere along the axis.

        Returns
        -------
        SelectionFunction
            Counted anew by host, with wider bins; the attribute `merged` of its cube names the bins that were put
            together. Cells count by their trials.

        Raises
        ------
        ValueError
            No such axis, too few trials in all bins together, or counts that do not say which hosts cells share.
        """
        if along not in self.edges:
            raise InputError(f"merge: there is no axis {along}; the axes are {', '.join(self.edges)}")
        ends = trends.merged_edges(self, along, trials_min)
        return trends.merged(self, along, ends)

    def __or__(self, other: SelectionFunction) -> SelectionFunction:
        """Found by either: exact from trials that both tried, else bounds (status ``bounds``)."""
        if not isinstance(other, SelectionFunction):
            return NotImplemented
        return SelectionFunction(*combining.combined(self, other, "or"))

    def __and__(self, other: SelectionFunction) -> SelectionFunction:
        """Found by both: exact from trials that both tried, else bounds (status ``bounds``)."""
        if not isinstance(other, SelectionFunction):
            return NotImplemented
        return SelectionFunction(*combining.combined(self, other, "and"))

    def __sub__(self, other: SelectionFunction) -> xr.Dataset:
        """Completeness of the first less that of the second, cell by cell: paired where both tried the same trials,
        else from both intervals (status ``bounds``).
        """
        if not isinstance(other, SelectionFunction):
            return NotImplemented
        return differences.difference(self, other)
