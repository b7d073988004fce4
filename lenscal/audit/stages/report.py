"""Report: everything the page speaks of, opened and handed over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lenscal import schema
from lenscal.audit.images import gallery_images
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, brought, source_stamps
from lenscal.config import Settings
from lenscal.engine import Block, Outcome, PlanError, history, markers
from lenscal.engine.addresses import short
from lenscal.engine.code import code
from lenscal.engine.stage import Say
from lenscal.errors import LenscalError
from lenscal.gates import Gate, Ledger, table
from lenscal.io import folders, stores

if TYPE_CHECKING:
    from lenscal.report import Inputs
    from lenscal.report.asked import Rendered
    from lenscal.report.beside import Beside


BEFORE = (
    "objects",
    "manifest",
    "cutouts",
    "quality",
    "injections",
    "detector",
    "scores",
    "judgement",
    "completeness",
    "failures",
    "realism",
)
"""Stages that the page speaks of: it reads their products, and their settings where they have a section."""


PIXELS = ("cutouts", "quality", "injections")
"""Stages that the pixels of a picture come from."""


class Report(Audited):
    name = "report"
    format = 3  # figures say from what they were drawn
    reads = BEFORE
    sections = ("about", *(name for name in BEFORE if name in Settings.model_fields), "report")
    parallel = False

    def inputs(self, run: Run) -> dict:
        stamps = [run.settings.injections.source_stamps]  # injections of the gallery are rendered again
        found = {
            "gates": short(_told(run, self.reads)),
            "source_stamps": source_stamps(stamps, "correct injections.source_stamps"),
            "brought": brought(run),
        }
        return found | ({"beside": _beside_digest(run)} if run.settings.report.beside else {})

    def products(self, run: Run) -> list[Path]:
        return [run.path("report")]

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import report

        files = report.write(report_inputs(run), _earlier(run))
        for name, content in files.items():
            stores.write_bytes(run.path("report") / name, content)
        return Outcome(int.from_bytes(stores.digest_files(run.path("report")), "little"), len(files))


def _earlier(run: Run) -> Callable[[str], bytes | None]:
    """Files of the newest report that is set aside and was written by this code."""
    found = next((o for o in history.kept(run.folder, "report") if o.plan.get("code") == code() and o.whole), None)

    def content(name: str) -> bytes | None:
        path = None if found is None else found.path("report") / name
        if path is None or not path.exists():
            return None
        with folders.saying(path, "read"):
            return path.read_bytes()

    return content


def _rendered(run: Run, rows: pd.DataFrame) -> Rendered:
    """Images of the rows of a gallery, made when they are looked at."""
    from lenscal.report.asked import Rendered, digest

    done = {name: (markers.read(run.folder, name, "done.json") or {}).get("digest") for name in PIXELS}
    settings = run.settings.injections
    stamps = source_stamps([settings.source_stamps], "correct injections.source_stamps")
    source = short([digest(rows), done, settings.content(), stamps, run.settings.seed])
    return Rendered(lambda some: gallery_images(run, rows.iloc[some]), rows["kind"], source)


def report_inputs(run: Run, pictured: bool = True) -> Inputs:
    """Everything the report speaks of, opened; without images where numbers alone are derived."""
    from lenscal import completeness, report

    settings = run.settings
    cube = run.store("completeness").load()
    attrs: dict[str, Any] = {
        "run": settings.name,
        "about": settings.about,
        "seed": settings.seed,
        "timestamp": settings.timestamp,
        "mock": settings.survey.mock,
        "not_scientific": run.not_scientific.get("not_scientific", ""),
        # Those that drew the sample: what is derived again after an update is the same.
        "lenscal_version": " and ".join(sorted(set(run.manifest["pipeline_version"].astype(str)))),
        "git_commit": " and ".join(sorted(set(run.manifest["git_commit"].astype(str)))),
        "detector_hash": run.detector_hash,
        "layer": settings.survey.layer,
    }
    gallery = run.table("failures/gallery.parquet")
    gates, ledgers = _gates_and_ledgers(run, Report.reads)
    realism = {
        path.stem: run.table(f"realism/{path.name}") for path in folders.matching(run.path("realism"), "*.parquet")
    }
    judged = {name: _optional(run, f"judgement/{name}.parquet") for name in schema.JUDGEMENT}
    return report.Inputs(
        settings=settings,
        attrs=attrs,
        lenses=run.table("objects/lenses.parquet"),
        matches=run.table("objects/matches.parquet"),
        contaminants=run.table("objects/contaminants.parquet"),
        manifest=run.manifest,
        waterfall=_optional(run, "manifest-notes/waterfall.parquet"),
        strata=_optional(run, "manifest-notes/strata.parquet"),
        balance=_optional(run, "manifest-notes/balance.parquet"),
        quality=run.store("quality").load(),
        injections=run.store("injections").load(),
        history=_optional(run, "detector/history.parquet"),
        thresholds=run.store("thresholds").load(),
        scores_cutouts=run.store("scores", "cutouts").load(),
        scores_injections=run.store("scores", "injections").load(),
        completeness=completeness.of_population(cube),
        sky=run.store("completeness_map").load() if run.path("completeness_map.zarr").exists() else None,
        populations=cube if "population" in cube["completeness"].dims else None,
        false_positives=run.table("failures/false_positives.parquet"),
        missed=run.table("failures/missed.parquet"),
        gallery=gallery,
        gallery_images=_rendered(run, gallery) if pictured else None,
        gates=table(gates),
        ledgers=ledgers,
        realism=realism or None,
        judgement={name: table for name, table in judged.items() if table is not None} or None,
        panel_images=_rendered(run, realism["panel"]) if realism and pictured else None,
        pictured=pictured,
        beside=_beside(run),
    )


def _other(run: Run) -> Run:
    """The run beside this one; what stands beside that one in its own report is no concern here."""
    from lenscal.config import load

    settings = load(str(run.settings.report.beside))
    return Run(settings.model_copy(update={"report": settings.report.model_copy(update={"beside": None})}))


def _beside(run: Run) -> Beside | None:
    from lenscal.audit.compare import SHARED, beside

    if not run.settings.report.beside:
        return None
    done = {name: markers.read(run.folder, name, "done.json") or {} for name in SHARED}
    return beside(run, _other(run), {name: str(found.get("digest", "")) for name, found in done.items()})


def _beside_digest(run: Run) -> str:
    """Of the scores and thresholds of the run beside this one, which have to be complete."""
    from lenscal.audit.compare import digests_of

    try:
        return short(digests_of(_other(run)))
    except LenscalError as error:
        raise PlanError(f"report.beside: {error}") from None


def _optional(run: Run, name: str) -> pd.DataFrame | None:
    return run.table(name) if run.path(name).exists() else None


def _gates_and_ledgers(run: Run, names: Sequence[str]) -> tuple[list[Gate], dict[str, Ledger]]:
    """Of these stages, as each noted them when it was finished."""
    gates: list[Gate] = []
    ledgers: dict[str, Ledger] = {}
    for told in _told(run, names).values():
        gates += [Gate(**gate) for gate in told["gates"]]
        ledgers |= {key: Ledger(**ledger) for key, ledger in told["ledgers"].items()}
    return gates, ledgers


def _told(run: Run, names: Sequence[str]) -> dict[str, dict]:
    """Gates and ledgers of stages, as noted."""
    done = {name: markers.read(run.folder, name, "done.json") or {} for name in names}
    return {
        name: {"gates": found.get("gates", []), "ledgers": found.get("ledgers", {})} for name, found in done.items()
    }
