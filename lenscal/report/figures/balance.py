"""The sample: what each split is made of, and the rows after each filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lenscal import schema
from lenscal.report.figures import style
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CONDITIONS = {"psfsize_r": "PSFSIZE_R [arcsec]", "psfdepth_r": "PSFDEPTH_R [mag]", "nobs_z": "exposures in z"}
_TYPE_COLOURS = {
    "PSF": style.GREY,
    "REX": style.SKY,
    "EXP": style.GREEN,
    "DEV": style.RED,
    "SER": style.BLUE,
    "DUP": style.PURPLE,
}
_ASIDE = ("galaxies matched to a positive", "of these positives")  # counted on the way, no filter
_INK = {"train": "#666666", "val": style.ORANGE, "test": style.BLUE}


def splits(inputs: Inputs) -> Figure | str:
    """Conditions and types of each split: if the splits differ, a score may tell of the sky and not of lenses."""
    table = inputs.manifest
    names = [s for s in schema.SPLITS[:3] if table["split"].eq(s).any()]
    if len(names) < 2:
        return "The sample has one split, so there is nothing to balance."
    figure = style.new(style.PAGE, 1.9)
    axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.15))
    for one, (name, label) in zip(axes, _CONDITIONS.items()):
        _shares_below(one, inputs, name, names)
        one.set_xlabel(label)
    axes[0].set_ylabel("share of the split below")
    key = axes[0].legend(ncols=5, loc="lower left", bbox_to_anchor=(0.0, 1.0), handlelength=1.2, columnspacing=1.0)
    key.set_in_layout(False)  # it may reach over the next axes
    _types(axes[3], inputs, names)
    return figure


def _shares_below(axes: Axes, inputs: Inputs, name: str, splits: list[str]) -> None:
    table = inputs.manifest
    values = table[name].to_numpy("f8")
    known = np.isfinite(values) & (values >= 0)
    for split in splits:
        here = known & table["split"].eq(split).to_numpy(bool)
        for label, line, width in ((0, "-", 1.2), (1, ":", 1.2)):
            part = np.sort(values[here & table["label"].eq(label).to_numpy(bool)])
            if part.size:
                share = np.arange(1, part.size + 1) / part.size
                axes.step(
                    part, share, where="post", color=_INK[split], ls=line, lw=width, label=split if label == 0 else None
                )
    axes.plot([], [], color="black", ls="-", label="negatives")
    axes.plot([], [], color="black", ls=":", label="positives")
    axes.set_ylim(0, 1.02)


def _types(axes: Axes, inputs: Inputs, splits: list[str]) -> None:
    table = inputs.manifest
    left = np.zeros(len(splits))
    types = [t for t in schema.TYPES if table["type"].eq(t).any()]
    for name in types:
        share = np.array([float(table.loc[table["split"] == split, "type"].eq(name).mean()) for split in splits])
        axes.barh(range(len(splits)), share, left=left, color=_TYPE_COLOURS[name], height=0.7, label=name)
        left += share
    axes.set(yticks=range(len(splits)), xlim=(0, 1), xlabel="share of the types, all rows")
    axes.set_yticklabels(splits)
    axes.invert_yaxis()
    axes.legend(
        ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1.0), handlelength=0.8, handletextpad=0.3, columnspacing=0.8
    )


def waterfall(inputs: Inputs) -> Figure | str:
    """Rows after each filter, of each class of N2, and of each pool."""
    table = inputs.waterfall
    if table is None or table.empty or table["step"].iloc[0] == "rows":  # as `manifest.external` counts them
        return "The sample came with its own rows: nothing was filtered."
    figure = style.new(style.PAGE, 0.35 + 0.135 * len(table))
    axes = figure.subplots()
    steps, rows = table["step"].astype(str), table["rows"].to_numpy(float)
    colours = [
        style.GREEN
        if s.startswith("N2")
        else style.RED
        if s.startswith("pool")
        else style.GREY
        if s in _ASIDE
        else style.BLUE
        for s in steps
    ]
    axes.barh(range(len(table)), np.maximum(rows, 0.5), color=colours, height=0.72)
    for y, count in enumerate(rows):
        axes.text(max(count, 0.6) * 1.08, y, f"{int(count):,}", va="center", fontsize=style.SMALL)
    axes.set_xscale("log")
    axes.set_xlim(0.5, max(rows.max(), 10) * 5)
    axes.set_yticks(range(len(table)), steps)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel("rows")
    return figure
