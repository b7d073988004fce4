"""Scores of cutouts and injections by the frozen detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError

if TYPE_CHECKING:
    from lenscal.detector.protocol import Detector


def score_cutouts(cutouts: xr.Dataset, quality: xr.Dataset, frozen: Detector) -> xr.Dataset:
    """Score of every cutout; NaN where `cutout_ok` is false or the detector sees no pixel.

    Parameters
    ----------
    cutouts : Dataset (galaxy, band, y, x)
        As `schema.CUTOUTS`.
    quality : Dataset (galaxy)
        galaxy_id, cutout_ok and arc_snr, row by row those of the cutouts.
    frozen : Detector

    Returns
    -------
    Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`, with the attribute `detector_hash`.

    Raises
    ------
    ValueError
        When rows, units or bands do not fit.
    """
    _check(cutouts, "image", schema.CUTOUTS)
    ids, other = cutouts["galaxy_id"].values, quality["galaxy_id"].values
    if not np.array_equal(ids, other):
        raise InputError(
            f"scores: quality has {other.size} rows that are not, row by row, the {ids.size} of the "
            "cutouts; open both from one run"
        )
    ok = quality["cutout_ok"].values.astype(bool)
    image = cutouts["image"].transpose("galaxy", "band", "y", "x")
    score = np.full(ids.size, np.nan)
    rows = np.flatnonzero(ok)
    if rows.size and (looked_up := getattr(frozen, "of_ids", None)) is not None:
        score[rows] = looked_up(ids[rows])
    elif rows.size:
        score[rows] = frozen.score(image.isel(galaxy=rows, band=_bands(cutouts, frozen)).values)
    own = [name for name in schema.GALAXY_COORDS if name in cutouts.variables]
    dataset = xr.Dataset(
        {
            "cutout_ok": ("galaxy", ok),
            "arc_snr": ("galaxy", quality["arc_snr"].values.astype(np.float32)),
            "score": ("galaxy", score),
            "probability": ("galaxy", frozen.probability(score)),
        },
        coords={name: cutouts[name].variable for name in own},
        attrs={"detector_hash": frozen.hash},
    )
    return schema.SCORES_CUTOUTS.describe(dataset)


def score_injections(
    injections: xr.Dataset, images: Callable[[xr.Dataset], np.ndarray], frozen: Detector, batch: int = 128
) -> xr.Dataset:
    """Score of every injection of a block; NaN where the trial has no image.

    Parameters
    ----------
    injections : Dataset (theta_e, psf_fwhm, depth, trial)
        As `schema.INJECTIONS`: galaxy_id, failure and band are read, and injection_id for a detector that is a table of
        scores.
    images : callable
        From the block to its images (injection, band, y, x) in nanomaggy, the grid axes and trial stacked in that
        order.
    frozen : Detector
    batch : int
        Images scored at once; changes no score.

    Returns
    -------
    Dataset (theta_e, psf_fwhm, depth, trial)
        As `schema.SCORES_INJECTIONS`, with the attribute `detector_hash`.
    """
    _check(injections, "failure", schema.INJECTIONS)
    shape = tuple(injections.sizes[dim] for dim in schema.TRIAL)
    count = int(np.prod(shape))
    failure = injections["failure"].transpose(*schema.TRIAL).values.astype(object).ravel()
    good = np.flatnonzero(failure == "")
    score = np.full(count, np.nan)
    if good.size and (looked_up := getattr(frozen, "of_ids", None)) is not None:
        score[good] = looked_up(injections["injection_id"].transpose(*schema.TRIAL).values.ravel()[good])
    elif good.size:
        rendered = images(injections)
        if len(rendered) != count:
            raise InputError(
                f"scores: {len(rendered)} images for a block of {count} injections; expected one each, in stacked order"
            )
        bands = _bands(injections, frozen)
        for first in range(0, good.size, 1024):
            some = good[first : first + 1024]
            score[some] = frozen.score(rendered[some][:, bands], batch)
        if unseen := int(np.isnan(score[good]).sum()):
            raise InputError(
                f"scores: {unseen} injections without a failure have no pixel in some band; expected "
                "whole images, check the hosts"
            )
    dataset = xr.Dataset(
        {
            "galaxy_id": injections["galaxy_id"].transpose(*schema.TRIAL).variable,
            "score": (schema.TRIAL, score.reshape(shape)),
            "probability": (schema.TRIAL, frozen.probability(score).reshape(shape)),
        },
        coords={name: injections[name].variable for name in schema.AXES},
        attrs={"detector_hash": frozen.hash},
    )
    return schema.SCORES_INJECTIONS.describe(dataset)


def _check(dataset: xr.Dataset, name: str, declaration: schema.Declaration) -> None:
    problems = []
    for wanted in (name, "galaxy_id", "band"):
        if wanted not in dataset.variables:
            problems.append(f"'{wanted}' is missing")
        elif problem := declaration.variables[wanted].problem(wanted, dataset[wanted]):
            problems.append(problem)
    if problems:
        raise schema.SchemaError(f"{declaration.name}: " + "; ".join(problems))


def _bands(dataset: xr.Dataset, frozen: Detector) -> list[int]:
    """Positions of the detector's bands among those of the data."""
    bands = [str(band) for band in dataset["band"].values]
    if missing := [band for band in frozen.bands if band not in bands]:
        raise InputError(
            f"scores: the detector needs bands {list(frozen.bands)}; the images hold {bands}, {missing} missing"
        )
    return [bands.index(band) for band in frozen.bands]
