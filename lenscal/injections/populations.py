"""Populations of hosts by name: whom completeness is told for, how often each galaxy stands in it,
and how often it is drawn.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate, absent
from lenscal.kernels import matching, weighting

from .density import FEATURES, density_ratio

SURVEY, LENS_LIKE = "survey", "lens-like"
COLUMN = {SURVEY: "density_survey", LENS_LIKE: "density_lens_like"}
"""Columns of the table of hosts: probability of a host among those of its cell, in each population."""
DRAWN = "density_drawn"
NEIGHBOURS = "host_neighbours"
ARC_BRACKET = {"density_lens_like_arc_none": 0.0, "density_lens_like_arc_all": 1.0}
"""Columns with the density that follows when none or all of the arcs' light is taken off the known lenses' fluxes."""
REACH = 6.0  # arcsec: neighbours nearer than this are on the arc or next to it
SELF = 0.5  # arcsec: nearer than this is the galaxy itself, or a second row of it
_GOLDEN = 0.6180339887498949


def features(rows: pd.DataFrame, arc_flux: np.ndarray | None = None) -> pd.DataFrame:
    """What a population of hosts is told by, of rows of the manifest.

    Parameters
    ----------
    rows : DataFrame
        flux_g, flux_r, flux_z [nanomaggy], mw_transmission_g, mw_transmission_r, mw_transmission_z, shape_r [arcsec],
        shape_e1, shape_e2, sersic.
    arc_flux : (n, 3) array, optional
        Light in g, r, z [nanomaggy, as observed] that is an arc's and not the galaxy's; it is taken off the fluxes
        first.

    Returns
    -------
    DataFrame
        `FEATURES`; NaN where a flux is not positive, a transmission or a size is missing.
    """
    flux = np.column_stack([rows[f"flux_{band}"].to_numpy(float, na_value=np.nan) for band in "grz"])
    if arc_flux is not None:
        flux = flux - np.nan_to_num(arc_flux)
    transmission = np.column_stack([rows[f"mw_transmission_{band}"].to_numpy(float, na_value=np.nan) for band in "grz"])
    with np.errstate(invalid="ignore", divide="ignore"):
        light = np.where((flux > 0) & (transmission > 0), flux / transmission, np.nan)
        g, r, z = (22.5 - 2.5 * np.log10(light)).T
        radius = rows["shape_r"].to_numpy(float, na_value=np.nan)
        radius = np.log10(np.where(radius > 0, radius, np.nan))
    ellipticity = np.hypot(*(rows[f"shape_{name}"].to_numpy(float, na_value=np.nan) for name in ("e1", "e2")))
    sersic = rows["sersic"].to_numpy(float, na_value=np.nan)
    return pd.DataFrame(dict(zip(FEATURES, (z, g - r, r - z, radius, ellipticity, sersic))), index=rows.index)


def neighbours(rows: pd.DataFrame, around: pd.DataFrame) -> np.ndarray:
    """Light of catalogued objects within 6 arcsec of galaxies, in r, over their own: log10(0.01 + ratio).

    Parameters
    ----------
    rows : DataFrame
        ra, dec [degree], flux_r [nanomaggy].
    around : DataFrame
        The survey's objects near them, the galaxies among them: ra, dec, flux_r.

    Returns
    -------
    (n,) array
        NaN where a galaxy has no place or no positive flux.
    """
    own = rows["flux_r"].to_numpy(float, na_value=np.nan)
    place = np.isfinite(rows["ra"].to_numpy(float)) & np.isfinite(rows["dec"].to_numpy(float))
    here = np.flatnonzero(place)
    columns = (frame[name].to_numpy(float) for frame in (rows.iloc[here], around) for name in ("ra", "dec"))
    first, second, apart = matching.pairs(*columns, REACH)
    other = apart > SELF
    light = np.bincount(
        here[first[other]], np.maximum(around["flux_r"].to_numpy(float)[second[other]], 0), minlength=len(rows)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(place & (own > 0), np.log10(0.01 + light / own), np.nan)


def densities(hosts: pd.DataFrame, ratio: np.ndarray | None, share: float) -> pd.DataFrame:
    """The table of hosts with each one's probability in its cell: in the survey, among lens-like
    galaxies, and as it is drawn.

    Parameters
    ----------
    hosts : DataFrame
        psf_fwhm, depth (the cell).
    ratio : (n,) array or None
        From `density_ratio`; None where nothing is known of lenses' hosts: then there is one population.
    share : float
        Of the draws that are made from the lens-like population, in (0, 1).

    Returns
    -------
    DataFrame
        With density_survey, density_drawn and, with a ratio, density_lens_like; each sums to 1 in every cell. A cell
        without any lens-like galaxy has NaN there, and its hosts are drawn evenly.
    """
    cell = [hosts["psf_fwhm"], hosts["depth"]]
    even = 1 / hosts.groupby(["psf_fwhm", "depth"])["galaxy_id"].transform("size").to_numpy(float)
    out = hosts.assign(**{COLUMN[SURVEY]: even, DRAWN: even})
    if ratio is None:
        return out
    total = pd.Series(ratio, index=hosts.index).groupby(cell).transform("sum").to_numpy()
    with np.errstate(invalid="ignore"):
        like = np.where(total > 0, ratio / total, np.nan)
    drawn = np.where(np.isfinite(like), (1 - share) * even + share * like, even)
    return out.assign(**{COLUMN[LENS_LIKE]: like, DRAWN: drawn})


def hosts_of_trials(hosts: pd.DataFrame, trials: np.ndarray, start: float) -> np.ndarray:
    """Row of the host of each trial: drawn by `density_drawn`, as evenly as a golden-ratio sequence is, so that more
    trials leave the first as they are.

    Parameters
    ----------
    hosts : DataFrame
        Of one cell, in order of rank.
    trials : (n,) int array
        Numbers of the trials.
    start : float
        In [0, 1), where the sequence begins; of the cell.
    """
    density = hosts[DRAWN].to_numpy(float)
    if np.all(density == density[0]):
        return np.asarray(trials) % len(density)
    edges = np.cumsum(density)
    return np.searchsorted(edges / edges[-1], (start + np.asarray(trials) * _GOLDEN) % 1.0, "right").clip(
        0, len(density) - 1
    )


def populate(
    hosts: pd.DataFrame,
    manifest: pd.DataFrame,
    arc_flux: pd.DataFrame,
    near: pd.DataFrame | None,
    settings: config.Injections,
    seed: int,
) -> tuple[pd.DataFrame, int]:
    """The table of hosts with features and densities, and how many known lenses told the population `lens-like`.

    Parameters
    ----------
    hosts : DataFrame
        From `assign_hosts`.
    manifest : DataFrame
        Rows of the whole sample: known lenses (pool "positive"), ordinary galaxies (N1), the hosts among them.
    arc_flux : DataFrame
        arc_g, arc_r, arc_z [nanomaggy] of known lenses, indexed by galaxy_id: light found beside the galaxy's model. A
        lens that is not there has no light taken off.
    near : DataFrame or None
        Objects of the survey around the hosts (ra, dec, flux_r); None where there is no catalogue.
    settings : config.Injections
    seed : int
        Of the run.

    Returns
    -------
    DataFrame
        `hosts` with `FEATURES`, `NEIGHBOURS` and the densities of `densities`; where known lenses are too few
        (`lenses_min`) or not asked for, those of the survey alone. For the effect of the arcs' light also
        `density_lens_like_arc_none` and `_arc_all`: the same with none and all of it taken off.
    int
    """
    rows = manifest.set_index("galaxy_id", drop=False)
    own = rows.loc[hosts["galaxy_id"]]
    wanted = features(own)
    out = hosts.assign(**{name: wanted[name].to_numpy() for name in FEATURES})
    out[NEIGHBOURS] = neighbours(own, near) if near is not None else np.nan
    pool = _finite(features(rows[rows["pool"].eq("N1").to_numpy(bool)]))
    lenses = rows[rows["pool"].eq("positive").to_numpy(bool)]
    light = arc_flux.reindex(lenses.index)[["arc_g", "arc_r", "arc_z"]].to_numpy(float)
    known = {
        share: _finite(features(lenses, share * light)) for share in dict.fromkeys((settings.arc_flux_share, 0.0, 1.0))
    }
    count = len(known[settings.arc_flux_share])
    if LENS_LIKE not in settings.host_populations or count < settings.lenses_min or len(pool) < settings.lenses_min:
        return densities(out, None, settings.lens_like_share), count
    out = densities(out, density_ratio(known[settings.arc_flux_share], pool, wanted, seed), settings.lens_like_share)
    for name, share in ARC_BRACKET.items():
        made = (
            densities(hosts, density_ratio(known[share], pool, wanted, seed), settings.lens_like_share)
            if len(known[share]) >= settings.lenses_min
            else out
        )
        out[name] = made[COLUMN[LENS_LIKE]]
    return out, count


def _finite(table: pd.DataFrame) -> pd.DataFrame:
    return table[np.isfinite(table.to_numpy(float)).all(1)]


def of_trials(hosts: pd.DataFrame, row: np.ndarray | None, count: int) -> dict[str, np.ndarray]:
    """Densities and features of the hosts of the trials of a cell, as variables of `schema.INJECTIONS`;
    none where hosts have none.

    Parameters
    ----------
    hosts : DataFrame
        Of one cell.
    row : (n,) int array or None
        Of each trial; None where the cell has no host.
    count : int
        Trials.
    """
    if DRAWN not in hosts:
        return {}
    logs = {"log_density_host": DRAWN, "log_density_survey": COLUMN[SURVEY], "log_density_lens_like": COLUMN[LENS_LIKE]}
    out = {}
    for name, column in (*logs.items(), *((name, name) for name in (*FEATURES, NEIGHBOURS))):
        if column not in hosts:
            continue
        values = np.full(count, np.nan) if row is None else hosts[column].to_numpy(float)[row]
        if name in logs:
            with np.errstate(divide="ignore"):
                values = np.log(np.nan_to_num(values, nan=0.0)) if row is not None else values
        out[name] = values
    return out


def gates(hosts: pd.DataFrame, lenses: int, settings: config.Injections) -> list[Gate]:
    """Whether each population can be told from the hosts that were drawn."""
    claim = "hosts of the lens-like population are drawn often enough"
    id_, measure = "injections.lens_like", "effective share of the trials, the least of any cell"
    if LENS_LIKE not in settings.host_populations:
        return [absent(id_, claim, "the run file asks for the population survey alone (injections.host_populations)")]
    if COLUMN[LENS_LIKE] not in hosts:
        why = (
            f"{lenses} known lenses have the colours and sizes that tell a population, {settings.lenses_min} "
            "needed (injections.lenses_min)"
        )
        return [Gate(id_, claim, measure, float("nan"), minimum=0.3, cannot=why, requirement="T.2")]
    worst = min(
        _effective_share(cell[COLUMN[LENS_LIKE]].to_numpy(float), cell[DRAWN].to_numpy(float))
        for _, cell in hosts.groupby(["psf_fwhm", "depth"])
    )
    counts = {
        name: hosts.groupby(["psf_fwhm", "depth"])[COLUMN[name]]
        .agg(lambda p: weighting.effective_number(p.fillna(0)))
        .median()
        for name in settings.host_populations
    }
    return [
        Gate(
            id_,
            claim,
            measure,
            worst,
            minimum=0.3,
            requirement="T.2",
            evidence=f"{lenses} known lenses; effective hosts in the middle cell: "
            + ", ".join(f"{name} {n:.1f}" for name, n in counts.items()),
        )
    ]


def _effective_share(wanted: np.ndarray, drawn: np.ndarray) -> float:
    """Kish's effective number of draws made with one density and weighed for another, over their number."""
    if not np.isfinite(wanted).all():
        return 0.0
    return float(1 / np.sum(np.square(wanted) / drawn)) if (drawn > 0).all() else 0.0
