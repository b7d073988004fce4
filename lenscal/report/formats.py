"""How a number of the page is shown: its unit, its form and its digits."""

from __future__ import annotations

Value = float | int | str | bool | None

_COUNTS = {
    "rows",
    "systems",
    "imaging_candidate",
    "matched",
    "in_sample",
    "anchors",
    "trained",
    "train",
    "val",
    "test",
    "none",
    "all",
    "wanted",
    "positives",
    "n1",
    "n2",
    "shortfall",
    "k",
    "epoch",
    "objects",
    "trials",
    "cells",
    "injections",
    "n_injected",
    "n_failed",
    "n_hosts",
    "n_detected",
    "host_pool",
    "rows_in",
    "rows_out",
    "dropped",
    "unaccounted",
    "candidates_n1",
    "candidates_n2",
    "n_true",
    "n_false",
    "n_positive",
    "n_negative",
    "n_fitted",
    "n_imaging",
    "n_other",
    "lost",
    "won",
    "pairs",
    "number",
    "percent",
    "n_real",
    "n_first",
    "n_second",
    "pixels_real",
    "pixels_injected",
    "stamps_real",
    "stamps_injected",
    "k_real",
    "k_injected",
}
_SHARES = {
    "share",
    "rate",
    "rate_requested",
    "false_positive_rate",
    "median",
    "lower_68",
    "upper_68",
    "lower_95",
    "upper_95",
    "visible",
    "base",
    "changed",
    "total_lower_68",
    "total_upper_68",
    "total_lower_95",
    "total_upper_95",
}
_UNITS = {
    "theta_e": "arcsec",
    "psf_fwhm": "arcsec",
    "depth": "mag(AB)",
    "sigma": "nanomaggy",
    "area": "degree^2",
    "weight": "1",
    "radius": "arcsec",
    "median_psfsize_r": "arcsec",
    "median_psfdepth_r": "mag(AB)",
    "source_mag_r": "mag(AB)",
    "arc_snr": "1",
    "ra": "degree",
    "dec": "degree",
    "psfsize_r": "arcsec",
    "psfdepth_r": "mag(AB)",
}


def unit_of(column: str) -> str:
    """Unit of a column of the tables."""
    return _UNITS.get(column, "1")


def form_of(column: str, value: Value) -> str:
    """How a cell of this column is shown: text, count, share, degree or real."""
    if isinstance(value, (str, bool)) or value is None:
        return "text"
    if column in _COUNTS or isinstance(value, int):
        return "text" if column.endswith("_id") else "count"
    if column in ("ra", "dec"):
        return "degree"
    return "share" if column in _SHARES or column.startswith("share_") else "real"


def show(value: Value, form: str) -> str:
    """A value as printed: shares in per cent, counts with thousands, a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or form == "text":
        return str(value)
    if form == "count":
        return f"{value:,.0f}"
    if form == "share":
        return percent(value)
    if form == "degree":
        return f"{value:.5f}".replace("-", "−")
    return (f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}").replace("-", "−")


def percent(value: float) -> str:
    """A share in per cent: one decimal, or two digits where that would leave one."""
    scaled = 100 * value
    return f"{scaled:.1f} %" if abs(scaled) >= 0.995 or scaled == 0 else f"{scaled:.2g} %"
