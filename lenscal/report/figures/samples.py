"""The data: where the galaxies are, and how many of each pool and split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lenscal import schema
from lenscal.report import summaries
from lenscal.report.figures import style
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def data(inputs: Inputs) -> Figure:
    """Sky map by split, with the pixels that splits are made of, and counts by pool and split."""
    figure = style.new(style.PAGE, 2.9)
    sky, bars = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _sky(sky, inputs)
    _bars(bars, inputs)
    return figure


def around(ra: np.ndarray) -> np.ndarray:
    """Right ascensions without a jump: shifted by 360 beyond the widest empty stretch, in degree."""
    values = np.sort(ra % 360)
    gaps = np.diff(np.append(values, values[0] + 360))
    start = values[(np.argmax(gaps) + 1) % values.size]
    return (ra - start) % 360 + start


def _sky(axes: Axes, inputs: Inputs) -> None:
    table = inputs.manifest
    ra, dec = table["ra"].to_numpy("f8"), table["dec"].to_numpy("f8")
    placed = np.isfinite(ra) & np.isfinite(dec)
    axes.set(xlabel="RA [degree]", ylabel="Dec [degree]")
    if not placed.any():
        axes.set(xticks=[], yticks=[])
        axes.text(
            0.5, 0.5, "no galaxy has a position", transform=axes.transAxes, ha="center", va="center", color=style.GREY
        )
        return
    shifted = np.full(ra.size, np.nan)
    shifted[placed] = around(ra[placed])
    positive = (table["pool"] == "positive").to_numpy(bool)
    pixel = table["healpix_128"].to_numpy(np.int64)
    for split in schema.SPLITS:
        here = placed & (table["split"] == split).to_numpy(bool)
        if here.any():
            colour = style.SPLIT_COLOURS[split]
            size = np.clip(3000 / placed.sum(), 0.3, 4)
            known = here & (pixel >= 0)
            pixels, first = np.unique(pixel[known], return_index=True)
            _pixels(axes, pixels, shifted[known][first], colour)
            axes.scatter(
                shifted[here & ~positive], dec[here & ~positive], s=size, color=colour, lw=0, rasterized=True, zorder=2
            )
            axes.scatter([], [], s=12, color=colour, lw=0, label=f"{split}, {len(pixels):,} pixels")
            axes.scatter(
                shifted[here & positive],
                dec[here & positive],
                s=14,
                color=colour,
                marker="*",
                ec="black",
                lw=0.3,
                zorder=3,
            )
    if (positive & placed).any():
        axes.scatter([], [], s=14, color="white", marker="*", ec="black", lw=0.4, label="positive")
    axes.autoscale_view()
    axes.invert_xaxis()  # East is left
    axes.xaxis.set_major_formatter(lambda value, _: f"{value % 360:g}")
    axes.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.1, columnspacing=1.0)
    if missing := int((~placed).sum()):
        axes.set_title(f"{missing:,} without a position", loc="right", fontsize=style.SMALL, pad=14)


def _pixels(axes: Axes, pixels: np.ndarray, near: np.ndarray, colour: str) -> None:
    """The pixels of nside 128 that hold galaxies, pale; `near` is the right ascension that each is drawn at."""
    import healpy
    from matplotlib.collections import PolyCollection

    if not pixels.size:
        return
    ra, dec = healpy.vec2ang(
        np.moveaxis(healpy.boundaries(128, pixels, step=1, nest=True), 1, 2).reshape(-1, 3), lonlat=True
    )
    ra, dec = ra.reshape(-1, 4), dec.reshape(-1, 4)
    ra = near[:, None] + (ra - near[:, None] + 180) % 360 - 180
    axes.add_collection(
        PolyCollection(
            np.stack([ra, dec], axis=-1), facecolors=colour, alpha=0.3, lw=0, rasterized=len(pixels) > 500, zorder=1
        )
    )


def _bars(axes: Axes, inputs: Inputs) -> None:
    table = summaries.galaxies(inputs).set_index("pool").drop(index="all")
    splits = [s for s in schema.SPLITS if s in table.columns]
    step = 0.8 / len(splits)
    top = max(10, table[splits].to_numpy().max())
    for j, split in enumerate(splits):
        where = np.arange(len(table)) + (j - (len(splits) - 1) / 2) * step
        counts = table[split].to_numpy()
        axes.barh(where, np.maximum(counts, 0.5), height=0.92 * step, left=0.0, color=style.SPLIT_COLOURS[split])
        for y, count in zip(where, counts):
            axes.text(max(count, 0.6) * 1.12, y, f"{split} {count:,}", va="center", fontsize=style.SMALL)
    axes.set_xscale("log")
    axes.set_xlim(0.5, top * 12)
    axes.set_yticks(range(len(table)), table.index)
    axes.invert_yaxis()
    axes.set_xlabel("galaxies")
