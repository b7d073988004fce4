"""Gates of the quality stage."""

from __future__ import annotations

from collections import Counter

import numpy as np
import xarray as xr

from lenscal import config
from lenscal.gates import Gate, absent, words
from lenscal.kernels.noise import CORRELATION_MAX

from .measures import REASONS


def gates(quality: xr.Dataset, settings: config.Quality | None = None) -> list[Gate]:
    """What must hold of the quality of a whole run, from the stored measures alone."""
    settings = settings or config.Quality()
    ok = quality["cutout_ok"].values
    reason = quality["reason"].values.astype(object)
    counts = dict(sorted(Counter(reason[~ok].tolist()).items()))
    bad = ok & (quality["nan_in_centre"].values | ~(quality["sigma"].values > 0).all(axis=1))
    correlation = quality["noise_correlation"].values[ok]
    found = [
        Gate(
            "quality.used",
            "the cutouts are fit for use",
            "usable cutouts / cutouts",
            ok.mean() if ok.size else np.nan,
            minimum=1 - settings.failed_fraction_max,
            critical=True,
            evidence=f"{int(ok.sum())} of {ok.size}; not usable: {words(counts)}",
        ),
        Gate(
            "quality.nan",
            "no cutout with an unobserved centre or without sky noise is called fit for use",
            "cutout_ok and (nan_in_centre or not sigma > 0)",
            float(bad.sum()),
            maximum=0,
            critical=True,
            evidence=f"{int(quality['nan_in_centre'].values.sum())} cutouts have NaN in the centre",
        ),
        Gate(
            "quality.reasons",
            "every cutout is either fit for use or has a reason that is known",
            "cutouts without account",
            float(((reason == "") != ok).sum() + (~np.isin(reason, ["", *REASONS])).sum()),
            maximum=0,
            critical=True,
            evidence=words(counts),
        ),
    ]
    for b, band in enumerate(quality["band"].values.tolist()):
        ratio = (quality["sigma"].values[:, b] ** 2 * quality["sky_invvar"].values[:, b])[ok]
        found += _noise_gates(band, ratio[np.isfinite(ratio)], correlation[:, b][np.isfinite(correlation[:, b])])
    return found


def _noise_gates(band: str, ratio: np.ndarray, one: np.ndarray) -> list[Gate]:
    """Gates of one band, on sigma^2 times the inverse variance and on the summed autocorrelation of the cutouts."""
    claim = f"{band}: the noise of the sky is that of the inverse variance"
    level = (
        Gate(
            f"quality.sigma.{band}",
            claim,
            "median of sigma^2 invvar",
            float(np.median(ratio)),
            0.5,
            2.0,
            evidence=f"{ratio.size} cutouts, 16-84 %: {_span(ratio)}",
        )
        if ratio.size
        else absent(f"quality.sigma.{band}", claim, "no usable cutout has both a sky noise and an inverse variance")
    )
    claim = f"{band}: the noise of neighbouring pixels is correlated as that of a coadd"
    correlated = (
        Gate(
            f"quality.correlation.{band}",
            claim,
            "median of the summed autocorrelation",
            float(np.median(one)),
            0.8,
            CORRELATION_MAX,
            evidence=(
                f"{one.size} cutouts, 16-84 %: {_span(one)}; 1 is white noise, DECam coadds "
                "have 1.1-2.9, a 90prime coadd 4"
            ),
        )
        if one.size
        else absent(f"quality.correlation.{band}", claim, "no usable cutout has a measured sky noise")
    )
    return [level, correlated]


def _span(values: np.ndarray) -> str:
    low, high = np.percentile(values, [16, 84])
    return f"{low:.3g} to {high:.3g}"
