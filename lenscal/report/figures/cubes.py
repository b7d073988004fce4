"""The completeness cube: maps at fixed depth, curves at fixed PSF, and the hosts behind them."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from lenscal.report import summaries
from lenscal.report.figures import style
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAP = "cividis"
COLUMNS = 3
LETTERS = 118
"""Of a warning, on one line across a page."""


def _layer(inputs: Inputs, threshold: int) -> xr.Dataset:
    cube = inputs.completeness.isel(threshold=threshold).sel(level=summaries.LEVEL, method="nearest")
    return cube.assign(median=cube["completeness"].sel(quantile=0.5)).transpose("psf_fwhm", "theta_e", "depth", ...)


def warn(figure: Figure, inputs: Inputs) -> None:
    """Write across the top of a figure that its numbers are not those of real lenses, where the comparison says so."""
    if text := summaries.warning(inputs):
        letters = int(figure.get_figwidth() / style.PAGE * LETTERS)
        figure.suptitle(textwrap.fill(_signed(text), letters), color=style.RED, fontsize=style.SMALL + 1)


def _signed(text: str) -> str:
    """With minus signs before numbers."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)


def depth_map(inputs: Inputs, threshold: int, depth: float) -> Figure:
    """C(theta_E, PSF) at one depth, with values and intervals."""
    layer = _layer(inputs, threshold).sel(depth=depth)
    figure = style.new(style.PAGE, 1.15 + 0.3 * max(layer.sizes["psf_fwhm"], 3))
    axes = figure.subplots()
    image = _map(axes, layer)
    axes.set_title(f"depth {depth:g} mag (5σ, r)")
    warn(figure, inputs)
    bar = figure.colorbar(image, ax=axes, label="completeness", pad=0.01)
    bar.outline.set_visible(False)
    _legend(figure, layer)
    _annotate(figure, [(axes, layer)])
    return figure


def maps(inputs: Inputs, threshold: int) -> Figure:
    """C(theta_E, PSF), one map for each depth."""
    cube = _layer(inputs, threshold)
    depths = cube["depth"].values
    columns = min(COLUMNS, depths.size)
    lines = -(-depths.size // columns)
    figure = style.new(style.PAGE, 0.7 + lines * (0.55 + 0.2 * max(cube.sizes["psf_fwhm"], 4)))
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    drawn = []
    for axes, depth in zip(grid.ravel(), depths):
        layer = cube.sel(depth=depth)
        image = _map(axes, layer, 18 // columns)
        axes.set_title(f"depth {depth:g} mag")
        axes.label_outer()
        drawn.append((axes, layer))
    for axes in grid.ravel()[depths.size :]:
        axes.remove()
    if lines > 1:
        _label_above_gaps(grid, depths.size)
    warn(figure, inputs)
    bar = figure.colorbar(image, ax=[axes for axes, _ in drawn], label="completeness", pad=0.01, aspect=20 * lines)
    bar.outline.set_visible(False)
    _legend(figure, cube)
    _annotate(figure, drawn)
    return figure


def _label_above_gaps(grid: np.ndarray, panels: int) -> None:
    """Labels of the panels that have none below them in the last line."""
    for axes in grid[-2, (panels - 1) % grid.shape[1] + 1 :]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(_X)


_X, _Y = "Einstein radius θ$_E$ [arcsec]", "PSFSIZE$_r$ [arcsec]"


def _map(axes: Axes, layer: xr.Dataset, labels: int = 15) -> object:
    """Colours, hatches and axes of one map, with at most so many labels along theta_E."""
    from matplotlib.patches import Rectangle

    median, status = layer["median"].values, layer["status"].values.astype(object)
    image = axes.imshow(
        np.where(status == "no data", np.nan, median), cmap=MAP, vmin=0, vmax=1, origin="lower", aspect="auto"
    )
    for i, j in np.argwhere(status == "no data"):
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fc=style.NO_DATA, ec="white", lw=0.5))
    for i, j in np.argwhere(status == "insufficient"):
        colour = "white" if _dark(median[i, j]) else "black"
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, ec=colour, lw=0, hatch="/////", alpha=0.45))
    step = -(-layer.sizes["theta_e"] // labels)
    axes.set_xticks(range(0, layer.sizes["theta_e"], step), [f"{v:g}" for v in layer["theta_e"].values[::step]])
    axes.set_yticks(range(layer.sizes["psf_fwhm"]), [f"{v:g}" for v in layer["psf_fwhm"].values])
    axes.set(xlabel=_X, ylabel=_Y)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image


def _dark(value: float) -> bool:
    return not np.isfinite(value) or value < 0.55


def _legend(figure: Figure, layer: xr.Dataset) -> None:
    from matplotlib.patches import Patch

    found = set(layer["status"].values.astype(object).ravel())
    handles = []
    if "insufficient" in found:
        handles.append(Patch(fc="white", ec="black", lw=0.4, hatch="/////", label="insufficient trials or hosts"))
    if "no data" in found:
        handles.append(Patch(fc=style.NO_DATA, label="no data (no host with these conditions)"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2)


def _annotate(figure: Figure, drawn: list[tuple[Axes, xr.Dataset]]) -> None:
    """Write the value, and the interval below it, where they fit."""
    from matplotlib import colormaps
    from matplotlib.patheffects import withStroke

    style.settle(figure)  # so that the size of a cell is known
    for axes, layer in drawn:
        box = axes.get_window_extent()
        points = 72 / figure.dpi
        width, height = box.width * points / layer.sizes["theta_e"], box.height * points / layer.sizes["psf_fwhm"]
        both, one = width >= 33 and height >= 17, width >= 16 and height >= 8
        status = layer["status"].values.astype(object)
        for i, j in np.ndindex(status.shape):
            if status[i, j] == "no data":
                if width >= 27 and height >= 8:
                    axes.text(j, i, "no data", ha="center", va="center", fontsize=style.SMALL, color=style.GREY)
                continue
            value, low, high = (float(layer[n].values[i, j]) for n in ("median", "lower", "upper"))
            ends = f"{low:.2f}–{high:.2f}" if np.isfinite(low) else "few hosts"
            text = f"{value:.2f}\n{ends}" if both else f"{value:.2f}" if one else ""
            around = (
                [withStroke(linewidth=2.4, foreground=colormaps[MAP](value))] if status[i, j] == "insufficient" else []
            )
            axes.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                fontsize=style.SMALL,
                linespacing=1.15,
                color="white" if _dark(value) else "black",
                path_effects=around,
            )


def spread(values: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the values, evenly spread, ends included."""
    return values[np.unique(np.linspace(0, values.size - 1, min(most, values.size)).round().astype(int))]


def curves(inputs: Inputs, threshold: int) -> Figure:
    """Completeness against theta_E at fixed PSF and depth, with 68.27 % bands."""
    cube = _layer(inputs, threshold)
    depths, psfs = cube["depth"].values, spread(cube["psf_fwhm"].values, 4)
    columns = min(COLUMNS, depths.size)
    lines = -(-depths.size // columns)
    figure = style.new(style.PAGE if columns > 1 else style.COLUMN, 0.7 + 1.75 * lines)
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    x = cube["theta_e"].values
    step = np.diff(x).min() if x.size > 1 else 1.0
    for axes, depth in zip(grid.ravel(), depths):
        for k, psf in enumerate(psfs):
            one = cube.sel(psf_fwhm=psf, depth=depth)
            status = one["status"].values.astype(object)
            median, low, high = one["median"].values, one["lower"].values, one["upper"].values
            at = x + (k - (psfs.size - 1) / 2) * 0.04 * step
            colour, marker = style.SERIES[k], style.MARKERS[k]
            axes.fill_between(at, low, high, color=colour, alpha=0.18, lw=0)
            axes.plot(at, median, color=colour)
            for inside, face in ((status == "sufficient", colour), (status == "insufficient", "white")):
                axes.plot(at[inside], median[inside], marker, color=colour, mfc=face, mew=0.7)
                if x.size == 1:
                    axes.vlines(at[inside], low[inside], high[inside], color=colour)
        axes.set(title=f"depth {depth:g} mag", ylim=(-0.02, 1.02), xlabel=_X, ylabel="completeness")
        axes.grid(color="#DDDDDD", lw=0.4)
        axes.label_outer()
    for axes in grid.ravel()[depths.size :]:
        axes.remove()
    if lines > 1:
        _label_above_gaps(grid, depths.size)
    handles = [_handle(style.SERIES[k], style.MARKERS[k], f"{psf:g}″") for k, psf in enumerate(psfs)]
    if "insufficient" in set(cube["status"].values.astype(object).ravel()):
        handles.append(_handle(style.GREY, "o", "insufficient", face="white"))
    figure.legend(handles=handles, loc="outside lower center", ncols=6, title="PSFSIZE$_r$", title_fontsize=6.5)
    warn(figure, inputs)
    return figure


def _handle(colour: str, marker: str, label: str, face: str | None = None) -> object:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker=marker, mfc=face or colour, label=label)


def occupancy(inputs: Inputs) -> Figure:
    """Eligible hosts, and area of sky, with each PSF and depth."""
    cube = inputs.occupancy.transpose("psf_fwhm", "depth", ...)
    panels = [("host_pool", "eligible hosts", "{:,.0f}")]
    if float(cube["area"].sum()) > 0:
        panels.append(("area", "area [degree²]", "{:.3g}"))
    figure = style.new(style.PAGE if len(panels) > 1 else style.COLUMN, 0.8 + 0.24 * max(cube.sizes["psf_fwhm"], 4))
    for axes, (name, title, form) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
        values = cube[name].values.astype(float)
        shown = np.where(values > 0, values, np.nan)
        top = max(np.nanmax(values, initial=0), 1e-9)
        axes.imshow(shown, cmap=MAP, vmin=0, vmax=top, origin="lower", aspect="auto")
        axes.set_facecolor(style.NO_DATA)
        for i, j in np.ndindex(values.shape):
            colour = style.GREY if not values[i, j] > 0 else "white" if values[i, j] < 0.55 * top else "black"
            axes.text(
                j,
                i,
                form.format(values[i, j]) if np.isfinite(values[i, j]) else "–",
                ha="center",
                va="center",
                fontsize=style.SMALL,
                color=colour,
            )
        axes.set_xticks(range(cube.sizes["depth"]), [f"{v:g}" for v in cube["depth"].values])
        axes.set_yticks(range(cube.sizes["psf_fwhm"]), [f"{v:g}" for v in cube["psf_fwhm"].values])
        axes.set(xlabel="PSFDEPTH$_r$ (5σ) [mag]", ylabel=_Y, title=title)
        axes.tick_params(length=0)
    return figure
