"""Completeness with a property of the host as a further axis: its type, or its colour."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.completeness.counts import count
from lenscal.completeness.posterior import posteriors
from lenscal.errors import InputError

AXES = {"host_type": None, "host_colour_gr": (0.0, 0.6, 0.9, 1.2, 1.5, 2.1)}
"""Variables of the injections that can be an axis, and the edges of their bins (None: one class a value)."""
ELSEWHERE = "host of another class"


def by_host(
    injections: xr.Dataset, scores: xr.Dataset, thresholds: xr.Dataset, settings: config.Completeness, axis: str
) -> xr.Dataset | None:
    """The cube for each class of hosts, along a dim of the name of the axis.

    Parameters
    ----------
    injections, scores, thresholds : Datasets
        As for `count`; the injections with the variable `axis`.
    settings : config.Completeness
    axis : str
        ``host_type``, or ``host_colour_gr`` (dereddened g - r; bins hold their lower edge, and are labelled by their
        centre).

    Returns
    -------
    Dataset or None
        As from `posteriors`, and `axis`; None where no host has it (stamps without a catalogue). Trials on hosts of
        other classes, or of none, count as failed; hosts are not those of the whole cube cell by cell, so most cells
        have few of them, and say so.

    Raises
    ------
    ValueError
        An axis that is none, or that the injections lack.
    """
    if axis not in AXES:
        raise InputError(f"completeness: '{axis}' is no axis of hosts; there are {', '.join(AXES)}")
    if axis not in injections:
        raise InputError(f"completeness: the injections lack '{axis}'; do the stage injections again")
    cubes, labels = [], []
    for label, inside in _classes(injections[axis], AXES[axis]):
        kept = inside.transpose(*scores["score"].dims)
        failure = injections["failure"].transpose(*scores["score"].dims)
        masked = xr.where((failure == "") & ~kept, ELSEWHERE, failure.astype(object), keep_attrs=True)
        part = injections.assign(failure=masked.assign_attrs(injections["failure"].attrs))
        score = scores["score"].where(kept).assign_attrs(scores["score"].attrs)
        counts = count(part, scores.assign(score=score), thresholds, settings)
        cubes.append(posteriors(counts, settings).drop_dims("host"))
        labels.append(label)
    if not cubes:
        return None
    joined = xr.concat(cubes, xr.Variable(axis, labels), combine_attrs="override")
    return schema.COMPLETENESS.describe(joined).assign_attrs(cubes[0].attrs)


def _classes(values: xr.DataArray, edges: tuple[float, ...] | None) -> Iterator[tuple[str | float, xr.DataArray]]:
    if edges is None:
        text = values.astype(object)
        for name in sorted({str(value) for value in np.unique(text.values.astype(str)) if value}):
            yield name, text == name
        return
    for low, high in itertools.pairwise(edges):
        inside = (values >= low) & (values < high)
        if inside.any():
            yield round((low + high) / 2, 6), inside
