"""Figures of the experiments: shares of the gap, changes by cause, completeness before and after a cure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lenscal.report.figures import style


def draw(name: str, summary: Mapping, tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """The figure of one experiment (arms, causal or fix) as PNG and PDF.

    Parameters
    ----------
    name : str
    summary : mapping
        As in experiments.json.
    tables : mapping of DataFrame
    """
    with style.styled():
        figure = {"arms": _arms, "causal": _causal, "fix": _fix}[name](summary, tables)
        return {"png": style.png(figure), "pdf": style.pdf(figure)}


def _arms(summary: Mapping, tables: Mapping[str, pd.DataFrame]) -> object:
    table = tables["arms"].iloc[::-1]
    figure = style.new(style.COLUMN, 0.24 * len(table) + 0.9)
    axes, y = figure.subplots(), np.arange(len(table))
    axes.barh(
        y, table["share"], color=style.BLUE, height=0.6, xerr=1.96 * table["error"].fillna(0), error_kw={"lw": 0.8}
    )
    axes.axvline(0, color=style.GREY, lw=0.6)
    axes.set(yticks=y, yticklabels=table["factor"], xlabel="share of the change found (Shapley, 95 %)")
    axes.set_title(f"{summary['n']} true lenses: {summary['own']:.3f} found; made as trials {summary['trials']:.3f}")
    return figure


def _causal(summary: Mapping, tables: Mapping[str, pd.DataFrame]) -> object:
    whole = tables["causal"]
    names = whole.loc[whole["hosts"] == "all", ["kind", "name"]].apply(tuple, axis=1).tolist()[::-1]
    figure = style.new(style.PAGE, 0.2 * len(names) + 0.9)
    axes = figure.subplots()
    for k, (hosts, colour, marker) in enumerate(
        (("all", "black", "o"), ("lens-like", style.RED, "s"), ("ordinary", style.BLUE, "^"))
    ):
        rows = whole[whole["hosts"] == hosts].set_index(["kind", "name"]).loc[names]
        good = rows["pairs"].to_numpy() > 0
        y = np.arange(len(names))[good] + 0.2 * (1 - k)
        x, low, high = (rows[column].to_numpy()[good] for column in ("change", "from_95", "to_95"))
        if good.any():
            axes.errorbar(
                x,
                y,
                xerr=[np.maximum(x - low, 0), np.maximum(high - x, 0)],
                fmt=marker,
                color=colour,
                ms=3,
                lw=0.8,
                label=f"hosts: {hosts} ({int(rows['pairs'].max())})",
            )
    axes.axvline(0, color=style.GREY, lw=0.6)
    axes.set(
        yticks=np.arange(len(names)),
        yticklabels=[f"{kind}: {name}" for kind, name in names],
        xlabel="change of the share found (95 %, paired)",
    )
    axes.legend(loc="lower left")
    return figure


def _fix(summary: Mapping, tables: Mapping[str, pd.DataFrame]) -> object:
    table = tables["fix_theta_e"]
    figure = style.new(style.COLUMN, 2.3)
    axes = figure.subplots()
    for column, colour, marker, label in (
        ("base", style.GREY, "o", "trials, before"),
        ("changed", style.BLUE, "s", "trials, after"),
    ):
        axes.plot(table["theta_e"], table[column], marker=marker, color=colour, label=label)
    lenses = summary["lenses"]
    for column, colour, label in (
        ("base", style.GREY, "true lenses, before"),
        ("changed", style.BLUE, "true lenses, after"),
    ):
        axes.axhline(lenses[column], color=colour, ls="--", lw=0.8, label=label)
    axes.set(xlabel="Einstein radius [arcsec]", ylabel="share found", ylim=(0, 1.03))
    axes.legend(loc="lower right")
    return figure
