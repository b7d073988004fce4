"""Populations of hosts by name: whom completeness is told for, how often each galaxy stands in it,
and how often it is drawn.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate, absent
from lenscal.kernels import draws, matching, weighting

SURVEY, LENS_LIKE = "survey", "lens-like"
COLUMN = {SURVEY: "density_survey", LENS_LIKE: "density_lens_like"}
"""Columns of the table of hosts: probability of a host among those of its cell, in each population."""
DRAWN = "density_drawn"
FEATURES = ("host_mag_z", "host_colour_gr", "host_colour_rz", "host_log_radius", "host_ellipticity", "host_sersic")
"""What a population of hosts is told by: dereddened z magnitude and colours, log10 of the half-light radius
[arcsec], |e|, Sersic index.
"""
NEIGHBOURS = "host_neighbours"
ARC_BRACKET = {"density_lens_like_arc_none": 0.0, "density_lens_like_arc_all": 1.0}
"""Columns with the density that follows when none or all of the arcs' light is taken off the known lenses' fluxes."""
REACH = 6.0  # arcsec: neighbours nearer than this are on the arc or next to it
SELF = 0.5  # arcsec: nearer than this is the galaxy itself, or a second row of it
STRENGTH = 0.3  # C of the logistic regression: twenty terms, dozens of lenses
FOLDS = 5
RATIO_MAX = 100.0  # of one galaxy over the mean of the pool: a tail that a few dozen lenses do not tell
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


def density_ratio(lenses: pd.DataFrame, pool: pd.DataFrame, wanted: pd.DataFrame, seed: int) -> np.ndarray:
    """How much oftener known lenses have a galaxy like each of some than the survey has.

    The odds of a logistic regression on the features and their products tell lenses from the pool (Qin 1998, Biometrika
    85, 619). It is fitted on four fifths of either and asked of the rest, so that a galaxy never vouches for itself: a
    galaxy of `wanted` that is in the pool is asked of the fit that has not seen it, others of the mean of all.

    Parameters
    ----------
    lenses, pool, wanted : DataFrame
        `FEATURES`, indexed by galaxy_id, all finite but for `wanted`.
    seed : int
        Of the run; it sets the folds, galaxy by galaxy.

    Returns
    -------
    (n,) array
        Ratios for the rows of `wanted`, mean 1 over the pool, at most `RATIO_MAX`; 0 where a feature is missing.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    names = list(FEATURES)
    values = np.concatenate([pool[names].to_numpy(float), lenses[names].to_numpy(float)])
    label = np.concatenate([np.zeros(len(pool), int), np.ones(len(lenses), int)])

    def fold_of(ids: np.ndarray) -> np.ndarray:
        return (draws.hashes(seed, "host density fold", np.asarray(ids, np.int64)) % np.uint64(FOLDS)).astype(int)

    fold = fold_of(np.concatenate([pool.index.to_numpy(), lenses.index.to_numpy()]))
    known = np.isfinite(wanted[names].to_numpy(float)).all(1)
    asked = wanted[names].to_numpy(float)[known]
    own = np.where(wanted.index.isin(pool.index), fold_of(wanted.index.to_numpy()), -1)[known]
    odds, of_pool = np.zeros((FOLDS, len(asked))), np.zeros(len(pool))
    for k in range(FOLDS):
        model = make_pipeline(
            StandardScaler(),
            PolynomialFeatures(2, include_bias=False),
            StandardScaler(),
            LogisticRegression(C=STRENGTH, max_iter=3000),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a fit that does not converge is no answer
            model.fit(values[fold != k], label[fold != k])
        odds[k] = model.decision_function(asked) if len(asked) else 0
        left = fold[: len(pool)] == k
        if left.any():
            of_pool[left] = model.decision_function(values[: len(pool)][left])
    logs = np.where(own >= 0, odds[np.maximum(own, 0), np.arange(len(asked))], odds.mean(0))
    out = np.zeros(len(wanted))
    out[known] = np.minimum(np.exp(logs) / np.exp(of_pool).mean(), RATIO_MAX)
    return out


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
