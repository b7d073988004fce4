"""Why true lenses and trials differ: every subset of the differences, on the same lenses and seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, experiments, schema
from lenscal.audit.experiments.lenses import NOISE, Lenses, lenses_of
from lenscal.audit.experiments.pixels import bands_of, crops, scored, system_scores, systems
from lenscal.audit.images import host_pixels
from lenscal.audit.products import Run
from lenscal.config import Settings
from lenscal.experiments import arms as crossing
from lenscal.experiments import paired, views
from lenscal.kernels import draws, magnitudes

Say = Callable[[str], None]


def arms(run: Run, sky: Settings, bare: Settings, count: int, say: Say) -> tuple[dict, dict[str, pd.DataFrame]]:
    """Found shares of the same true lenses with every subset of `experiments.FACTORS` as trials have them.

    Parameters
    ----------
    run : Run
        The run.
    sky, bare : Settings
        An embedded sky that is drawn, and the same without arcs.
    count : int
        True lenses at most.
    say : callable

    Returns
    -------
    dict
        As from `experiments.gap`, with `threshold`, and `singles`.
    dict of DataFrame
        arms (one row a factor), arms_subsets (one row a subset), arms_singles (other changes of the true lenses),
        arms_lenses.
    """
    from lenscal.injections import priors, sources

    say("true lenses")
    lenses = lenses_of(run, sky, bare, count)
    truth = lenses.table
    settings, seed = run.settings.injections, run.settings.seed
    ids, theta_e = truth["id"].to_numpy(), truth["theta_e"].to_numpy(float)
    stamps = sources.prepare(settings.source, run.sources)
    drawn = _as_drawn(theta_e, *priors.accepted(theta_e, ids, settings, seed, stamps)[:2])
    hosts = run.table("hosts.parquet")
    drawn["galaxy_id"] = _hosts(hosts, truth, None, seed)
    used = hosts[hosts["galaxy_id"].isin(drawn["galaxy_id"])]
    pixels = {"own": lenses.bare, "run": host_pixels(run, used["position"].to_numpy())}
    threshold = float(run.store("thresholds")["threshold"].values[0])
    factors = tuple(experiments.FACTORS)
    score = {}
    for number, subset in enumerate(experiments.crossed(factors)):
        say(f"arm {number + 1} of {1 << len(factors)}")
        table = experiments.mixed(truth, drawn, subset)
        score[subset] = _scores(run, table, pixels["run" if "host" in subset else "own"])
    found = {subset: paired.found(values, threshold) for subset, values in score.items()}
    own = paired.found(truth["own"].to_numpy(), threshold)
    table, summary = experiments.gap(own, found, factors)
    say("single changes")
    singles = _singles(run, lenses, drawn, hosts, score[()], threshold)
    subsets = pd.DataFrame(
        [
            {
                **{name: name in subset for name in factors},
                "n": int(np.isfinite(v).sum()),
                "found": float(np.nanmean(v)),
            }
            for subset, v in found.items()
        ]
    )
    kept = truth[["galaxy_id", "theta_e", "psfsize_r", "psfdepth_r", "lensed_mag_r", "own"]].assign(
        engine=score[()], trials=score[factors], host=drawn["galaxy_id"].to_numpy()
    )
    summary |= {"threshold": threshold, "seed": sky.seed, "factors": {name: crossing.ABOUT[name] for name in factors}}
    return summary, {"arms": table, "arms_subsets": subsets, "arms_singles": singles, "arms_lenses": kept}


def _scores(run: Run, table: pd.DataFrame, hosts: xr.Dataset) -> np.ndarray:
    """Scores; NaN where the cell has no host."""
    out = np.full(len(table), np.nan)
    rows = np.flatnonzero(table["galaxy_id"].to_numpy() >= 0)
    out[rows] = system_scores(run, table.iloc[rows], hosts)
    return out


def _as_drawn(theta_e: np.ndarray, drawn: dict[str, np.ndarray], magnification: np.ndarray) -> pd.DataFrame:
    """Draws of the prior under the names of `experiments.FACTORS`."""
    table = pd.DataFrame(
        {
            name: drawn[name]
            for name in ("n", "r_e", "source_q", "source_phi", "q", "phi", "gamma1", "gamma2", "lens_x", "lens_y")
        }
    )
    lensed = {band: drawn[f"mag_{band}"] - 2.5 * np.log10(magnification) for band in schema.BANDS}
    return table.assign(
        lensed_mag_r=lensed["r"],
        lensed_colour_gr=lensed["g"] - lensed["r"],
        lensed_colour_rz=lensed["r"] - lensed["z"],
        **{f"offset_{axis}": (drawn[f"source_{axis}"] - drawn[f"lens_{axis}"]) / theta_e for axis in "xy"},
    )


def _hosts(hosts: pd.DataFrame, lenses: pd.DataFrame, density: str | None, seed: int) -> np.ndarray:
    """A host of the lens's cell for each, drawn evenly or by a density; -1 where the cell has none."""
    share = draws.uniform(seed, f"experiment host {density or ''}", lenses["id"].to_numpy(np.int64))
    out = np.full(len(lenses), -1, np.int64)
    for row, (psf, depth, u) in enumerate(zip(lenses["psf_fwhm"], lenses["depth"], share)):
        cell = hosts[np.isclose(hosts["psf_fwhm"], psf) & np.isclose(hosts["depth"], depth)].sort_values("rank")
        weight = np.ones(len(cell)) if density is None else cell[density].fillna(0).to_numpy(float)
        if weight.sum() > 0:
            edges = np.cumsum(weight) / weight.sum()
            out[row] = cell["galaxy_id"].to_numpy()[min(np.searchsorted(edges, u, "right"), len(cell) - 1)]
    return out


def _singles(
    run: Run, lenses: Lenses, drawn: pd.DataFrame, hosts: pd.DataFrame, engine: np.ndarray, threshold: float
) -> pd.DataFrame:
    """Other single changes of the true lenses made by our engine: arc, light of the galaxy, lens-like hosts, source
    morphology, shot noise, profile.
    """
    from lenscal.injections.populations import COLUMN, LENS_LIKE

    truth, bare, settings = lenses.table, lenses.bare, run.settings.injections
    outcome: dict[tuple[str, str], np.ndarray] = {("as observed", "the lens's own pixels"): truth["own"].to_numpy()}
    outcome["arc", "removed"] = scored(run, crops(run, bare))
    if COLUMN[LENS_LIKE] in hosts:
        chosen = _hosts(hosts, truth, COLUMN[LENS_LIKE], run.settings.seed)
        pixels = host_pixels(run, hosts.loc[hosts["galaxy_id"].isin(chosen), "position"].to_numpy())
        outcome["host", "lens-like"] = _scores(run, truth.assign(galaxy_id=chosen), pixels)
    for what, bright in (("brightness and colour", True), ("colour", False)):
        outcome["host light", f"{what} of the drawn host"] = _relit(
            run, lenses, drawn["galaxy_id"].to_numpy(), hosts, bright
        )
    changed: dict[tuple[str, str], config.Injections] = {
        ("noise", "no shot noise"): settings.model_copy(update={"shot_noise": False})
    }
    for source in ("sersic", "clumpy"):
        if source != settings.source:
            changed["source morphology", source] = settings.model_copy(update={"source": source, "source_stamps": None})
    for beta in run.settings.realism.moffat_betas:
        changed["PSF", f"Moffat beta {beta:g} where it has no image"] = settings.model_copy(
            update={"moffat_beta": beta}
        )
    for name, other in changed.items():
        outcome[name] = system_scores(run, truth, bare, other)
    table = experiments.compared(
        paired.found(engine, threshold),
        {" | ".join(name): paired.found(values, threshold) for name, values in outcome.items()},
    )
    kinds, names = zip(*outcome)
    return table.assign(kind=kinds, name=names)[["kind", "name", *paired.COLUMNS]]


def _relit(run: Run, lenses: Lenses, ids: np.ndarray, hosts: pd.DataFrame, bright: bool) -> np.ndarray:
    """Scores of the lenses whose own galaxy has the light of other hosts: magnitudes in all bands, or
    colours (relative to r) alone.
    """
    truth, size = lenses.table, lenses.bare.sizes["x"]
    other = hosts.drop_duplicates("galaxy_id").set_index("galaxy_id").reindex(ids)
    names = ("host_mag_z", "host_colour_gr", "host_colour_rz")
    if any(name not in other for name in names):
        return np.full(len(truth), np.nan)
    z, gr, rz = (other[name].to_numpy(float) - truth[name].to_numpy(float) for name in names)
    change = {"g": z + rz + gr, "r": z + rz, "i": magnitudes.i_between(z + rz, z), "z": z}
    change = np.column_stack([change[band] for band in run.settings.survey.bands])
    if not bright:
        change = change - change[:, 1:2]
    host = crops(run, lenses.bare)
    image = systems(run, truth, lenses.bare)
    order = bands_of(lenses.bare)
    sigma, _, lags = (
        lenses.bare[name].transpose("galaxy", "band", ...).values[:, order].astype(float) for name in NOISE
    )
    made = views.Views(
        image,
        host,
        np.zeros(host.shape),
        sigma,
        lags,
        np.full(sigma.shape, np.nan),
        np.full((len(truth), 2), np.nan),
        truth["id"].to_numpy(),
        schema.PIXEL_SCALE,
        (size - host.shape[-1]) % 2,
    )
    return np.where(np.isfinite(change).all(1), scored(run, views.relit(made, image, change)), np.nan)
