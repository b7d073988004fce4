"""Real lenses beside injections: what was measured on both, and the blind panel."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lenscal.report.figures import style
from lenscal.report.figures.colour import grz
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NONE = "The run has no comparison of injections with real lenses."
COLOURS = {"real": style.RED, "injected": style.BLUE, "bare host": style.GREY}
QUANTITIES = {
    "snr_g": ("arc SNR (g)", -3, 25),
    "snr_r": ("arc SNR (r)", -3, 25),
    "colour_gr": ("arc g − r [mag]", -1.5, 2.5),
    "colour_rz": ("arc r − z [mag]", -1.5, 2.5),
    "radius": ("measured radius [arcsec]", 0.5, 3.3),
    "concentration": ("radial concentration", 0, 1),
    "extent": ("azimuthal extent", 0, 1),
    "opposite": ("light across / arc", -1, 1.5),
}
BINS = 20
PANEL_COLUMNS = 8


def measures(inputs: Inputs) -> Figure | str:
    """Histograms of what was measured on real lenses, injections and bare hosts."""
    if inputs.realism is None:
        return NONE
    table = inputs.realism["measures"]
    if not (table["sample"] == "real").any():
        return "The sample holds no anchor fit for use, so there is nothing to compare the injections with."
    figure = style.new(style.PAGE, 3.5)
    grid = figure.subplots(2, 4)
    for axes, (name, (label, low, high)) in zip(grid.flat, QUANTITIES.items()):
        for sample, colour in COLOURS.items():
            if sample == "bare host" and not name.startswith("snr"):
                continue
            values = table.loc[table["sample"] == sample, name].to_numpy(float)
            values = np.clip(values[~np.isnan(values)], low, high)
            if not values.size:
                continue
            axes.hist(
                values,
                np.linspace(low, high, BINS + 1),
                density=True,
                histtype="step",
                color=colour,
                lw=1.1,
                ls=":" if sample == "bare host" else "-",
            )
            axes.axvline(np.median(values), color=colour, lw=0.9, ls="--", zorder=0)
        axes.set(xlabel=label, xlim=(low, high))
        axes.yaxis.get_major_locator().set_params(nbins=4)
    for axes in grid[:, 0]:
        axes.set_ylabel("density")
    for sample, colour in COLOURS.items():
        count = int((table["sample"] == sample).sum())
        grid.flat[0].plot([], [], color=colour, ls=":" if sample == "bare host" else "-", label=f"{sample} ({count})")
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def noise(inputs: Inputs) -> Figure | str:
    """Densities of the fine noise around the arcs, band by band."""
    if inputs.realism is None:
        return NONE
    table, numbers = inputs.realism["noise_histogram"], inputs.realism["noise"].set_index("band")
    if not table["density"].to_numpy().any():
        return "No stamp has enough sky for its noise to be measured."
    figure = style.new(style.PAGE, 2.1)
    grid = figure.subplots(1, len(numbers), sharey=True)
    for axes, band in zip(grid, numbers.index):
        for sample in ("real", "injected"):
            part = table[(table["band"] == band) & (table["sample"] == sample)]
            coarse = part["density"].to_numpy().reshape(-1, 5).mean(1)
            at = part["fine_noise"].to_numpy().reshape(-1, 5).mean(1)
            axes.step(at, np.where(coarse > 0, coarse, np.nan), where="mid", color=COLOURS[sample], label=sample)
        row = numbers.loc[band]
        axes.set(yscale="log", xlabel=f"fine noise in {band} / that of its sky")
        axes.set_title(
            f"{band}: D {row['D']:.3f}, p {row['p_halves']:.2g}" if np.isfinite(row["D"]) else f"{band}: not measured"
        )
    grid[0].set_ylabel("density")
    grid[0].legend(loc="lower center")
    return figure


def tests(inputs: Inputs) -> Figure | str:
    """Areas of the probe, and changes of completeness, with their intervals."""
    if inputs.realism is None:
        return NONE
    probe, changes = inputs.realism["probe"], inputs.realism["sensitivity"]
    figure = style.new(style.PAGE, 0.75 + max(0.3 * len(probe), 0.2 * len(changes), 0.9))
    left, right = figure.subplots(1, 2)
    limit = inputs.settings.realism.probe_auc_max
    _dots(left, probe.assign(value=probe["auc"]), [textwrap.fill(text, 20) for text in probe["question"]], style.BLUE)
    left.axvline(0.5, color="black", lw=0.8, ls=":", zorder=0)
    left.axvline(limit, color="black", lw=0.8, ls="--", zorder=0)
    left.set(xlim=(0, 1), xlabel="AUC of the probe")
    _dots(
        right,
        changes.assign(value=changes["change"]),
        [f"{row['kind']}: {row['name']}" for row in changes.to_dict("records")],
        style.GREEN,
    )
    right.axvline(0, color="black", lw=0.8, ls=":", zorder=0)
    right.set(xlabel="change of completeness")
    return figure


def _dots(axes: Axes, table: pd.DataFrame, labels: list[str], colour: str) -> None:
    """Values with intervals, one row each from the top; a word where there is none."""
    for i, row in enumerate(table.to_dict("records")):
        if not np.isfinite(row["value"]):
            axes.text(
                0.5,
                i,
                "not judged",
                transform=axes.get_yaxis_transform(),
                va="center",
                ha="center",
                fontsize=style.SMALL,
                color=style.GREY,
            )
            continue
        axes.plot([row["from_95"], row["to_95"]], [i, i], color=colour, lw=1.4, solid_capstyle="butt")
        axes.plot(row["value"], i, "o", color=colour, clip_on=False)
    axes.set_yticks(range(len(labels)), labels, fontsize=style.SMALL)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def panel(inputs: Inputs) -> Figure | str:
    """The blind panel: numbered images without a word on what they are."""
    if inputs.realism is None:
        return NONE
    rows = inputs.realism["panel"]
    if rows.empty:
        return "The sample holds no anchor fit for use, so there is no blind panel."
    side, text = style.PAGE / PANEL_COLUMNS, 0.14
    height = -(-len(rows) // PANEL_COLUMNS) * (side + text)
    figure = style.new(style.PAGE, height)
    figure.set_layout_engine(None)
    for i, number in enumerate(rows["number"]):
        line, column = divmod(i, PANEL_COLUMNS)
        bottom = 1 - (line * (side + text) + side) / height
        axes = figure.add_axes(
            (column / PANEL_COLUMNS + 0.003, bottom, 1 / PANEL_COLUMNS - 0.006, (side - 0.04) / height)
        )
        axes.axis("off")
        axes.imshow(grz(inputs.panel_images[i]), origin="lower", interpolation="nearest")
        figure.text(
            (column + 0.5) / PANEL_COLUMNS,
            bottom - 0.015 / height,
            str(number),
            ha="center",
            va="top",
            fontsize=style.SMALL,
        )
    return figure
