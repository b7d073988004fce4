"""Scores by what was scored, with the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lenscal import schema
from lenscal.report import summaries
from lenscal.report.figures import style
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def groups(inputs: Inputs) -> list[tuple[str, str, np.ndarray]]:
    """(label, colour, scores) of what was not trained on: lenses by tier, negatives by pool and
    class, injections by theta_E.
    """
    table = summaries.scored(inputs)
    table = table[table["split"].isin(summaries.JUDGED) & np.isfinite(table["score"])]
    value = table["score"].to_numpy(float)
    found = []
    for tier in schema.TIERS:
        if tier:
            found.append(
                (
                    f"lens, {tier}",
                    style.RED,
                    value[((table["pool"] == "positive") & (table["tier"] == tier)).to_numpy()],
                )
            )
    found.append(("N1", style.BLUE, value[(table["pool"] == "N1").to_numpy()]))
    for name in schema.CONFUSERS:
        found.append(
            (
                f"N2, {name}",
                style.GREEN,
                value[((table["pool"] == "N2") & (table["confuser_class"] == name)).to_numpy()],
            )
        )
    scores = inputs.scores_injections["score"]
    for theta_e in scores["theta_e"].values:
        one = scores.sel(theta_e=theta_e).values.astype(float)
        found.append((f"injected, {theta_e:g}″", style.PURPLE, one[np.isfinite(one)]))
    return [(label, colour, scores) for label, colour, scores in found if scores.size]


def distributions(inputs: Inputs) -> Figure | str:
    """Share of each population at or above a score, and the spread of each group."""
    rows = groups(inputs)
    if not rows:
        return "No galaxy outside the split train has a score."
    figure = style.new(style.PAGE, max(2.8, 0.9 + 0.155 * len(rows)))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    joined: dict[str, list[np.ndarray]] = {}
    names = {"lens": "known lenses", "N1": "N1", "N2": "N2", "injected": "injections"}
    for label, _, values in rows:
        joined.setdefault(names[label.split(",")[0]], []).append(values)
    lines = dict(zip(names.values(), ("-", "-", "--", "-.")))
    colours = dict(zip(names.values(), (style.RED, style.BLUE, style.GREEN, style.PURPLE)))
    floor = 1.0
    for name, parts in joined.items():
        values = np.sort(np.concatenate(parts))[::-1]
        share = np.arange(1, values.size + 1) / values.size
        floor = min(floor, share[0])
        left.step(values, share, where="post", color=colours[name], ls=lines[name], label=f"{name} ({values.size:,})")
    left.set(
        yscale="log", ylim=(max(floor, 1e-5) * 0.7, 1.3), xlabel="score (logit)", ylabel="share at or above the score"
    )
    for axes in (left, right):
        for threshold in inputs.thresholds["threshold"].values:
            axes.axvline(threshold, color="black", lw=0.8, ls=":", zorder=0)
    left.plot([], [], color="black", lw=0.8, ls=":", label="threshold")
    left.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, columnspacing=1.0)
    for i, (_, colour, values) in enumerate(rows):
        low, q1, q2, q3, high = np.percentile(values, [5, 25, 50, 75, 95])
        right.plot([low, high], [i, i], color=colour, lw=0.8)
        right.plot([q1, q3], [i, i], color=colour, lw=4, alpha=0.5, solid_capstyle="butt")
        right.plot(q2, i, "|", color="black", ms=6, mew=1.2)
    right.set_yticks(range(len(rows)), [f"{label} ({values.size:,})" for label, _, values in rows])
    right.set(ylim=(len(rows) - 0.4, -0.6), xlabel="score (logit): 5, 25, 50, 75, 95 %")
    right.tick_params(axis="y", length=0)
    right.spines["left"].set_visible(False)
    return figure
