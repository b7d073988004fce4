"""How good the scores are: ROC and precision-recall, calibration by stratum, shortcuts and nuisance."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lenscal.report.figures import style
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NONE = "The run has no judgement of its scores."
ROW = 0.155  # inches


def curves(inputs: Inputs) -> Figure | str:
    """ROC and precision-recall curve of the split test; dotted where it rests on fewer than ten negatives."""
    if inputs.judgement is None:
        return NONE
    table, measures = inputs.judgement["curves"], inputs.judgement["measures"]
    if table.empty:
        return f"There is no curve: {measures['why_not'].iloc[0]} in the split test."
    rows = measures.set_index("measure")
    area, precision = rows.iloc[0], rows.iloc[1]
    figure = style.new(style.PAGE, 2.7)
    left, right = figure.subplots(1, 2)
    floor = 0.5 / area["n_negative"]
    rate = np.maximum(table["false_positive_rate"].to_numpy(float), floor)
    few = table["few"].to_numpy(bool)
    left.fill_between(
        rate, table["recall_lower"], table["recall_upper"], step="post", color=style.BLUE, alpha=0.15, lw=0
    )
    split = int(few.sum())
    for part, line in ((slice(0, split + 1), ":"), (slice(split, None), "-")):
        left.step(rate[part], table["recall"].iloc[part], where="post", color=style.BLUE, ls=line)
        right.step(table["recall"].iloc[part], table["precision"].iloc[part], where="pre", color=style.RED, ls=line)
    left.plot(*(2 * [np.geomspace(floor, 1, 50)]), color="black", lw=0.8, ls="--")
    for threshold in inputs.thresholds["threshold"].values:
        above = table[table["threshold"] >= threshold]
        if len(above):
            left.plot(max(above["false_positive_rate"].iloc[-1], floor), above["recall"].iloc[-1], "o", color="black")
            right.plot(above["recall"].iloc[-1], above["precision"].iloc[-1], "o", color="black")
    left.set(xscale="log", xlim=(floor, 1), ylim=(0, 1.02), xlabel="false-positive rate", ylabel="recall")
    right.axhline(precision["prevalence"], color="black", lw=0.8, ls="--")
    right.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    named = lambda row: f"{row['value']:.3f} ({row['lower']:.3f} to {row['upper']:.3f})"  # noqa: E731
    left.set_title(f"AUC {named(area)}", loc="left")
    right.set_title(
        f"at a share of lenses of {precision['prevalence']:.2g}:\naverage precision {named(precision)}", loc="left"
    )
    return figure


def calibration(inputs: Inputs) -> Figure | str:
    """Predicted and observed shares of lenses, calibration error by stratum, and risk at each coverage."""
    if inputs.judgement is None:
        return NONE
    strata, bins, risk = (inputs.judgement[name] for name in ("strata", "bins", "risk"))
    if risk.empty:
        return f"There is no calibration: {strata['why_not'].iloc[0]} in the split test."
    figure = style.new(style.PAGE, max(2.8, 0.6 + ROW * len(strata)))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
    _reliability(left, bins)
    limit = inputs.settings.scores.calibration_error_max
    labels = [
        row["group"] if row["group"] == "all" else f"{row['group']}: {row['value']}"
        for row in strata.to_dict("records")
    ]
    _dots(middle, strata.assign(shown=strata["error"]), labels, style.BLUE)
    middle.axvline(limit, color="black", lw=0.8, ls="--", zorder=0)
    middle.set(xlim=(0, None), xlabel="calibration error")
    right.step(risk["coverage"], risk["risk"], where="post", color=style.GREEN)
    right.axhline(float(risk["risk"].iloc[-1]), color="black", lw=0.8, ls=":")
    right.set(xlim=(0, 1), ylim=(0, None), xlabel="coverage", ylabel="share of answers that is wrong")
    return figure


def _reliability(axes: Axes, bins: pd.DataFrame) -> None:
    """Reliability of the bins in which a probability can be told from nothing, of all and of each stratum that was
    judged.
    """
    whole = bins[bins["group"] == "all"]
    others = bins[bins["group"] != "all"]
    low = max(float(whole["upper"].min()) / 30, 1e-9) if len(whole) else 1e-4
    at = lambda values: np.maximum(np.asarray(values, float), low)  # noqa: E731
    axes.plot([low, 1], [low, 1], color="black", lw=0.8, ls="--", zorder=0)
    for _, part in others.groupby(["group", "value"], sort=False):
        axes.plot(at(part["predicted"]), at(part["observed"]), color=style.GREY, lw=0.6, alpha=0.7)
    x, y = at(whole["predicted"]), at(whole["observed"])
    ends = np.array([y - at(whole["lower"]), at(whole["upper"]) - y])
    axes.errorbar(x, y, yerr=np.maximum(ends, 0), fmt="o", color=style.BLUE, lw=1.0)
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(low * 0.7, 1.3),
        ylim=(low * 0.7, 1.3),
        xlabel="predicted",
        ylabel="observed share of lenses",
    )


def shortcuts(inputs: Inputs) -> Figure | str:
    """Classifiers of one part, shifts of the score, and correlations with nuisance."""
    if inputs.judgement is None:
        return NONE
    parts, nuisance, changed = inputs.judgement["shortcuts"], inputs.judgement["nuisance"], inputs.shifts
    assert changed is not None
    settings = inputs.settings.scores
    rows = max(len(parts), len(changed), len(nuisance))
    figure = style.new(style.PAGE, 0.8 + 0.25 * rows)
    left, middle, right = figure.subplots(1, 3)
    _dots(left, parts.assign(shown=parts["auc"]), [f"{part} alone" for part in parts["part"]], style.BLUE)
    left.axvline(0.5, color="black", lw=0.8, ls=":", zorder=0)
    for limit in {settings.core_auc_max, settings.annulus_auc_min}:
        left.axvline(limit, color="black", lw=0.8, ls="--", zorder=0)
    left.set(xlim=(0.3, 1), xlabel="AUC, lenses against matched negatives")
    moved = changed.assign(shown=changed["shift"], lower=changed["shift_lower"], upper=changed["shift_upper"])
    _dots(middle, moved, [textwrap.fill(name, 14) for name in changed["name"]], style.RED)
    middle.axvline(0, color="black", lw=0.8, ls=":", zorder=0)
    middle.set(xlabel="median shift of the score")
    labels = [textwrap.fill(about, 20) for about in nuisance["about"]]
    _dots(right, nuisance.assign(shown=nuisance["correlation"]), labels, style.GREEN)
    right.axvline(0, color="black", lw=0.8, ls=":", zorder=0)
    for sign in (-1, 1):
        right.axvline(sign * settings.nuisance_correlation_max, color="black", lw=0.8, ls="--", zorder=0)
    right.set(xlim=(-1, 1), xlabel="rank correlation with\nthe score of negatives")
    return figure


def _dots(axes: Axes, table: pd.DataFrame, labels: list[str], colour: str) -> None:
    """Values with 95 % intervals, one row each from the top; a word where there is none."""
    for i, row in enumerate(table.to_dict("records")):
        if row["why_not"] or not np.isfinite(row["shown"]):
            _word(axes, i)
            continue
        axes.plot([row["lower"], row["upper"]], [i, i], color=colour, lw=1.4, solid_capstyle="butt")
        axes.plot(row["shown"], i, "o", color=colour, clip_on=False)
    axes.set_yticks(range(len(labels)), labels, fontsize=style.SMALL)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _word(axes: Axes, row: int) -> None:
    where: Mapping[str, object] = {
        "va": "center",
        "ha": "center",
        "fontsize": style.SMALL,
        "color": style.GREY,
        "backgroundcolor": "white",
    }
    axes.text(0.5, row, "not judged", transform=axes.get_yaxis_transform(), **where)
