"""Shares with their intervals: known lenses recovered, negatives called lenses."""

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


def _at_first_threshold(inputs: Inputs, table: pd.DataFrame) -> pd.DataFrame:
    return table[np.isclose(table["threshold"], inputs.thresholds["threshold"].values[0])].reset_index(drop=True)


def _panel(axes: Axes, table: pd.DataFrame, colours: list[str], labels: list[str]) -> None:
    style.dots(axes, table["rate"].to_numpy(float), table["lower"].to_numpy(float), table["upper"].to_numpy(float), colours)
    axes.set_yticks(range(len(table)), labels)
    for i, (k, n) in enumerate(zip(table["k"], table["n"])):
        axes.text(1.01, i, f"{k:,}/{n:,}" if n else "none", transform=axes.get_yaxis_transform(), va="center", fontsize=style.SMALL)


def validation(inputs: Inputs) -> Figure | str:
    """Known lenses that were not trained on: share recovered, by tier and channel."""
    table = _at_first_threshold(inputs, summaries.recovered(inputs))
    if not table["n"].iloc[0]:
        return "The sample holds no scored anchor (a known lens outside the split train), so nothing was validated on real lenses."
    labels = [f"{g}: {v}" if v else g for g, v in zip(table["group"], table["value"])]
    colour = {"all anchors": "black", "tier": style.BLUE, "channel": style.GREEN}
    figure = style.new(0.75 * style.PAGE, 0.65 + 0.19 * len(table))
    axes = figure.subplots()
    _panel(axes, table, [colour.get(g, style.RED) for g in table["group"]], labels)
    axes.set(xlim=(0, 1), xlabel="share recovered, 68.27 % interval")
    return figure


def false_positives(inputs: Inputs) -> Figure | str:
    """Share of negatives at or above the threshold, by class and by condition."""
    if inputs.false_positives is None or inputs.false_positives.empty:
        return "The run has no table of false positives."
    table = _at_first_threshold(inputs, inputs.false_positives)
    groups = list(dict.fromkeys(table["group"].astype(str)))
    columns: list[list[str]] = [[], []]
    for group in groups:  # balance the two columns, in order
        heights = [sum((table["group"].isin(c)).sum() + len(c) for c in columns[:1]), len(table) + len(groups)]
        columns[0 if heights[0] < heights[1] / 2 else 1].append(group)
    columns = [c for c in columns if c]
    tallest = max(int(table["group"].isin(c).sum()) + len(c) for c in columns)
    figure = style.new(style.PAGE, 0.7 + 0.165 * tallest)
    positive = table.loc[table["rate"] > 0, "rate"]
    bounds = pd.concat([positive, table["upper"].dropna()])
    low = 10 ** np.floor(np.log10(min(bounds.min(), 0.01))) if len(bounds) else 1e-3
    grid = figure.subplots(1, len(columns), squeeze=False)[0]
    for axes, chosen in zip(grid, columns):
        rows, labels, colours, heads = [], [], [], []
        for group in chosen:
            heads.append(len(rows))
            rows.append({"rate": np.nan, "lower": np.nan, "upper": np.nan, "k": 0, "n": -1})
            labels.append(group.replace("_", " "))
            part = table[table["group"] == group]
            rows += part[["rate", "lower", "upper", "k", "n"]].to_dict("records")
            labels += [str(v) for v in part["value"]]
            colours += ["black", *[style.SERIES[groups.index(group) % len(style.SERIES)]] * len(part)]
        drawn = pd.DataFrame(rows)
        clipped = drawn.assign(lower=drawn["lower"].clip(lower=low / 2), rate=drawn["rate"].where(drawn["rate"] != 0, low))
        style.dots(axes, clipped["rate"].to_numpy(float), clipped["lower"].to_numpy(float), clipped["upper"].to_numpy(float), colours)
        for i in drawn.index[(drawn["rate"] == 0)]:
            axes.plot(low, i, "<", color=colours[i], mfc="white", clip_on=False, zorder=4)
        axes.set_yticks(range(len(drawn)), labels)
        for i in heads:
            axes.get_yticklabels()[i].set_fontweight("bold")
        for i, (k, n) in enumerate(zip(drawn["k"], drawn["n"])):
            if n >= 0:
                axes.text(1.01, i, f"{int(k):,}/{int(n):,}", transform=axes.get_yaxis_transform(), va="center", fontsize=style.SMALL)
        rate = float(inputs.thresholds["false_positive_rate"].values[0])
        axes.axvline(rate, color="black", lw=0.8, ls=":", zorder=0)
        axes.set(xscale="log", xlim=(low, 1.0), xlabel="share called lenses, interval")
    return figure
