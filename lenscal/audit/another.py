"""The same trials for another detector: a run file beside a finished one's, and a folder that has every product
that no detector decides.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from lenscal.audit.pipeline import plan_of
from lenscal.audit.products import Run
from lenscal.audit.stages import STAGES
from lenscal.errors import InputError
from lenscal.io import folders


def before_the_detector() -> list[str]:
    """Stages that no detector decides."""
    after = {"detector"}
    for name, stage in STAGES.items():
        if after & set(stage.reads):
            after.add(name)
    return [name for name in STAGES if name not in after]


def another(runfile: Path, run: Run, artifact: str, name: str = "") -> tuple[Path, list[str]]:
    """Write a run file with another detector, and give its folder the products that are there already.

    Files are linked where the disk can, since lenscal replaces files and never changes one in place; else they are
    copied.

    Parameters
    ----------
    runfile : Path
        Of a run of which some stages are complete.
    run : Run
        That run.
    artifact : str
        As `detector.artifact`, relative to the working folder.
    name : str
        Of the new run file and folder of stores; by default those of the old ones with that of the artifact.

    Returns
    -------
    Path, list of str
        The run file, and the stages that are taken over.

    Raises
    ------
    InputError
        The run file or the folder is there already, or the stores are in a bucket.
    """
    stores = run.folder
    if folders.is_remote(stores):
        raise InputError(
            f"'{stores}' is in a bucket; copy the run file by hand, change detector.artifact, and run it: the "
            "same stages are not done twice"
        )
    file, colon, function = artifact.rpartition(":")
    stem = Path(file if colon else artifact).name.split(".")[0]
    path = runfile.with_name(f"{name or f'{runfile.stem}-{stem}'}.yaml")
    folder = Path(stores).with_name(name or f"{Path(stores).name}-{stem}")
    for taken in (path, folder):
        if taken.exists():
            raise InputError(f"'{taken}' is there already; remove it, or give another --name")
    where = artifact
    if Path(file if colon else artifact).exists():
        where = os.path.relpath(file if colon else artifact, runfile.resolve().parent) + (
            f":{function}" if colon else ""
        )
    raw = yaml.safe_load(runfile.read_text(encoding="utf-8"))
    kept = {key: value for key, value in (raw.get("detector") or {}).items() if key in ("scientific", "prevalence")}
    raw["detector"] = {"artifact": where, **kept}
    raw["stores"] = os.path.relpath(folder, runfile.resolve().parent)
    done = taken_over(run, folder, before_the_detector())
    header = f"# {runfile.name} with another detector; the name stays, since the trials are the same.\n"
    path.write_text(header + yaml.safe_dump(raw, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path, done


def taken_over(run: Run, folder: Path, names: Sequence[str]) -> list[str]:
    """Link what complete stages of these made into another folder, up to the first that is not; their names."""
    plan, done = plan_of(run), []
    for name in names:
        if not plan.done(name):
            break
        for product in STAGES[name].products(run):
            if product.exists():
                _linked(product, folder / product.name)
        shutil.copytree(run.plans / name, folder / ".plan" / name)
        done.append(name)
    return done


def _linked(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        _link(str(source), str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
