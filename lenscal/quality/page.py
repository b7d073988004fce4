"""The page of the quality of a run: rates and histograms, noise beside what is known of the survey, cutouts
with their masks and rings.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.kernels import pixels
from lenscal.quality.measures import ANNULUS_ARCSEC, REASONS

from .pictures import KNOWN, cutouts, histograms, rates

LAGS = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (3, 0))
"""Lags in pixels of (x, y) that the page shows."""

_STYLE = (
    "body{font:15px/1.45 sans-serif;max-width:68em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:.6em 0;font-size:13px}"
    "td,th{padding:.2em .6em;text-align:right;white-space:nowrap;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}td:last-child{white-space:normal}img{max-width:100%}"
    "p.mark{background:#fff3cd;padding:.5em .8em}"
    "caption{text-align:left;white-space:nowrap;font-weight:bold;padding:.4em 0}.note{color:#555}"
)


def shown(quality: xr.Dataset, count: int = 12) -> np.ndarray:
    """Rows to draw: the first two of each reason that have pixels, then usable ones, evenly spread over the run."""
    reason = quality["reason"].values.astype(object)
    rows = [row for name in REASONS if name != "no pixels" for row in np.flatnonzero(reason == name)[:2]][:count]
    usable = np.flatnonzero(reason == "")
    places = (
        np.unique(np.linspace(0, usable.size - 1, min(count - len(rows), usable.size)).round().astype(int))
        if usable.size
        else []
    )
    return np.sort(np.array([*rows, *usable[places]], np.int64))


def page(
    quality: xr.Dataset,
    drawn: xr.Dataset,
    partitions: pd.DataFrame,
    origin: np.ndarray,
    settings: config.Quality,
    attrs: Mapping[str, object],
) -> dict[str, bytes]:
    """Files of the page, by name.

    Parameters
    ----------
    quality : Dataset (galaxy[, band])
        Of the whole run, in memory.
    drawn : Dataset (galaxy, band, y, x)
        Cutouts of the rows of `shown`.
    partitions : DataFrame
        From `partitions`.
    origin : (galaxy,) array of str
        What each cutout was cut from, such as a layer: the noise is told apart by it.
    attrs : mapping
        run, mock.
    """
    figures = {
        "cutouts.png": cutouts(quality, drawn, settings),
        "histograms.png": histograms(quality, partitions),
        "partitions.png": rates(partitions),
    }
    ok = quality["cutout_ok"].values
    reasons = Counter(quality["reason"].values.astype(object)[~ok].tolist())
    lines = [
        "<!doctype html><meta charset=utf-8><title>Quality of "
        f"{escape(str(attrs.get('run', '')))}</title><style>{_STYLE}</style>",
        f"<h1>Quality of the cutouts of {escape(str(attrs.get('run', '')))}</h1>",
    ]
    if attrs.get("mock"):
        lines.append("<p class=mark>Made from the embedded (mock) sky: it says nothing about the real one.</p>")
    lines.append(
        f"<p>{ok.size:,} cutouts in {len(partitions):,} partition{'s' * (len(partitions) != 1)}; {int(ok.sum()):,} "
        f"({100 * ok.mean():.1f} %) are fit for use.</p>"
    )
    if not ok.all():
        lines.append(
            _table(
                "Why the others are not (the first reason that holds)",
                ["reason", "cutouts", "share"],
                [
                    [name, f"{reasons[name]:,}", f"{100 * reasons[name] / ok.size:.2f} %"]
                    for name in REASONS
                    if reasons[name]
                ],
            )
        )
    lines.append(_noise(quality, origin))
    captions = _captions(settings)
    for name, content in figures.items():
        lines.append(
            f"<p><img alt='{name}' src='data:image/png;base64,{base64.b64encode(content).decode()}'></p><p "
            f"class=note>{escape(captions[name])}</p>"
        )
    lines.append(
        "<p class=note>One row per partition, with its name and numbers: partitions.parquet beside this page.</p>"
    )
    return {"index.html": "\n".join(lines).encode(), **figures}


def _captions(settings: config.Quality) -> dict[str, str]:
    """What each picture shows."""
    return {
        "cutouts.png": (
            "r band, asinh stretch from the sky to 50 sigma, as on disk: of a coadd North is up and East left. Blue: "
            "masked as sources when the noise is measured; orange: mask bits that count for the fraction; green: not "
            f"observed in some band. Circles: the central area (solid white, {settings.central_radius_arcsec:g} "
            f"arcsec: no unobserved pixel), {settings.mask_radius_px:g} px (dashed: no bright-star, saturation or "
            "bleed bit), the sky ring (dotted)."
        ),
        "histograms.png": (
            f"Usable cutouts. Flux of {ANNULUS_ARCSEC[0]:g}-{ANNULUS_ARCSEC[1]:g} arcsec in r over its sky noise, "
            "and its mean surface brightness (both with the host's own light); sky noise per pixel by band, "
            "dashed: the value known of DR10."
        ),
        "partitions.png": (
            "Share of each partition that is not fit, by reason; the run stops at a partition beyond "
            f"{100 * settings.failed_fraction_max:g} % and names it."
        ),
    }


def _table(caption: str, heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def _noise(quality: xr.Dataset, origin: np.ndarray) -> str:
    """Tables of the measured noise and its correlation, one for each origin, beside what is known."""
    ok = quality["cutout_ok"].values
    bands = quality["band"].values.tolist()
    shown = [band for band in schema.OPTICAL if band in bands]
    out = ["<h2>Noise</h2>"]
    for name in sorted(set(origin[ok].tolist())):
        use = ok & (origin == name)
        rows = []
        lags = quality["noise_lags"].transpose("galaxy", "band", "lag_y", "lag_x").values[use]
        for column, label in [
            ("sigma", "sky noise [nanomaggy]"),
            ("ratio", "its square times the inverse variance"),
            *((lag, f"autocorrelation at lag {lag}") for lag in LAGS),
            ("noise_correlation", "its sum over \u00b13 px"),
        ]:
            if column == "ratio":
                values = quality["sigma"].values[use] ** 2 * quality["sky_invvar"].values[use]
            else:
                values = _at(lags, column) if column in LAGS else quality[column].values[use]
            known = KNOWN.get(column, "-")
            known = ", ".join(f"{b} {v}" for b, v in known.items()) if isinstance(known, dict) else known
            rows.append([label, *(_spread(values[:, bands.index(band)]) for band in shown), known])
        out.append(
            _table(
                f"{name or 'survey'}: {int(use.sum()):,} usable cutouts, median (16-84 %)",
                ["", *shown, "known of DR10"],
                rows,
            )
        )
    out.append("<p class=note>Lags in pixels of (x, y). Known: six DR10 cutouts of the viewer, sources masked.</p>")
    return "\n".join(out)


def _at(lags: np.ndarray, lag: tuple[int, int]) -> np.ndarray:
    """The autocorrelation (galaxy, band) at one lag of (x, y) pixels, the mean of both diagonals."""
    x, y = lag
    return lags[..., y, [pixels.LAG - x, pixels.LAG + x]].mean(-1)


def _spread(values: np.ndarray) -> str:
    values = values[np.isfinite(values)]
    if not values.size:
        return "-"
    low, middle, high = np.percentile(values, [16, 50, 84])
    return f"{middle:.3g} ({low:.2g} to {high:.2g})" if values.size > 1 else f"{middle:.3g}"
