"""Shares with their intervals: known lenses recovered, negatives called lenses, injections missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lenscal.report import summaries
from lenscal.report.figures import style
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {
    "pool": "pool",
    "confuser": "confuser class",
    "nobs_z_bin": "exposures in z",
    "type": "Tractor type",
    "psfsize_r": "PSFSIZE$_r$ [arcsec]",
    "psf_fwhm": "PSFSIZE$_r$ [arcsec]",
    "psfdepth_r": "depth [mag]",
    "depth": "depth [mag]",
    "theta_e": "θ$_E$ [arcsec]",
    "host_type": "type of host",
    "region": "region",
    "host_mag_r": "host r [mag]",
    "beta_fraction": "source offset / θ$_E$",
    "arc_snr": "arc SNR (r)",
}
ROW = 0.155  # inches
BESIDE = 1.04
"""Of the width of the axes: where counts stand, clear of a mark at the end."""


def at_first_threshold(inputs: Inputs, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table of shares at the first threshold."""
    return table[np.isclose(table["threshold"], inputs.thresholds["threshold"].values[0])].reset_index(drop=True)


def validation(inputs: Inputs) -> Figure | str:
    """Known lenses that were not trained on: share recovered, by tier and channel."""
    table = at_first_threshold(inputs, summaries.recovered(inputs))
    if not table["n"].iloc[0]:
        return (
            "The sample holds no scored anchor (a known lens outside the split train), so nothing "
            "was validated on known lenses."
        )
    labels = [f"{g}: {v}" if v else g for g, v in zip(table["group"], table["value"])]
    colour = {"all anchors": "black", "tier": style.BLUE, "channel": style.GREEN, "arc": style.ORANGE}
    figure = style.new(0.75 * style.PAGE, 0.6 + ROW * len(table))
    axes = figure.subplots()
    _dots(axes, table, labels, [colour.get(g, style.RED) for g in table["group"]])
    axes.set(xlim=(0, 1), xlabel="share recovered")
    return figure


def false_positives(inputs: Inputs) -> Figure | str:
    """Share of negatives at or above the threshold, by class and by condition."""
    if inputs.false_positives is None or not inputs.false_positives["n"].sum():
        return "The test split holds no scored negative, so no false-positive rate was measured."
    table = at_first_threshold(inputs, inputs.false_positives)
    seen = table.loc[table["k"] > 0, "rate"]
    low = 10 ** np.floor(np.log10(min(seen.min() if len(seen) else 1.0, 1 / table["n"].max())))
    rate = float(inputs.thresholds["false_positive_rate"].values[0])
    return _grouped(table, (low, 1.0), "log", "share called lenses", rate)


def missed(inputs: Inputs) -> Figure | str:
    """Share of injections below the threshold, by cell and by property."""
    if inputs.missed is None or not inputs.missed["n"].sum():
        return "The run has no table of missed injections."
    return _grouped(at_first_threshold(inputs, inputs.missed), (0.0, 1.0), "linear", "share missed", None)


def _grouped(table: pd.DataFrame, limits: tuple[float, float], scale: str, title: str, line: float | None) -> Figure:
    """Two columns of groups, each with a heading."""
    sizes = table.groupby("group", sort=False).size() + 1
    left = list(sizes.index[(sizes.cumsum() - sizes / 2) <= sizes.sum() / 2])
    columns = [part for part in (left, [g for g in sizes.index if g not in left]) if part]
    tallest = max(int(sizes[part].sum()) for part in columns)
    figure = style.new(style.PAGE, 0.55 + ROW * tallest)
    for axes, groups in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns):
        rows, labels, colours, heads = [], [], [], []
        for group in groups:
            part = table[table["group"] == group]
            if group != "all":
                heads.append(len(labels))
                rows.append({"n": -1, "k": 0})
                labels.append(NAMES.get(group, group.replace("_", " ")))
                colours.append("black")
            rows += part.to_dict("records")
            labels += [v.replace("_", " ") for v in part["value"].astype(str)]
            colours += [style.SERIES[list(sizes.index).index(group) % len(style.SERIES)]] * len(part)
        _dots(axes, pd.DataFrame(rows), labels, colours, limits[0] if scale == "log" else None)
        axes.set_ylim(tallest - 0.4, -0.6)
        for i in heads:
            axes.get_yticklabels()[i].set_fontweight("bold")
        if line is not None:
            axes.axvline(line, color="black", lw=0.8, ls=":", zorder=0)
        axes.set(xscale=scale, xlim=limits, xlabel=title)
    return figure


def _dots(axes: Axes, table: pd.DataFrame, labels: list[str], colours: list[str], floor: float | None = None) -> None:
    """Shares as dots with 68.27 % intervals, one row each from the top, and their counts; an open
    mark where there is no hit.

    On a logarithmic axis, which ends at `floor`, that mark is an arrow.
    """
    for i, (row, colour) in enumerate(zip(table.to_dict("records"), colours)):
        n, k = int(row["n"]), int(row["k"])
        if n < 0:
            continue
        axes.text(
            BESIDE,
            i,
            f"{k:,}/{n:,}" if n else "none",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=style.SMALL,
        )
        if n == 0:
            continue
        low, rate = (max(row[name], floor or 0.0) for name in ("lower_68", "rate"))
        axes.plot([low, row["upper_68"]], [i, i], color=colour, lw=1.4, solid_capstyle="butt")
        axes.plot(
            1.06 * rate if k == 0 else rate,
            i,
            "<" if k == 0 and floor else "o",
            color=colour,
            mfc="white" if k == 0 else colour,
            clip_on=False,
            zorder=3,
        )
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#DDDDDD", lw=0.4)
    axes.set_axisbelow(True)
