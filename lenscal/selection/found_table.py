"""Every trial of a run, found, missed or failed, with the density it was drawn with: a table that others compute
with, and its data dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError

from . import densities

ID, HOST = "injection_id", "galaxy_id"
Column = tuple[str, np.ndarray, str, str]
"""Name, values, unit and meaning."""


def found_missed(
    injections: xr.Dataset, scores: xr.Dataset, thresholds: xr.Dataset
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every trial of a run with its outcome at each threshold, and what each column means.

    Parameters
    ----------
    injections, scores : Datasets (theta_e, psf_fwhm, depth, trial)
        As `schema.INJECTIONS` and `schema.SCORES_INJECTIONS`, of one run.
    thresholds : Dataset (threshold)
        As from `scores.thresholds`, of the same detector.

    Returns
    -------
    DataFrame, one row a trial
        injection_id, galaxy_id, cell_theta_e, cell_psf_fwhm, cell_depth (centres), every parameter and measure that is
        stored, failure ("" where there is an image), score, and for each threshold ``found_fpr_<rate>``: 1 found, 0
        missed, NaN for a trial without a score. `log_density` and its parts, as in `densities.PARTS`. Failed trials
        are rows as well: they were drawn.
    DataFrame
        column, unit, description; its attributes hold the thresholds, their rates and the hash of the detector.

    Raises
    ------
    InputError
        Cells, trials or hosts differ, ids are repeated, or thresholds and scores are of other detectors.
    """
    _of_one_run(injections, scores, thresholds)
    columns = [*_stored(injections), *_outcomes(scores, thresholds)]
    table = pd.DataFrame({name: values for name, values, _, _ in columns})
    if (repeated := table[ID].duplicated()).any():
        raise InputError(
            f"found_missed: {int(repeated.sum())} of {len(table)} trials repeat an {ID} "
            f"(first: {table[ID][repeated].iloc[0]}); expected each trial once"
        )
    table = densities.with_densities(table, _step(injections), str(injections.attrs.get("prior", "")))
    rows = [(name, unit, about) for name, _, unit, about in columns if name in table and name not in densities.PARTS]
    rows += [(name, *about) for name, about in densities.PARTS.items()]
    dictionary = pd.DataFrame(
        [*rows, (densities.TOTAL, *densities.ABOUT_TOTAL)], columns=["column", "unit", "description"]
    )
    dictionary.attrs = {
        "detector_hash": str(scores.attrs["detector_hash"]),
        "thresholds": [float(value) for value in thresholds["threshold"].values],
        "false_positive_rates": [float(value) for value in _rates(thresholds)],
        "prior": str(injections.attrs.get("prior", "")),
    }
    return table[dictionary["column"].tolist()], dictionary


def found_column(rate: float) -> str:
    """Name of the column of outcomes at a false-positive rate, such as found_fpr_0p01."""
    return "found_fpr_" + f"{rate:g}".replace(".", "p").replace("-", "m")


def _rates(thresholds: xr.Dataset) -> np.ndarray:
    name = "rate_requested" if "rate_requested" in thresholds else "false_positive_rate"
    return thresholds[name].values


def _flat(array: xr.DataArray) -> np.ndarray:
    return array.transpose(*schema.TRIAL).values.ravel()


def _stored(injections: xr.Dataset) -> Iterator[Column]:
    """What the injections store of each trial: ids and cell first, then in the order of their declaration."""
    declared = schema.INJECTIONS.variables
    yield from ((name, _flat(injections[name]), "", declared[name].about) for name in (ID, HOST))
    trial = injections[ID]
    for dim in schema.CELL:
        cell = _flat(injections[dim].broadcast_like(trial))
        yield f"cell_{dim}", cell, declared[dim].units, declared[dim].about
    for name, variable in declared.items():
        if name not in injections or name in (ID, HOST) or set(schema.TRIAL) - set(variable.dims):
            continue
        if set(variable.dims) == set(schema.TRIAL):
            values = _flat(injections[name])
            yield name, values.astype(object) if variable.dtype == "str" else values, variable.units, variable.about
        elif set(variable.dims) == {*schema.TRIAL, "band"}:
            for band in injections["band"].values:
                values = _flat(injections[name].sel(band=band))
                yield f"{name}_{band}", values, variable.units, f"{variable.about}, band {band}"


def _outcomes(scores: xr.Dataset, thresholds: xr.Dataset) -> Iterator[Column]:
    score = _flat(scores["score"]).astype(float)
    yield "score", score, "1", schema.SCORES_INJECTIONS.variables["score"].about
    for threshold, rate in zip(thresholds["threshold"].values, _rates(thresholds)):
        found = np.where(np.isfinite(score), (score >= threshold).astype(float), np.nan)
        about = (
            f"1 found, 0 missed, NaN without a score: score at or above {float(threshold)!r}, set for a "
            f"false-positive rate of {rate:g}"
        )
        yield found_column(float(rate)), found, "1", about


def _step(injections: xr.Dataset) -> float:
    """Width of a bin of theta_e; of a single bin that of its drawn values."""
    centres = injections["theta_e"].values
    if centres.size > 1:
        return float(np.diff(centres).min())
    half = injections["theta_e"].attrs.get("half_width")
    if half is not None:
        return 2 * float(half)
    drawn = injections["theta_e_drawn"].values
    return float(np.nanmax(drawn) - np.nanmin(drawn)) or 1.0


def _of_one_run(injections: xr.Dataset, scores: xr.Dataset, thresholds: xr.Dataset) -> None:
    for what, dataset, names in (
        ("injections", injections, (ID, HOST, "failure", "proposals", "theta_e_drawn")),
        ("scores", scores, (HOST, "score")),
    ):
        if missing := [name for name in names if name not in dataset]:
            raise InputError(f"found_missed: the {what} lack {', '.join(missing)}; open them from a finished run")
    for dim in schema.TRIAL:
        same = (
            np.array_equal(injections[dim], scores[dim])
            if dim in schema.CELL
            else injections.sizes[dim] == scores.sizes[dim]
        )
        if not same:
            raise InputError(f"found_missed: scores and injections differ along {dim}; open both from one run")
    if not np.array_equal(*(dataset[HOST].transpose(*schema.TRIAL).values for dataset in (injections, scores))):
        raise InputError("found_missed: scores and injections have other hosts; open both from one run")
    hashes = [str(dataset.attrs.get("detector_hash", "")) for dataset in (scores, thresholds)]
    if not hashes[0] or hashes[0] != hashes[1]:
        raise InputError(
            f"found_missed: the scores are of detector {hashes[0][:12] or 'none'}, the thresholds of "
            f"{hashes[1][:12] or 'none'}; expected one frozen detector"
        )
