"""Two detectors on the same trials: the difference of their completeness, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lenscal.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lenscal.report.beside import Beside


def plans(beside: Beside) -> dict[str, Callable[[], Figure]]:
    """The figures of a report with another detector, at its first false-positive rate."""
    first = beside.parts[0]
    return {
        "beside_difference": partial(difference, first.cells, beside.names),
        "beside_scores": partial(scores, beside.trials, first.thresholds, beside.names),
    }


def difference(cells: pd.DataFrame, names: tuple[str, str]) -> Figure:
    """Second less first with its 95 % interval along theta_e, a panel a depth, a line a seeing.

    Parameters
    ----------
    cells : DataFrame
        As `experiments.two_detectors.compared` by theta_e, psf_fwhm, depth.
    names : pair of str
    """
    with style.styled():
        depths = sorted(cells["depth"].unique())
        wide = min(len(depths), 3)
        figure = style.new(style.PAGE, 2.5 * -(-len(depths) // wide))
        axes = np.atleast_1d(
            figure.subplots(-(-len(depths) // wide), wide, sharex=True, sharey=True, squeeze=False)
        ).ravel()
        seeing = sorted(cells["psf_fwhm"].unique())
        step = np.diff(sorted(cells["theta_e"].unique())).min(initial=0.5)
        for axis, depth in zip(axes, depths):
            axis.axhline(0, color=style.GREY, linewidth=0.6)
            for n, psf in enumerate(seeing):
                rows = cells[(cells["depth"] == depth) & (cells["psf_fwhm"] == psf)].sort_values("theta_e")
                shift = step * 0.1 * (n - (len(seeing) - 1) / 2)
                low, high = rows["difference"] - rows["lower"], rows["upper"] - rows["difference"]
                axis.errorbar(
                    rows["theta_e"] + shift,
                    rows["difference"],
                    np.stack([low, high]),
                    fmt=style.MARKERS[n % 6],
                    linestyle="-",
                    color=style.SERIES[n % 6],
                    capsize=1.5,
                    label=f"PSFSIZE_R {psf:g} arcsec",
                )
            axis.set_title(f"depth {depth:g} mag")
            axis.set_xlabel("θ_E [arcsec]")
        for axis in axes[len(depths) :]:
            axis.set_axis_off()
        axes[0].set_ylabel(f"completeness of {names[1]}\nless that of {names[0]}")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 4))
        return figure


def scores(trials: pd.DataFrame, thresholds: tuple[float, float], names: tuple[str, str]) -> Figure:
    """Score of one against score of the other, with both thresholds."""
    with style.styled():
        figure = style.new(style.COLUMN, 3.0)
        axis = figure.subplots()
        axis.hexbin(trials["first"], trials["second"], gridsize=60, bins="log", cmap="Greys", linewidths=0)
        axis.axvline(thresholds[0], color=style.BLUE, linewidth=0.8)
        axis.axhline(thresholds[1], color=style.RED, linewidth=0.8)
        axis.set_xlabel(f"score of {names[0]} (line: its threshold)")
        axis.set_ylabel(f"score of {names[1]} (line: its threshold)")
        return figure
