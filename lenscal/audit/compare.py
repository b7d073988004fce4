"""Two finished runs with two detectors on the same trials: tables, figures and a page of how they differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.audit.pipeline import plan_of
from lenscal.audit.products import Run
from lenscal.errors import InputError
from lenscal.experiments import two_detectors
from lenscal.io import stores
from lenscal.report import comparing
from lenscal.report.beside import Beside, Part

SHARED = ("cutouts", "quality", "injections")
"""Stages whose products have to be the same: the trials are those of both."""


def compare(first: Run, second: Run, out: Path) -> dict[str, pd.DataFrame]:
    """Hold two detectors beside each other, trial by trial, and write what comes of it.

    Parameters
    ----------
    first, second : Run
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
    found = beside(first, second, digests_of(first))
    tables = {
        f"{name}-{part.rate:g}.parquet": table
        for part in found.parts
        for name, table in (("all", part.overall), ("cells", part.cells), ("objects", part.others))
    }
    for name, table in tables.items():
        stores.write_table(out / name, table)
    marks = [run.not_scientific["not_scientific"].capitalize() for run in (first,) if run.not_scientific]
    if first.settings.survey.mock:
        marks.append("Made from the embedded (mock) sky: no statement about the real sky.")
    stores.write_bytes(out / "index.html", comparing.page(found, marks).encode())
    return tables


def beside(first: Run, second: Run, digests: Mapping[str, str]) -> Beside:
    """Two detectors on the same trials, for every false-positive rate that both runs ask for.

    Parameters
    ----------
    first, second : Run
    digests : mapping of str to str
        Of the first, as `digests_of` has them.

    Raises
    ------
    InputError
        As `compare`.
    """
    _same_trials(digests, digests_of(second))
    hashes = tuple(str(run.store("scores").attrs["detector_hash"]) for run in (first, second))
    if hashes[0] == hashes[1]:
        raise InputError(f"compare: both runs have the detector {hashes[0][:12]}; expected two")
    trials = two_detectors.joined(_trials(first), _trials(second))
    objects = two_detectors.joined(_objects(first), _objects(second))
    parts = [
        Part(
            rate,
            thresholds,
            two_detectors.compared(trials, thresholds),
            two_detectors.compared(trials, thresholds, two_detectors.AXES),
            two_detectors.compared(objects, thresholds, ("what",)),
        )
        for rate, thresholds in _thresholds(first, second).items()
    ]
    return Beside(_names(first, second), (hashes[0], hashes[1]), trials, parts)


def _names(first: Run, second: Run) -> tuple[str, str]:
    names = Path(first.folder).name, Path(second.folder).name
    return names if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")


def digests_of(run: Run) -> dict[str, str]:
    """Digests of a run's scores, and of what they are of, as its run file stands now.

    Raises
    ------
    InputError
        The scores are not complete.
    """
    plan = plan_of(run)
    if not plan.is_complete("scores"):
        raise InputError(
            f"compare: the scores of '{run.settings.name}' are not complete; run `lenscal run` with its run file first"
        )
    return {stage: str(plan.done(stage)["digest"]) for stage in (*SHARED, "scores")}


def _same_trials(first: Mapping[str, str], second: Mapping[str, str]) -> None:
    for stage in SHARED:
        if first[stage] != second[stage]:
            raise InputError(
                f"compare: the runs have other {stage} (digests {first[stage][:12]} and {second[stage][:12]}), so that "
                "no trial is that of both; copy one run file, change name, stores and detector alone, and run both"
            )


def _trials(run: Run) -> pd.DataFrame:
    """id, host, score and cell of every injection with an image."""
    injections, scores = run.store("injections"), run.store("scores", "injections")
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


def _objects(run: Run) -> pd.DataFrame:
    """Real objects of the splits that trained nothing here: id, host (itself), score, what it is."""
    store = run.store("scores", "cutouts").reset_coords()
    text = {name: store[name].values.astype(object) for name in ("split", "pool", "role")}
    what = np.where(
        store["label"].values == 1, "lens, " + text["split"], "negative " + text["pool"] + ", " + text["split"]
    )
    table = pd.DataFrame({"id": store["galaxy_id"].values, "score": store["score"].values, "what": what})
    keep = store["cutout_ok"].values.astype(bool) & np.isin(text["split"], ["val", "test"])
    return table.assign(host=table["id"])[keep]


def _thresholds(first: Run, second: Run) -> dict[float, tuple[float, float]]:
    """Both thresholds of each false-positive rate that both runs ask for."""
    found = []
    for run in (first, second):
        store = run.store("thresholds").load()
        found.append(dict(zip(store["rate_requested"].values.tolist(), store["threshold"].values.tolist())))
    common = {rate: (found[0][rate], found[1][rate]) for rate in found[0] if rate in found[1]}
    if not common:
        raise InputError(
            f"compare: the runs have no false-positive rate in common ({sorted(found[0])} and {sorted(found[1])}); "
            "give both one in completeness.false_positive_rates"
        )
    return common
