"""A run file for the trials that a cube still needs, and a folder that has every product that no trial decides."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import yaml

from lenscal.audit.adding import Summand
from lenscal.audit.another import taken_over
from lenscal.audit.products import Run
from lenscal.audit.stages import STAGES
from lenscal.completeness import allocation
from lenscal.errors import InputError
from lenscal.io import folders


def before_the_trials() -> list[str]:
    """Stages that no injection decides, the detector among them."""
    after = {"injections"}
    for name, stage in STAGES.items():
        if after & set(stage.reads):
            after.add(name)
    return [name for name in STAGES if name not in after]


def allocate(
    runfile: Path, run: Run, so_far: Summand, path: Path, half_width: float, budget: int | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Write a run file whose trials narrow the widest intervals of a cube, and the table of trials by cell beside it.

    Parameters
    ----------
    runfile : Path
        Of a finished run with the sample, detector and grid that are meant.
    run : Run
        That run.
    so_far : Summand
        All trials so far: of that run, or a sum that it is in.
    path : Path
        Run file to write; its stem names its folder of stores, beside that of the run.
    half_width, budget
        As for `completeness.allocation.plan`.

    Returns
    -------
    DataFrame, list of str
        The plan, cell by cell, and the stages that the new run takes over. An empty list, and no file, where no cell
        needs a trial.

    Raises
    ------
    InputError
        A file or folder is there already, the stores are in a bucket, or the plan cannot be made.
    """
    if folders.is_remote(run.folder):
        raise InputError(f"allocate: '{run.folder}' is in a bucket; copy the run to a folder first")
    stores, table_path = Path(run.folder).with_name(path.stem), path.with_suffix(".csv")
    for taken in (path, table_path, stores):
        if taken.exists():
            raise InputError(f"allocate: '{taken}' is there already; remove it, or name another run file")
    plan = allocation.plan(so_far.cube, half_width, budget)
    if not plan["trials"].any():
        return plan, []
    folder = path.resolve().parent
    raw = yaml.safe_load(runfile.read_text(encoding="utf-8"))
    raw["stores"] = os.path.relpath(stores, folder)
    _moved(raw, runfile.resolve().parent, folder)
    raw["injections"] = (raw.get("injections") or {}) | {
        "trials": int(plan["trials"].max()),
        "first_trial": so_far.next_trial,
        "allocation": table_path.name,
    }
    asked = plan.loc[plan["trials"] > 0, list(allocation.COLUMNS)]
    table_path.write_text(asked.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
    more = f"{int(plan['trials'].sum()):,} more trials"
    head = f"# {runfile.name} with {more}; the name stays, since the sample is the same.\n"
    path.write_text(head + yaml.safe_dump(raw, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return plan, taken_over(run, stores, before_the_trials())


def _moved(raw: dict, old: Path, new: Path) -> None:
    """Refuse a run file for another folder, in which its relative paths would name other files.

    Raises
    ------
    InputError
        The folders differ.
    """
    if old != new:
        raise InputError(
            f"allocate: the new run file would lie in '{new}', where the relative paths of the old one, in '{old}', "
            "name other files; put it beside the old one"
        )
