"""The trials and what is made of them: priors that can be drawn from, sources that can be read, axes that there are."""

from __future__ import annotations

from functools import partial

import numpy as np

from lenscal.audit.foreseen.question import Question
from lenscal.audit.products import Run
from lenscal.errors import InputError


def injections(run: Run) -> list[Question]:
    """Questions of the stage injections."""
    settings = run.settings.injections
    found = [Question("prior", partial(_prior, run), "correct injections.prior, prior_file or magnification")]
    found.append(Question("grid", partial(_grid, run), "correct injections.grid (lenscal conditions RUNFILE)"))
    if settings.allocation:
        found.append(Question("allocation", partial(_allocation, run), "correct injections.allocation"))
    if settings.source == "stamps":
        fix = "correct injections.source_stamps"
        found.append(Question("sources", lambda: _sources(str(settings.source_stamps)), fix))
    return found


_WITHIN_A_BRICK = (0.5, 1.0)
"""How far seeing [arcsec] and depth [mag] of a galaxy may lie from those that the table says of its brick."""


def _prior(run: Run) -> str:
    from lenscal.injections import priors

    share = priors.check(run.settings.injections, run.settings.seed)
    return f"{100 * share:.0f} % of draws of '{run.settings.injections.prior}' have a magnification in the range"


def _grid(run: Run) -> str:
    """Some of the sky, or some host among stamps, has the seeing and the depth of a cell."""
    grid = run.settings.injections.grid
    if run.survey.has_catalogue:
        what, seen = "bricks", run.survey.bricks()
        if not {"psfsize_r", "psfdepth_r"} <= set(seen):
            return "seeing and depth of the bricks are not known beforehand"
    else:
        rows = run.survey.rows()
        what, seen = "hosts", rows[rows["host"]]
    psf, depth = (seen[name].to_numpy(float) for name in ("psfsize_r", "psfdepth_r"))
    ends = [(axis.edges[0], axis.edges[-1]) for axis in (grid.psf_fwhm, grid.depth)]
    about = _WITHIN_A_BRICK if run.survey.has_catalogue else (0.0, 0.0)
    inside = np.logical_and.reduce(
        [(low - more <= v) & (v < high + more) for v, (low, high), more in zip((psf, depth), ends, about)]
    )
    if len(seen) and not inside.any():
        spans = [f"{np.nanmin(v):.3g} to {np.nanmax(v):.3g}" for v in (psf, depth)]
        raise InputError(
            f"injections.grid: none of {len(seen):,} {what} lies in a cell: PSFSIZE_R is {spans[0]} arcsec and "
            f"PSFDEPTH_R {spans[1]}, the cells go from {ends[0][0]:g} to {ends[0][1]:g} arcsec and from "
            f"{ends[1][0]:g} to {ends[1][1]:g} mag; move the grid (lenscal conditions RUNFILE says which "
            "seeing and depth there are)"
        )
    where = "in or about a cell" if run.survey.has_catalogue else "in a cell"
    return f"{int(inside.sum()):,} of {len(seen):,} {what} lie {where}"


def _allocation(run: Run) -> str:
    from lenscal.injections import quotas

    table = quotas.read(run.settings.injections)
    return f"{int(table['trials'].sum()):,} trials in {len(table):,} cells"


def _sources(path: str) -> str:
    from lenscal.injections import sources
    from lenscal.io.cosmos import read_cosmos

    stamps = read_cosmos(path)
    sources.prepare("stamps", stamps)
    return f"{len(stamps):,} galaxies in {path}"


def realism(run: Run) -> list[Question]:
    """Questions of the stage realism."""
    path = run.settings.realism.source_stamps
    if not path or "stamps" not in run.settings.realism.morphologies:
        return []
    return [Question("real sources", lambda: _sources(path), "correct realism.source_stamps, or leave it out")]


def completeness(run: Run) -> list[Question]:
    """Questions of the stage completeness."""
    settings = run.settings
    found = []
    if settings.completeness.axes:
        found.append(Question("axes", partial(_axes, run), "correct completeness.axes"))
    if settings.survey.randoms:
        found.append(Question("randoms", partial(_randoms, run), "correct survey.randoms"))
    elif run.survey.has_catalogue:
        fix = "put the survey's table of bricks below survey.root, or name random points (survey.randoms)"
        found.append(Question("area", partial(_area, run), fix))
    return found


def _axes(run: Run) -> str:
    from lenscal.completeness import axes

    asked = run.settings.completeness.axes
    axes.check(asked)
    return f"{', '.join(asked)} are columns of the trials"


def _randoms(run: Run) -> str:
    """Headers of the files of random points, with density and columns, and their regions."""
    from lenscal.io.randoms import heads

    survey = run.settings.survey
    points, density = heads(survey.randoms, survey.randoms_density, survey.of_points)
    return f"{points:,} points, {density:,.0f} to the square degree"


def _area(run: Run) -> str:
    """Seeing and depth of the bricks, with their edges."""
    from lenscal.completeness import sky_pieces

    bricks = run.survey.bricks()
    sky_pieces.check(bricks)
    return f"{np.nansum(bricks['area'].to_numpy(float)):.3g} square degrees in {len(bricks):,} bricks"
