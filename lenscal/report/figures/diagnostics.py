"""What lies behind the numbers: noise and quality of the cutouts, training, injections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lenscal.report import summaries
from lenscal.report.figures import style
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_TICKS = [step * 10.0**power for power in range(-3, 6) for step in (1, 3)]


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float).ravel()
    return values[np.isfinite(values)]


def quality(inputs: Inputs) -> Figure:
    """Measured noise against the survey's, its correlation, and why cutouts were put aside."""
    good = inputs.quality.isel(galaxy=np.flatnonzero(inputs.quality["cutout_ok"].values))
    figure = style.new(style.PAGE, 2.3)
    noise, correlation, reasons = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
    panels = (
        (
            noise,
            lambda p: p["sigma"].values.astype(float) ** 2 * p["sky_invvar"].values,
            np.linspace(0, 2.5, 51),
            "σ² × survey inverse variance",
        ),
        (correlation, lambda p: p["noise_correlation"].values, np.linspace(0, 5, 51), "noise correlation"),
    )
    for axes, measure, edges, label in panels:
        for band in good["band"].values:
            values = _finite(measure(good.sel(band=band)))
            axes.hist(
                np.clip(values, edges[0], edges[-1]),
                edges,
                histtype="step",
                color=style.BAND_COLOURS[str(band)],
                ls=style.BAND_LINES[str(band)],
                label=f"{band} ({values.size:,})",
            )
        axes.axvline(1, color=style.GREY, lw=0.7, ls=":")
        axes.set(xlabel=label, ylabel="cutouts")
        axes.margins(x=0)
    noise.set_ylim(top=1.45 * noise.get_ylim()[1])
    noise.legend(loc="upper right")
    table = summaries.reasons(inputs)
    reasons.barh(
        range(len(table)), np.maximum(table["rows"], 0.5), color=[style.BLUE, *[style.ORANGE] * (len(table) - 1)]
    )
    for i, rows in enumerate(table["rows"]):
        reasons.text(max(rows, 0.6) * 1.15, i, f"{rows:,}", va="center", fontsize=style.SMALL)
    reasons.set_yticks(range(len(table)), table["reason"])
    reasons.set(xscale="log", xlim=(0.5, 12 * max(10, table["rows"].max())), xlabel="cutouts")
    reasons.set_ylim(max(len(table), 4) - 0.4, -0.6)
    return figure


def history(inputs: Inputs) -> Figure | str:
    """Loss and AUC of the validation split, epoch by epoch."""
    table = inputs.history
    if table is None or table.empty:
        return "The detector was brought by the run file; its training is not part of this run."
    figure = style.new(style.PAGE, 2.1)
    loss, area = figure.subplots(1, 2)
    best = int(table.loc[table["val_loss"].idxmin(), "epoch"])
    loss.plot(table["epoch"], table["train_loss"], "o-", color=style.GREY, label="training")
    loss.plot(table["epoch"], table["val_loss"], "s-", color=style.BLUE, label="validation")
    area.plot(table["epoch"], table["val_auc"], "s-", color=style.BLUE)
    for axes, label in ((loss, "loss"), (area, "AUC, validation split")):
        axes.axvline(best, color="black", lw=0.8, ls=":", label="epoch kept")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(color="#DDDDDD", lw=0.4)
    loss.set_ylim(bottom=0)
    loss.legend()
    return figure


def injections(inputs: Inputs) -> Figure | str:
    """Magnification and arc SNR of the injections, and the share recovered against SNR."""
    score = inputs.scores_injections["score"].transpose(*inputs.injections["magnification"].dims).values.ravel()
    made = np.isfinite(score)
    if not made.any():
        return "No injection has a score."
    found = (score >= inputs.thresholds["threshold"].values[0])[made]
    magnification = inputs.injections["magnification"].values.ravel()[made].astype(float)
    snr = inputs.injections["arc_snr"].values.ravel()[made].astype(float)
    figure = style.new(style.PAGE, 2.1)
    left, middle, right = figure.subplots(1, 3)
    left.hist(
        _finite(magnification),
        np.linspace(*inputs.settings.injections.magnification, 31),
        color=style.PURPLE,
        histtype="stepfilled",
        alpha=0.6,
    )
    left.set(xlabel="magnification", ylabel="injections")
    positive = np.isfinite(snr) & (snr > 0)
    if not positive.any():
        middle.set_visible(False)
        right.set_visible(False)
        return figure
    low, high = np.percentile(snr[positive], [0.5, 99.5])
    high = max(high, 1.1 * low)
    snr = np.where(positive, np.clip(snr, low, high), np.nan)  # what lies beyond counts in the last bins
    edges = np.geomspace(low, high, 25)
    edges[[0, -1]] = low, high
    middle.hist(snr[positive & ~found], edges, histtype="step", color=style.GREY, ls="--", label="missed")
    middle.hist(snr[positive & found], edges, histtype="step", color=style.PURPLE, label="recovered")
    middle.set(ylabel="injections", ylim=(0, 1.3 * middle.get_ylim()[1]))
    middle.legend(loc="upper left")
    edges = np.geomspace(low, high, 11)
    place = np.clip(np.searchsorted(edges, snr, "right") - 1, 0, edges.size - 2)
    shares = [summaries.share("", "", found[positive & (place == i)]) for i in range(edges.size - 1)]
    at = np.sqrt(edges[1:] * edges[:-1])
    rate, lower, upper = (np.array([s[name] for s in shares]) for name in ("rate", "lower_68", "upper_68"))
    right.fill_between(at, lower, upper, color=style.PURPLE, alpha=0.2, lw=0)
    right.plot(at, rate, "o-", color=style.PURPLE)
    right.set(ylim=(-0.02, 1.02), ylabel="share recovered")
    for axes in (middle, right):
        axes.set(xscale="log", xlabel="arc SNR (r)")
        axes.set_xticks([tick for tick in _TICKS if edges[0] <= tick <= edges[-1]])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
    right.grid(color="#DDDDDD", lw=0.4)
    return figure
