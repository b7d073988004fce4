"""Truth beside prediction: what is found of true lenses, what the trials predict, what the cube says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lenscal.report.figures import style

LABELS = {
    "theta_e": "Einstein radius [arcsec]",
    "psf_fwhm": "PSFSIZE_R [arcsec]",
    "depth": "PSFDEPTH_R [mag]",
    "lensed_mag_r": "lensed r [mag]",
    "host_colour_gr": "host g - r [mag]",
}


def draw(summary: Mapping) -> dict[str, bytes]:
    """The figure of a closed loop as PNG and PDF.

    Parameters
    ----------
    summary : mapping
        As in closed-loop.json.
    """
    with style.styled():
        figure = _figure(summary)
        return {"png": style.png(figure), "pdf": style.pdf(figure)}


def _figure(summary: Mapping) -> object:
    axes_of = list(dict.fromkeys(row["axis"] for row in summary["bins"]))
    figure = style.new(style.PAGE, 3.9)
    grid = figure.subplots(2, 3, sharey=True).ravel()
    for axes, name in zip(grid, axes_of):
        rows = [row for row in summary["bins"] if row["axis"] == name]
        middle = np.array([(row["low"] + row["high"]) / 2 for row in rows])
        column = lambda key, rows=rows: np.array([np.nan if row.get(key) is None else row[key] for row in rows], float)  # noqa: E731
        for level, alpha in (("95", 0.18), ("68", 0.35)):
            for row in rows:
                if row[f"lower_{level}"] is not None:
                    axes.fill_between(
                        [row["low"], row["high"]],
                        row[f"lower_{level}"],
                        row[f"upper_{level}"],
                        color=style.BLUE,
                        alpha=alpha,
                        lw=0,
                    )
        axes.plot(
            middle,
            column("predicted"),
            "_",
            color=style.BLUE,
            ms=9,
            mew=1.5,
            label="predicted from the trials (68, 95 %)",
        )
        axes.plot(middle, column("observed"), "o", color="black", label="found of the true lenses")
        axes.plot(middle, column("naive"), "s", color=style.RED, mfc="none", label="cube, hosts of the survey")
        axes.plot(middle, column("naive_lens_like"), "^", color=style.GREEN, mfc="none", label="cube, hosts lens-like")
        for place, (x, row) in enumerate(zip(middle, rows)):
            axes.text(
                x,
                0.015 + 0.055 * (place % 2),
                f"{row['n']}",
                ha="center",
                va="bottom",
                fontsize=style.SMALL,
                color=style.GREY,
            )
        axes.set(xlabel=LABELS[name], ylim=(0, 1.03))
    for axes in grid[::3]:
        axes.set_ylabel("share found")
    last = grid[len(axes_of)]
    last.axis("off")
    last.text(0.02, 0.98, "\n".join(_words(summary)), va="top", ha="left", transform=last.transAxes)
    last.legend(*grid[0].get_legend_handles_labels(), loc="lower left", borderaxespad=0)
    return figure


def _words(summary: Mapping) -> list[str]:
    """The numbers of all lenses together, line by line."""
    overall = summary["overall"]
    lines = [f"{summary['verdict']}", f"{overall['n']} true lenses, {overall['observed']:.3f} found"]
    if overall["predicted"] is None:
        lines.append("no prediction: outside the trials")
    else:
        lines += [
            f"predicted {overall['predicted']:.3f}",
            f"  68 %: {overall['lower_68']:.3f} to {overall['upper_68']:.3f}",
            f"  95 %: {overall['lower_95']:.3f} to {overall['upper_95']:.3f}",
        ]
    lines += [f"cube, survey {overall['naive']:.3f}" if overall["naive"] is not None else "cube: no data"]
    if overall.get("naive_lens_like") is not None:
        lines.append(f"cube, lens-like {overall['naive_lens_like']:.3f}")
    return lines
