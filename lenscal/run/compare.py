"""Two finished runs with two detectors on the same trials: tables, figures and a page of how they differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.errors import InputError
from lenscal.experiments import two_detectors
from lenscal.io import stores
from lenscal.report import comparing
from lenscal.run.pipeline import plan_of
from lenscal.run.place import Place

SHARED = ("cutouts", "quality", "injections")
"""Stages whose products have to be the same: the trials are those of both."""


def compare(first: Place, second: Place, out: Path) -> dict[str, pd.DataFrame]:
    """Hold two detectors beside each other, trial by trial, and write what comes of it.

    Parameters
    ----------
    first, second : Place
        Of finished runs with one sample and one set of injections.
    out : Path
        Folder for index.html and, for each false-positive rate, Parquet files of all, of cells and of real objects.

    Returns
    -------
    dict of DataFrame
        By file name.

    Raises
    ------
    InputError
        Scores are not complete, the runs have other trials or no false-positive rate in common, or one detector.
    """
    names = _names(first, second)
    _same_trials(first, second)
    hashes = tuple(str(place.store("scores").attrs["detector_hash"]) for place in (first, second))
    if hashes[0] == hashes[1]:
        raise InputError(f"compare: both runs have the detector {hashes[0][:12]}; expected two")
    trials = two_detectors.joined(_trials(first), _trials(second))
    objects = two_detectors.joined(_objects(first), _objects(second))
    parts, tables = [], {}
    for rate, thresholds in _thresholds(first, second).items():
        part = comparing.Part(
            rate,
            thresholds,
            two_detectors.compared(trials, thresholds),
            two_detectors.compared(trials, thresholds, two_detectors.AXES),
            two_detectors.compared(objects, thresholds, ("what",)),
        )
        parts.append(part)
        for name, table in (("all", part.overall), ("cells", part.cells), ("objects", part.others)):
            tables[f"{name}-{rate:g}.parquet"] = table
    for name, table in tables.items():
        stores.write_table(out / name, table)
    marks = [place.not_scientific["not_scientific"].capitalize() for place in (first,) if place.not_scientific]
    if first.settings.survey.mock:
        marks.append("Made from the embedded (mock) sky: no statement about the real sky.")
    stores.write_bytes(out / "index.html", comparing.page(names, hashes, marks, trials, parts).encode())
    return tables


def _names(first: Place, second: Place) -> tuple[str, str]:
    names = Path(first.folder).name, Path(second.folder).name
    return names if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")


def _same_trials(first: Place, second: Place) -> None:
    plans = [plan_of(place) for place in (first, second)]
    for place, plan in zip((first, second), plans):
        if not plan.done("scores"):
            raise InputError(
                f"compare: the scores of '{place.settings.name}' are not complete; run `lenscal "
                "run` with its run file first"
            )
    for stage in SHARED:
        one, two = (str(plan.done(stage)["digest"]) for plan in plans)
        if one != two:
            raise InputError(
                f"compare: the runs have other {stage} (digests {one[:12]} and {two[:12]}), so that no trial is that "
                "of both; copy one run file, change name, stores and detector alone, and run both"
            )


def _trials(place: Place) -> pd.DataFrame:
    """id, host, score and cell of every injection with an image."""
    injections, scores = place.store("injections"), place.store("scores", "injections")
    shape = injections["injection_id"].transpose(*schema.TRIAL).shape
    table = {
        "id": injections["injection_id"].transpose(*schema.TRIAL).values.ravel(),
        "host": injections["galaxy_id"].transpose(*schema.TRIAL).values.ravel(),
        "score": scores["score"].transpose(*schema.TRIAL).values.ravel(),
    }
    at = dict(zip(schema.TRIAL, np.indices(shape, dtype=np.int32)))
    table |= {dim: injections[dim].values[at[dim].ravel()] for dim in two_detectors.AXES}
    made = injections["failure"].transpose(*schema.TRIAL).values.astype(object).ravel() == ""
    return pd.DataFrame(table)[made]


def _objects(place: Place) -> pd.DataFrame:
    """Real objects of the splits that trained nothing here: id, host (itself), score, what it is."""
    store = place.store("scores", "cutouts").reset_coords()
    text = {name: store[name].values.astype(object) for name in ("split", "pool", "role")}
    what = np.where(
        store["label"].values == 1, "lens, " + text["split"], "negative " + text["pool"] + ", " + text["split"]
    )
    table = pd.DataFrame({"id": store["galaxy_id"].values, "score": store["score"].values, "what": what})
    keep = store["cutout_ok"].values.astype(bool) & np.isin(text["split"], ["val", "test"])
    return table.assign(host=table["id"])[keep]


def _thresholds(first: Place, second: Place) -> dict[float, tuple[float, float]]:
    """Both thresholds of each false-positive rate that both runs ask for."""
    found = []
    for place in (first, second):
        store = place.store("scores", "thresholds").load()
        found.append(dict(zip(store["rate_requested"].values.tolist(), store["threshold"].values.tolist())))
    common = {rate: (found[0][rate], found[1][rate]) for rate in found[0] if rate in found[1]}
    if not common:
        raise InputError(
            f"compare: the runs have no false-positive rate in common ({sorted(found[0])} and {sorted(found[1])}); "
            "give both one in completeness.false_positive_rates"
        )
    return common
