"""Pictures of the quality page."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.kernels import pixels
from lenscal.quality.measures import REASONS, mask_bits
from lenscal.quality.partitions import HISTOGRAMS

KNOWN = {
    "sigma": {"g": "0.0017", "r": "0.0024", "z": "0.0079"},
    "ratio": "0.7 in a coadd, 1 unresampled",
    (1, 0): "0.18 to 0.20",
    (0, 1): "0.27 to 0.29",
    (1, 1): "0.05 to 0.07",
    (2, 0): "about -0.1",
    (3, 0): "0.04",
    "noise_correlation": "2.0 (1.1 to 2.9)",
}
"""Measured before on six DR10 cutouts of the viewer, sources masked: sky noise [nanomaggy], autocorrelation by lag (x,
y), its sum over 7x7 lags.
"""

BLUE, RED, GREEN, PURPLE, ORANGE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#999999"
COLOURS = {"g": GREEN, "r": RED, "z": PURPLE}


def _figure(width: float, height: float) -> object:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: object) -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    file = io.BytesIO()
    with matplotlib.rc_context({"font.size": 8}):
        figure.savefig(file, format="png", dpi=130, metadata={"Software": None})
    return file.getvalue()


def cutouts(quality: xr.Dataset, drawn: xr.Dataset, settings: config.Quality) -> bytes:
    from matplotlib.patches import Circle

    count = max(1, drawn.sizes["galaxy"])
    columns = min(4, count)
    rows = -(-count // columns)
    figure = _figure(2.2 * columns, 2.45 * rows)
    axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axis in axes:
        axis.set_axis_off()
    size, inner_outer = drawn.sizes["x"], settings.sky_ring_px
    ring = pixels.ring(size, *inner_outer)
    shrink = min(1.0, (size - 1) / 2 / inner_outer[1])
    area = mask_bits(settings)["area"]
    reason = dict(zip(quality["galaxy_id"].values.tolist(), quality["reason"].values.astype(object).tolist()))
    centre = (size - 1) / 2
    for axis, i in zip(axes, range(drawn.sizes["galaxy"])):
        image = drawn["image"].isel(galaxy=i).sel(band="r").values
        found = pixels.sources(image, ring)
        level, sigma, _ = pixels.sky_noise(image, ring & ~found)
        sigma = sigma if np.isfinite(sigma) and sigma > 0 else 1.0
        axis.imshow(
            np.arcsinh((image - np.nan_to_num(level)) / sigma),
            origin="lower",
            cmap="gray",
            vmin=np.arcsinh(-2),
            vmax=np.arcsinh(50),
        )
        unseen = ~np.isfinite(drawn["image"].isel(galaxy=i).values).all(axis=0)
        for layer, colour in ((found, BLUE), ((drawn["mask"].isel(galaxy=i).values & area) != 0, RED), (unseen, GREEN)):
            if layer.any():
                axis.contour(layer, levels=[0.5], colors=[colour], linewidths=0.8)
                axis.contourf(layer, levels=[0.5, 1.5], colors=[colour], alpha=0.15)  # which side is masked
        for radius, style in (
            (settings.central_radius_arcsec / schema.PIXEL_SCALE, "-"),
            (settings.mask_radius_px, "--"),
            (inner_outer[0] * shrink, ":"),
            (inner_outer[1] * shrink, ":"),
        ):
            axis.add_patch(Circle((centre, centre), radius, fill=False, color="white", linestyle=style, linewidth=0.7))
        galaxy = int(drawn["galaxy_id"].values[i])
        axis.set_title(f"{galaxy}\n{reason.get(galaxy) or 'fit for use'}", fontsize=6.5)
    return _png(figure)


def histograms(quality: xr.Dataset, partitions: pd.DataFrame) -> bytes:
    from matplotlib.ticker import MaxNLocator

    figure = _figure(9, 2.7)
    axes = figure.subplots(1, 3)
    labels = {
        "annulus_snr_r": "signal to noise of the annulus (r)",
        "annulus_brightness_r": "surface brightness (r) [mag/arcsec$^2$]",
    }
    for axis, (column, edges) in zip(axes, HISTOGRAMS.items()):
        counts = np.sum(partitions[column].tolist(), axis=0) if len(partitions) else np.zeros(len(edges))
        inner = edges[1:-1]
        axis.stairs(counts[1:-2], inner, fill=True, color=BLUE)
        axis.set_xlabel(labels[column])
        axis.set_title(f"below: {counts[0]:,}, above: {counts[-2]:,}, none: {counts[-1]:,}", fontsize=7)
        axis.set_ylabel("cutouts")
    axes[0].set_xscale("log")
    ok = quality["cutout_ok"].values
    for b, band in enumerate(quality["band"].values.tolist()):
        sigma = quality["sigma"].values[ok, b]
        sigma = sigma[np.isfinite(sigma) & (sigma > 0)]
        if sigma.size:
            axes[2].hist(np.log10(sigma), bins=30, histtype="step", color=COLOURS.get(band, GREY), label=band)
        if band in KNOWN["sigma"]:
            axes[2].axvline(
                np.log10(float(KNOWN["sigma"][band])), color=COLOURS.get(band, GREY), linestyle="--", linewidth=0.8
            )
    axes[2].set_xlabel("log$_{10}$ sky noise [nanomaggy]")
    axes[2].xaxis.set_major_locator(MaxNLocator(4))
    axes[2].set_title("dashed: known of DR10", fontsize=7)
    axes[2].set_ylim(0, 1.25 * axes[2].get_ylim()[1])  # room for the legend above the lines
    axes[2].legend(frameon=False, fontsize=7, ncols=3, loc="upper center")
    axes[2].set_ylabel("cutouts")
    return _png(figure)


def rates(partitions: pd.DataFrame) -> bytes:
    from matplotlib.ticker import MaxNLocator

    figure = _figure(9, 2.6)
    axis = figure.subplots()
    colours = dict(zip(REASONS, (GREY, PURPLE, ORANGE, BLUE, "#56B4E9", "#000000", RED, GREEN)))
    base = np.zeros(len(partitions))
    for name in REASONS:
        if (column := f"reason: {name}") in partitions:
            share = 100 * partitions[column].to_numpy() / partitions["rows"].to_numpy()
            axis.bar(np.arange(len(partitions)), share, bottom=base, width=1.0, label=name, color=colours[name])
            base += share
    axis.set_xlim(-0.5, max(len(partitions), 1) - 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set_xlabel("partition, in the order of galaxy_id")
    axis.set_ylabel("not fit [%]")
    if base.any():
        axis.legend(frameon=False, fontsize=7, ncols=4, loc="upper right")
        axis.set_ylim(0, 1.35 * base.max())
    else:
        axis.text(0.5, 0.5, "every cutout is fit for use", transform=axis.transAxes, ha="center")
    return _png(figure)
