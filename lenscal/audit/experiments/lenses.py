"""True lenses of another embedded sky, as observed and without their arcs, and their parameters as
the injections have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import grid as bins
from lenscal.audit import closed_loop
from lenscal.audit.experiments.pixels import NOISE, crops, scored
from lenscal.audit.products import Run
from lenscal.audit.truth import read_truth
from lenscal.config import Settings
from lenscal.engine import PlanError
from lenscal.kernels import draws


@dataclass
class Lenses:
    """True lenses inside the grid, fit for use on every sky that was asked for.

    Attributes
    ----------
    table : DataFrame
        One row a lens: galaxy_id, id (of its trials), conditions, host features, true parameters under the names of
        `experiments.FACTORS`, theta_e, cell, and `own`, its score as observed.
    bare : Dataset or None
        Its galaxy without the arc, with noise measures, in the order of the table.
    images : array
        As observed, (n, band, y, x).
    """

    table: pd.DataFrame
    bare: xr.Dataset | None
    images: np.ndarray


def lenses_of(run: Run, sky: Settings, bare: Settings | None, count: int) -> Lenses:
    """At most `count` true lenses, drawn by id among those inside the grid.

    Raises
    ------
    PlanError
        A sky without its truth, or without lenses inside the grid.
    """
    for one in (sky, bare):
        if one is not None and not (Path(one.survey.root) / "truth" / "truth.parquet").exists():
            raise PlanError(
                f"the sky in '{one.survey.root}' has no truth/truth.parquet: its true lenses "
                "are not known; draw it again"
            )
    settings = run.settings
    rows = closed_loop._rows(sky)
    stars = rows.attrs["stars"]
    rows = _cells(rows, settings)
    rows = rows[rows["cell"] >= 0]
    order = np.argsort(
        draws.hashes(settings.seed, "experiment lens", rows["galaxy_id"].to_numpy(np.int64)), kind="stable"
    )
    rows = rows.iloc[np.sort(order[: round(1.25 * count) + 4])].reset_index(drop=True)  # some are not fit for use
    if rows.empty:
        raise PlanError(
            f"the sky of seed {sky.seed} has no true lens inside the run's grid: ask for more lenses (--sky)"
        )
    rows = _truth(rows, Path(sky.survey.root))
    seen = [_cut(run, rows, one, stars) for one in (sky, bare) if one is not None]
    fit = np.flatnonzero(
        np.all(
            [
                one["cutout_ok"].values.astype(bool) & np.isfinite(one["noise_correlation"].values).all(1)
                for one in seen
            ],
            axis=0,
        )
    )[:count]
    if not fit.size:
        raise PlanError(
            f"none of {len(rows)} true lenses of the sky of seed {sky.seed} is fit for use: ask for more lenses (--sky)"
        )
    images = crops(run, seen[0].isel(galaxy=fit))
    table = rows.iloc[fit].reset_index(drop=True)
    table.attrs = {}  # the stars
    table["own"] = scored(run, images)
    table["id"] = (
        draws.hashes(settings.seed, "experiment trial", table["galaxy_id"].to_numpy(np.int64)) >> np.uint64(15)
    ).astype(np.int64)
    return Lenses(table, seen[1].isel(galaxy=fit) if bare is not None else None, images)


def _cells(rows: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The cell of each row, psf_fwhm and depth, and its number; -1 outside of the grid."""
    grid = settings.injections.grid
    inside, index = np.ones(len(rows), bool), {}
    for axis, name in (("theta_e", "theta_e"), ("psf_fwhm", "psfsize_r"), ("depth", "psfdepth_r")):
        edges, values = getattr(grid, axis).edges, rows[name].to_numpy(float)
        inside &= bins.inside(edges, values)
        index[axis] = bins.nearest(edges, values)
    cell = index["psf_fwhm"] * len(grid.depth.centres) + index["depth"]
    return rows.assign(
        psf_fwhm=grid.psf_fwhm.centres[index["psf_fwhm"]],
        depth=grid.depth.centres[index["depth"]],
        cell=np.where(inside, cell, -1),
    )


def _truth(rows: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Rows with the true mass and source under the names of the injections' parameters."""
    truth = read_truth(root)
    truth = truth[truth["kind"] == "lens"].set_index("galaxy_id").loc[rows["galaxy_id"]]
    column = lambda name: truth[name].to_numpy(float)  # noqa: E731
    names = {
        "q": "lens_q",
        "phi": "lens_phi",
        "gamma1": "lens_gamma1",
        "gamma2": "lens_gamma2",
        "n": "source_n",
        "source_q": "source_q",
        "source_phi": "source_phi",
    }
    found = {name: column(source) for name, source in names.items()}
    theta_e = column("lens_theta_e")
    found |= {
        "theta_e": theta_e,
        "lens_x": np.zeros(len(rows)),
        "lens_y": np.zeros(len(rows)),
        "offset_x": column("source_x") / theta_e,
        "offset_y": column("source_y") / theta_e,
    }
    found["r_e"] = column("source_r_e") * np.sqrt(
        column("source_q")
    )  # along the intermediate axis, as the injections have it
    return rows.assign(**found)


def _cut(run: Run, rows: pd.DataFrame, sky: Settings, stars: pd.DataFrame) -> xr.Dataset:
    """Cutouts of these rows with their quality, in memory."""
    from lenscal import cutouts, quality

    read, parts = Run(sky).survey.read, []
    for start in range(0, len(rows), closed_loop.BLOCK):
        cut = cutouts.cut(rows.iloc[start : start + closed_loop.BLOCK], read, run.settings.cutouts, sky.survey.bands)
        found = quality.measure(cut, stars, run.settings.quality)
        parts.append(cut.assign({name: found[name] for name in (*NOISE, "cutout_ok")}).drop_vars("mask").load())
    return xr.concat(parts, "galaxy")
