"""What an injection is drawn from: priors, each with its measure, and the range of the magnification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri

from lenscal import config, schema
from lenscal.injections import populations, quotas, rendering
from lenscal.injections.sources import Stamps, of_kind, prepare, smooth
from lenscal.kernels import draws

from .bands import in_bands
from .numbering import injection_ids, noise_ids
from .prior_sets import QUANTITIES, PriorError, named

PROPOSALS_MAX = 400
COARSE = 20.0  # tolerance factor of the first look at a magnification, good to half a per cent (stamps: two)
NEAR = 0.03  # relative distance from the range within which the first look does not decide


def quantile(prior: Mapping, u: np.ndarray) -> np.ndarray:
    """Values of a quantity for numbers that are uniform in (0, 1)."""
    measure = prior["measure"]
    if measure == "normal":
        return prior["mean"] + prior["deviation"] * ndtri(u)
    if measure == "angle":
        return prior["period"] * u
    if measure == "values":
        return np.interp(u, np.linspace(0, 1, len(prior["values"])), prior["values"])
    low, high = prior["low"], prior["high"]
    if measure == "counts":
        span = prior["slope"] * (high - low)
        return low + (high - low) * (
            u if abs(span) < 1e-9 else np.log1p(u * np.expm1(span * np.log(10))) / (span * np.log(10))
        )
    if measure == "log":
        return low * (high / low) ** u
    if measure == "disc":
        return np.sqrt(low**2 + u * (high**2 - low**2))
    return low + u * (high - low)


def log_density(name: str, drawn: Mapping[str, np.ndarray], theta_e_step: float, extra: str = "") -> np.ndarray:
    """ln of the density that parameters were proposed with: uniform theta_e in its bin, each quantity by
    its measure, independent.

    The density is one of theta_e, q, phi, gamma1, gamma2, lens_x, lens_y, beta_fraction, the angle of the offset, n,
    r_e, source_q, source_phi, mag_r and the colours g - r and r - z, in their units. The range of the magnification,
    which rejects proposals, only divides it by the share that is accepted at that theta_e.

    Parameters
    ----------
    name : str
        Of the prior.
    drawn : mapping
        From `propose`.
    theta_e_step : float
        Width of the bin, arcsec.
    extra : str
        As in `prior_sets`.
    """
    prior = named(name, extra)
    given = {key: np.asarray(drawn[key], float) for key in QUANTITIES if key in drawn}
    given |= {
        "colour_gr": np.asarray(drawn["mag_g"], float) - drawn["mag_r"],
        "colour_rz": np.asarray(drawn["mag_r"], float) - drawn["mag_z"],
    }
    given["beta_angle"] = np.arctan2(
        *(np.asarray(drawn[f"source_{axis}"], float) - drawn[f"lens_{axis}"] for axis in "yx")
    )
    total = np.full(np.shape(drawn["theta_e"]), -np.log(theta_e_step))
    for key in QUANTITIES:
        total = total + (
            -np.log(prior[key]["period"]) if prior[key]["measure"] == "angle" else _log_density(prior[key], given[key])
        )
    return total


def _log_density(prior: Mapping, value: np.ndarray) -> np.ndarray:
    """ln of the density of one quantity; -inf outside of its range."""
    measure = prior["measure"]
    if measure == "normal":
        return -0.5 * ((value - prior["mean"]) / prior["deviation"]) ** 2 - np.log(
            prior["deviation"] * np.sqrt(2 * np.pi)
        )
    if measure == "values":
        edges = np.asarray(prior["values"], float)
        inside = (value >= edges[0]) & (value <= edges[-1])
        gap = np.diff(edges)[np.clip(np.searchsorted(edges, value, "right") - 1, 0, edges.size - 2)]
        return np.where(inside, -np.log((edges.size - 1) * gap), -np.inf)
    low, high = prior["low"], prior["high"]
    slack = 1e-9 * max(abs(low), abs(high))
    if measure == "counts":
        rate = prior["slope"] * np.log(10)
        inside = (
            -np.log(high - low)
            if abs(rate * (high - low)) < 1e-9
            else np.log(rate / np.expm1(rate * (high - low))) + rate * (value - low)
        )
    elif measure == "log":
        inside = -np.log(np.maximum(value, low / 2)) - np.log(np.log(high / low))
    elif measure == "disc":
        inside = np.log(2 * np.maximum(value, slack)) - np.log(high**2 - low**2)
    else:
        inside = -np.log(high - low)
    return np.where((value >= low - slack) & (value <= high + slack), inside, -np.inf)


def propose(
    name: str, theta_e: np.ndarray, ids: np.ndarray, seed: int, round_: int, extra: str = ""
) -> dict[str, np.ndarray]:
    """Parameters of one round of proposals: they depend on (seed, injection id, round) only;
    `extra` as in `prior_sets`.
    """
    prior = named(name, extra)
    drawn = {key: quantile(prior[key], draws.uniform(seed, f"prior {key}", ids, round_)) for key in QUANTITIES}
    fraction, angle = drawn.pop("beta_fraction"), drawn.pop("beta_angle")
    offset = theta_e * fraction
    gr, rz = drawn.pop("colour_gr"), drawn.pop("colour_rz")
    drawn["theta_e"] = theta_e
    drawn["source_x"] = drawn["lens_x"] + offset * np.cos(angle)
    drawn["source_y"] = drawn["lens_y"] + offset * np.sin(angle)
    drawn["mag_g"], drawn["mag_z"] = drawn["mag_r"] + gr, drawn["mag_r"] - rz
    drawn["beta_fraction"] = fraction
    return drawn


def accepted(
    theta_e: np.ndarray, ids: np.ndarray, settings: config.Injections, seed: int, stamps: Stamps | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """The first proposal of each injection whose magnification lies in the range.

    Rejection sampling: the accepted draws follow the prior restricted to the range. Magnification is lensed over
    unlensed flux of the source itself (Sersic, with knots or stamp), all images included; a coarse sampling decides far
    from the range's ends, the one of the images near them. Signal-to-noise ratio takes no part.

    Returns
    -------
    tuple
        Parameters by name, magnification, and the number of proposals.

    Raises
    ------
    PriorError
        When PROPOSALS_MAX proposals of an injection were all refused.
    """
    low, high = settings.magnification
    extra = settings.more_priors
    pending = np.arange(ids.size)
    out: dict[str, np.ndarray] = {}
    mu, proposals = np.full(ids.size, np.nan), np.zeros(ids.size, np.int32)
    for round_ in range(PROPOSALS_MAX):
        drawn = propose(settings.prior, theta_e[pending], ids[pending], seed, round_, extra)
        proposals[pending] += 1
        near = np.arange(pending.size)
        value = np.full(pending.size, np.nan)
        for tolerance, slack in ((COARSE, NEAR), (1.0, 0.0)):
            chosen = {name: array[near] for name, array in drawn.items()}
            parts = of_kind(settings.source, chosen, ids[pending[near]], seed, stamps, schema.PIXEL_SCALE)
            value[near] = rendering.magnification(chosen, parts, tolerance=tolerance)
            near = near[(value[near] >= low * (1 - slack)) & (value[near] <= high * (1 + slack))]
            if not near.size:
                break
        for name, array in drawn.items():
            out.setdefault(name, np.full(ids.size, np.nan))[pending[near]] = array[near]
        mu[pending[near]] = value[near]
        pending = np.delete(pending, near)
        if not pending.size:
            return out, mu, proposals
    raise PriorError(
        f"injections: {pending.size} of {ids.size} injections found no magnification in {low:g}-{high:g} within "
        f"{PROPOSALS_MAX} draws of the prior '{settings.prior}' (first: {ids[pending[0]]}); widen "
        "injections.magnification or take another prior"
    )


def _spread(
    asked: np.ndarray, drawn: dict[str, np.ndarray], mu: np.ndarray, proposals: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """What was drawn at the trials that are asked for; NaN, and no proposal, at the others."""

    def full(values: np.ndarray, fill: float) -> np.ndarray:
        out = np.full(asked.size, fill, values.dtype)
        out[asked.ravel()] = values
        return out

    return {name: full(values, np.nan) for name, values in drawn.items()}, full(mu, np.nan), full(proposals, 0)


def check(settings: config.Injections, seed: int, probes: int = 64) -> float:
    """Share of the prior's draws whose magnification lies in the range, at both ends of the theta_e axis together.

    Raises
    ------
    PriorError
        When nothing is accepted, before any work is done, with the range that the draws have.
    """
    low, high = settings.magnification
    ends = np.repeat(settings.grid.theta_e.centres[[0, -1]], probes)
    drawn = propose(settings.prior, ends, np.arange(ends.size), seed, 0, settings.more_priors)
    parts = smooth(drawn, schema.PIXEL_SCALE)
    mu = rendering.magnification(drawn, parts, tolerance=COARSE)
    good = (mu >= low) & (mu <= high)
    for end, part in zip(settings.grid.theta_e.centres[[0, -1]], np.split(good, 2)):
        if not part.any():
            raise PriorError(
                f"injections: none of {probes} draws of the prior '{settings.prior}' at theta_e = {end:g} arcsec has "
                f"a magnification in {low:g}-{high:g}; theirs are {mu.min():.2f}-{mu.max():.2f}. Widen "
                "injections.magnification or take another prior"
            )
    return float(good.mean())


def draw(
    psf_fwhm: float,
    depth: float,
    hosts: pd.DataFrame,
    settings: config.Injections,
    seed: int,
    sources: Sequence[Mapping] | None = None,
    bands: Sequence[str] = schema.BANDS,
) -> xr.Dataset:
    """Parameters of all trials of one (psf_fwhm, depth) cell, every theta_e bin.

    A trial has the same host at every theta_e: that of `populations.hosts_of_trials` where hosts have densities, else
    host t modulo their number, in the order of `rank`.

    Parameters
    ----------
    psf_fwhm, depth : float
        Centre of the cell, arcsec and AB mag.
    hosts : DataFrame
        Those of the cell, from `hosts.assign_hosts`, with densities and features where `populations` gave them some;
        may be empty.
    settings : config.Injections
    seed : int
        Of the run.
    sources : list of dict
        Real galaxies (image, pixel_scale, name), when the source is "stamps".
    bands : sequence of str
        In which the source has a magnitude.

    Returns
    -------
    Dataset (theta_e, psf_fwhm, depth, trial)
        Parameters as in `schema.INJECTIONS`, galaxy_id, injection_id, magnification, beta_fraction, proposals, and the
        densities that host and source were drawn with. Without hosts galaxy_id is -1 and the parameters are NaN.
    """
    axis = settings.grid.theta_e
    trials = settings.first_trial + np.arange(settings.trials)
    ids = injection_ids(axis.centres, psf_fwhm, depth, trials)
    shape = (axis.centres.size, 1, 1, trials.size)
    ordered = hosts.sort_values("rank", ignore_index=True)
    names = [name for name in schema.in_bands(schema.ALL_PARAMETERS, bands) if name != "theta_e_drawn"]
    row, quota = None, quotas.of_cell(settings, psf_fwhm, depth)
    if len(ordered) and quota.any():
        zero = injection_ids(axis.centres[:1], psf_fwhm, depth, np.zeros(1, np.int64))  # whichever trial is the first
        start = draws.uniform(seed, "host of trial", noise_ids(zero[0]))[0]
        row = (
            populations.hosts_of_trials(ordered, trials, start)
            if populations.DRAWN in ordered
            else trials % len(ordered)
        )
        asked = np.arange(trials.size) < quota[:, None]
        galaxy = np.where(asked, ordered["galaxy_id"].to_numpy()[row], -1)
        theta_e = axis.centres[:, None] + (draws.uniform(seed, "theta_e", ids) - 0.5) * axis.step
        found = accepted(theta_e[asked], ids[asked], settings, seed, prepare(settings.source, sources))
        drawn, mu, proposals = _spread(asked, *found)
    else:
        galaxy = np.full(ids.shape, -1)
        nan = np.full(ids.size, np.nan)
        drawn = dict.fromkeys((*names, "mag_g", "mag_r", "mag_z", "theta_e", "beta_fraction"), nan)
        mu, proposals = nan, np.zeros(ids.size, np.int32)
    drawn = in_bands(drawn, bands)
    columns = {name: drawn[name.replace("source_mag_", "mag_")] for name in names}
    columns |= {
        "theta_e_drawn": drawn["theta_e"],
        "beta_fraction": drawn["beta_fraction"],
        "magnification": mu,
        "proposals": proposals,
        "galaxy_id": galaxy,
        "injection_id": ids,
        "log_density_source": log_density(settings.prior, drawn, axis.step, settings.more_priors)
        if row is not None
        else np.full(ids.size, np.nan),
    }
    columns |= {
        name: np.broadcast_to(values, ids.shape)
        for name, values in populations.of_trials(ordered, row, trials.size).items()
    }
    block = xr.Dataset(
        {name: (schema.TRIAL, np.reshape(values, shape)) for name, values in columns.items()},
        coords={"theta_e": axis.centres, "psf_fwhm": [float(psf_fwhm)], "depth": [float(depth)]},
    )
    return schema.INJECTIONS.describe(block)
