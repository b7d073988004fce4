"""The footprint: completeness with the width of its interval, where there is no estimate, and how dense a catalogue
is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from lenscal.report.figures import style
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 60.0
"""Degrees of declination or right ascension from which a footprint is drawn as a whole sky."""
_PIXELS = 700  # of a panel, along its longer side


def footprint(inputs: Inputs) -> Figure | str:
    """The map of the run at the Einstein radius in the middle of the grid."""
    if inputs.sky is None:
        return "The survey of this run is a set of stamps, which has no footprint."
    radii = inputs.sky["theta_e"].values
    return draw(inputs.sky, float(radii[radii.size // 2]))


def draw(found: xr.Dataset, theta_e: float | None) -> Figure:
    """Two panels of a map: completeness, and half the width of its 68.27 % interval.

    Parameters
    ----------
    found : Dataset
        As from `completeness.sky_map`.
    theta_e : float or None
        Einstein radius that is drawn; None where the map has one number a pixel.
    """
    one = found if theta_e is None else found.sel(theta_e=theta_e)
    ends = one.sel(level=0.6827, method="nearest")
    half = ((ends["upper"] - ends["lower"]) / 2).values
    ra, dec, whole = _centres(one)
    view = _whole_sky() if whole else _near(ra, dec)
    rows = _rows(one, view)
    tall = (view[0].shape[0] / view[0].shape[1]) if not whole else 0.5
    figure = style.new(style.PAGE, float(np.clip(style.PAGE / 2 * tall, 1.2, 3.4)) + 1.0)
    name = "weighed over θ$_E$" if theta_e is None else f"θ$_E$ = {theta_e:g}″"
    middle = one["completeness"].values
    panels = [(middle, f"completeness, {name}", 0.1), (half, "half the width of its 68.27 % interval", 0.01)]
    for axes, (values, label, step) in zip(figure.subplots(1, 2), panels):
        shown = np.where(rows >= 0, values[np.maximum(rows, 0)], np.nan)
        _grey(axes, rows, view[2])
        highest = step * max(np.ceil(np.nanmax(values, initial=0) / step - 1e-9), 1)
        image = axes.imshow(
            shown, cmap="cividis", vmin=0, vmax=highest, origin="lower", extent=view[2], aspect=view[3], zorder=2
        )
        bar = figure.colorbar(image, ax=axes, label=label, location="bottom", pad=0.02, aspect=30)
        bar.outline.set_visible(False)
        _frame(axes, whole)
    _legend(figure, not np.isfinite(middle).all(), not np.isfinite(half[np.isfinite(middle)]).all())
    return figure


def density(pixels: np.ndarray, rows: np.ndarray, nside: int) -> Figure:
    """How many rows of a catalogue there are to the square degree.

    Parameters
    ----------
    pixels : (n,) int array
        HEALPix pixels, nested, ascending.
    rows : (n,) int array
        Rows in each.
    nside : int
    """
    import healpy
    from matplotlib.colors import LogNorm, Normalize

    one = xr.Dataset(coords={"cell_ids": ("cells", pixels)}, attrs={"nside": nside})
    ra, dec, whole = _centres(one)
    view = _whole_sky() if whole else _near(ra, dec)
    at = _rows(one, view)
    tall, wide = 0.5 if whole else view[0].shape[0] / view[0].shape[1], style.PAGE * (1 if whole else 0.65)
    figure = style.new(wide, float(np.clip(wide * tall, 2.4, 6.0)))
    axes = figure.subplots()
    shown = np.where(at >= 0, rows[np.maximum(at, 0)] / healpy.nside2pixarea(nside, degrees=True), np.nan)
    least, most = float(np.nanmin(shown)), float(np.nanmax(shown))
    scale = LogNorm(least, most) if most > 10 * least else Normalize(0, most)
    image = axes.imshow(shown, cmap="cividis", norm=scale, origin="lower", extent=view[2], aspect=view[3], zorder=2)
    figure.colorbar(image, ax=axes, label="rows per square degree", aspect=30).outline.set_visible(False)
    _frame(axes, whole)
    return figure


def _centres(one: xr.Dataset) -> tuple[np.ndarray, np.ndarray, bool]:
    """Middles of the pixels, RA about the middle of the footprint, and whether it is a large part of the sky."""
    import healpy

    ra, dec = healpy.pix2ang(int(one.attrs["nside"]), one["cell_ids"].values.astype(np.int64), nest=True, lonlat=True)
    middle = np.degrees(np.angle(np.exp(1j * np.radians(ra)).mean()))
    ra = middle + (ra - middle + 180) % 360 - 180
    return ra, dec, bool(max(np.ptp(dec), np.ptp(ra) * np.cos(np.radians(dec.mean()))) > WIDE)


def _near(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple, float]:
    """RA and Dec of the points of a picture of a small footprint, its extent and aspect."""
    rim = 0.05 * max(np.ptp(ra), np.ptp(dec), 0.2)
    ends = ra.max() + rim, ra.min() - rim, dec.min() - rim, dec.max() + rim
    shrunk = np.cos(np.radians(dec.mean()))
    sides = (ends[0] - ends[1]) * shrunk, ends[3] - ends[2]
    n_x, n_y = (max(int(_PIXELS * side / max(sides)), 60) for side in sides)
    x = ends[0] + (ends[1] - ends[0]) * (np.arange(n_x) + 0.5) / n_x
    y = ends[2] + (ends[3] - ends[2]) * (np.arange(n_y) + 0.5) / n_y
    return *np.meshgrid(x, y), ends, 1 / shrunk


def _whole_sky() -> tuple[np.ndarray, np.ndarray, tuple, float]:
    """The same of the whole sky in Mollweide's projection, RA 180 in the middle and growing to the left."""
    n_x = 2 * _PIXELS
    x, y = np.meshgrid(2 * (np.arange(n_x) + 0.5) / n_x - 1, 2 * (np.arange(n_x // 2) + 0.5) / (n_x // 2) - 1)
    angle = np.arcsin(y)
    dec = np.degrees(np.arcsin(np.clip((2 * angle + np.sin(2 * angle)) / np.pi, -1, 1)))
    far = np.abs(x) > np.cos(angle)
    ra = 180 - 180 * x / np.where(far, np.nan, np.cos(angle))
    return ra, dec, (-1.0, 1.0, -1.0, 1.0), 0.5


def _rows(one: xr.Dataset, view: tuple) -> np.ndarray:
    """Row of the map at each point of a picture; -1 where there is none."""
    from lenscal import healpix

    ids = one["cell_ids"].values.astype(np.int64)
    pixel = healpix.pixels_of(view[0], view[1], int(one.attrs["nside"]))
    at = np.minimum(np.searchsorted(ids, pixel), ids.size - 1)
    return np.where(ids[at] == pixel, at, -1)


def _grey(axes: Axes, rows: np.ndarray, extent: tuple) -> None:
    """The footprint in grey: what no colour covers has no estimate."""
    from matplotlib.colors import ListedColormap

    axes.imshow(
        np.where(rows >= 0, 1.0, np.nan),
        cmap=ListedColormap([style.NO_DATA]),
        origin="lower",
        extent=extent,
        aspect="auto",
        zorder=1,
    )


def _frame(axes: Axes, whole: bool) -> None:
    if not whole:
        axes.set(xlabel="RA [degree]", ylabel="Dec [degree]")
        axes.label_outer()
        return
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color=style.GREY, lw=0.6, zorder=3)
    for dec in (-60, -30, 0, 30, 60):
        angle = np.radians(dec)
        for _ in range(20):  # Newton's steps for Mollweide's auxiliary angle
            angle -= (2 * angle + np.sin(2 * angle) - np.pi * np.sin(np.radians(dec))) / (2 + 2 * np.cos(2 * angle))
        axes.plot(np.array([-1, 1]) * np.cos(angle), [np.sin(angle)] * 2, color="#BBBBBB", lw=0.4, zorder=0)
        axes.text(np.cos(angle) + 0.04, np.sin(angle), f"{dec}°", fontsize=style.SMALL, color=style.GREY, va="center")
    y = np.linspace(-1, 1, 100)
    for ra in range(60, 360, 60):
        axes.plot((180 - ra) / 180 * np.sqrt(1 - y**2), y, color="#BBBBBB", lw=0.4, zorder=0)
    axes.set_axis_off()


def _legend(figure: Figure, blank: bool, open_: bool) -> None:
    from matplotlib.patches import Patch

    said = [
        *(["no estimate: seeing or depth outside the grid, or no host"] if blank else []),
        *(["no interval: too few hosts"] if open_ else []),
    ]
    if said:
        figure.legend(handles=[Patch(fc=style.NO_DATA, label="; ".join(said))], loc="outside lower center")
