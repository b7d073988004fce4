"""The one calibration of the sources' brightness: a prior of record whose arcs have the SNR of the
anchors, at their conditions.

Only the intrinsic distribution of mag_r is changed, within its limits: the slope of source counts, N(m) ~ 10^(slope m).
The result is frozen as a named prior set and then used unchanged in every cell, where SNR follows seeing and depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import yaml
from scipy.optimize import minimize_scalar

from lenscal import config, schema
from lenscal.errors import LenscalError
from lenscal.injections import prior_sets, priors, rendering
from lenscal.injections.sources import of_kind, prepare
from lenscal.kernels import draws, light, noise, widths

MEASURES = ("annulus_snr", "arc_snr")
TARGET = {0.9: 5.0, 0.99: 10.0}
"""Requirement 3A.2: SNR 0 to 5 with a tail to about 10, here of a pixel in the arc's annulus."""
SLOPES = -2.0, 2.0
FACTOR_MAX = 2.0  # between a quantile of the target and what is reached
CONDITIONS_MIN = 10
DR10 = {"psfsize_r": (1.13, 1.24, 1.35, 1.49, 1.75), "psfdepth_r": (23.98, 24.20, 24.46, 25.06, 25.44)}
DR10_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BETA, PSF_SIDE, SIDE = 2.5, 61, 101


class CalibrationError(LenscalError, ValueError):
    """A target that no prior of the family meets, or too few conditions to calibrate at."""


@dataclass(frozen=True)
class Calibration:
    """A calibrated prior set: `entry` is what priors.yaml would hold under its name, provenance included."""

    name: str
    entry: dict
    reached: dict[float, float]
    snr: np.ndarray

    @property
    def text(self) -> str:
        """The set as YAML, for `injections.prior_file`."""
        return yaml.safe_dump({self.name: self.entry}, sort_keys=False, width=120)


def survey_conditions(count: int = 200) -> pd.DataFrame:
    """Seeing and depth of DR10 where luminous red galaxies are dense, as independent quantile functions.

    Their 5, 25, 50, 75 and 95 % points were measured on 201 square degrees of bricks; straight lines lie between them.
    """
    u = (np.arange(count) + 0.5) / count
    order = np.argsort(draws.uniform(0, "survey conditions", np.arange(count)))
    low, high = DR10_QUANTILES[0], DR10_QUANTILES[-1]
    return pd.DataFrame(
        {
            "psfsize_r": np.interp(np.clip(u, low, high), DR10_QUANTILES, DR10["psfsize_r"]),
            "psfdepth_r": np.interp(np.clip(u[order], low, high), DR10_QUANTILES, DR10["psfdepth_r"]),
        }
    )


def unit_snr(
    conditions: pd.DataFrame, settings: config.Injections, seed: int, count: int, sources: list | None = None
) -> pd.DataFrame:
    """SNR of arcs whose unlensed source has one nanomaggy in r, each at one of the conditions.

    Parameters
    ----------
    conditions : DataFrame
        psfsize_r [arcsec], psfdepth_r [5-sigma AB mag].
    settings : config.Injections
        Prior (its mag_r takes no part), kind of source, range of the magnification and of theta_e.
    seed, count : int
        Of the draws; number of arcs.
    sources : list of dict
        Real galaxies, when the source is "stamps".

    Returns
    -------
    DataFrame
        annulus_snr, arc_snr, magnification, proposals; theta_e is uniform over the axis of the grid.
    """
    ids = np.arange(count)
    edges = settings.grid.theta_e.edges
    theta_e = edges[0] + (edges[-1] - edges[0]) * draws.uniform(seed, "calibration theta_e", ids)
    stamps = prepare(settings.source, sources)
    values, mu, proposals = priors.accepted(theta_e, ids, settings, seed, stamps)
    which = (draws.hashes(seed, "calibration conditions", ids) % np.uint64(len(conditions))).astype(np.int64)
    size, depth = (conditions[name].to_numpy(float) for name in ("psfsize_r", "psfdepth_r"))
    psf = np.stack([light.moffat(light.moffat_fwhm(width, BETA), BETA, PSF_SIDE, schema.PIXEL_SCALE) for width in size])
    # Noise of an uncorrelated pixel behind the depth: 5 sigma sqrt(NEA) is the flux of the depth.
    sigma = 10 ** (-0.4 * (depth - schema.ZEROPOINT)) / 5 / np.sqrt(widths.noise_equivalent_area(psf))
    bench = rendering.Bench((SIDE, SIDE), schema.PIXEL_SCALE, psf.shape[-2:])
    out = np.empty((count, 2))
    middle = ((SIDE - 1) / 2, (SIDE - 1) / 2)
    for start in range(0, count, 256):
        rows = slice(start, start + 256)
        chosen = {name: array[rows] for name, array in values.items()}
        parts = of_kind(settings.source, chosen, ids[rows], seed, stamps, schema.PIXEL_SCALE)
        flux = np.ones((len(chosen["q"]), 1))
        arcs, _, _ = bench.convolved(chosen, parts, flux, psf[:, None], which[rows], settings.inner_images)
        for i, arc in enumerate(arcs[:, 0]):
            s = sigma[which[start + i]]
            radius = chosen["theta_e"][i] / schema.PIXEL_SCALE
            out[start + i] = noise.annulus_snr(arc, s, 1.0, radius, middle), noise.aperture_snr(arc, s, noise.WHITE)
    return pd.DataFrame({"annulus_snr": out[:, 0], "arc_snr": out[:, 1], "magnification": mu, "proposals": proposals})


def _known(conditions: pd.DataFrame) -> pd.DataFrame:
    """Conditions with a PSF size and a depth; fewer than ten are refused."""
    known = conditions[["psfsize_r", "psfdepth_r"]].dropna()
    if len(known) < CONDITIONS_MIN:
        raise CalibrationError(
            f"calibration: {len(known)} anchors have both a PSF size and a depth, fewer than {CONDITIONS_MIN}; "
            "calibrate at those of the survey (--conditions survey)"
        )
    return known


def _limits(settings: config.Injections) -> tuple[float, float]:
    """Limits of mag_r in the prior to start from."""
    base = prior_sets.named(settings.prior, settings.more_priors)
    low, high = (base["mag_r"].get(end) for end in ("low", "high"))
    if low is None:
        raise CalibrationError(f"calibration: mag_r of the prior '{settings.prior}' has no limits to stay within")
    return low, high


def calibrate(
    name: str,
    conditions: pd.DataFrame,
    settings: config.Injections,
    seed: int,
    *,
    target: Mapping[float, float] = TARGET,
    measure: str = "annulus_snr",
    count: int = 2000,
    origin: str = "",
    sources: list | None = None,
) -> Calibration:
    """The prior set of a run with the slope of its mag_r chosen so that SNR quantiles are those of a target.

    Parameters
    ----------
    name : str
        Of the new set.
    conditions : DataFrame
        psfsize_r, psfdepth_r of the anchors.
    settings : config.Injections
        The prior to start from, and what else `unit_snr` takes.
    seed, count : int
        Of the draws; number of arcs.
    target : mapping
        SNR by quantile.
    measure : str
        "annulus_snr" (mean of a pixel) or "arc_snr" (integrated, matched aperture).
    origin : str
        Where the conditions come from, for the provenance.
    sources : list of dict
        Real galaxies, when the source is "stamps".

    Raises
    ------
    CalibrationError
        Fewer than ten conditions, or a target that is missed by more than a factor two in some quantile.
    """
    known = _known(conditions)
    if measure not in MEASURES:
        raise CalibrationError(f"calibration: the measure is '{measure}', not one of {', '.join(MEASURES)}")
    low, high = _limits(settings)
    found = unit_snr(known, settings, seed, count, sources)
    u = draws.uniform(seed, "calibration mag_r", np.arange(count))
    levels, wanted = (np.array(list(part), float) for part in (target.keys(), target.values()))

    def snr(slope: float) -> np.ndarray:
        magnitude = priors.quantile({"measure": "counts", "low": low, "high": high, "slope": slope}, u)
        return found[measure].to_numpy() * 10 ** (-0.4 * (magnitude - schema.ZEROPOINT))

    def misfit(slope: float) -> float:
        return float(np.sum(np.log(np.quantile(snr(slope), levels) / wanted) ** 2))

    slope = round(float(minimize_scalar(misfit, bounds=SLOPES, method="bounded").x), 3)
    values = snr(slope)
    reached = {float(q): round(float(np.quantile(values, q)), 3) for q in sorted({*levels, 0.1, 0.5, 0.9})}
    ratio = np.array([reached[float(q)] for q in levels]) / wanted
    if (np.abs(np.log(ratio)) > np.log(FACTOR_MAX)).any():
        raise CalibrationError(
            f"calibration: no source counts between mag_r {low:g} and {high:g} give the target {dict(target)} "
            f"of {measure}; nearest is slope {slope:g} with {reached}. Take another measure or target, or a "
            "prior with other limits of mag_r"
        )
    provenance = {
        "measure": measure,
        "target": {float(q): float(v) for q, v in target.items()},
        "reached": reached,
        "share_below_5": round(float((values < 5).mean()), 4),
        "share_above_10": round(float((values > 10).mean()), 4),
        "conditions": {"origin": origin, "count": len(known)}
        | {column: [round(float(v), 3) for v in np.quantile(known[column], DR10_QUANTILES)] for column in known},
        "theta_e": [float(edge) for edge in settings.grid.theta_e.edges[[0, -1]]],
        "magnification": list(settings.magnification),
        "source": settings.source,
        "from_prior": settings.prior,
        "arcs": count,
        "seed": seed,
        "accepted": round(float(count / found["proposals"].sum()), 4),
    }
    about = f"As {settings.prior}, with source counts whose arcs have the {measure} of the target at the conditions of "
    counts = {"measure": "counts", "low": float(low), "high": float(high), "slope": slope}
    entry = {"about": about + "the anchors; frozen.", "like": settings.prior}
    entry |= {"mag_r": counts, "calibration": provenance}
    return Calibration(name, entry, reached, values)
