"""Report: everything the page speaks of, opened and handed over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lenscal import schema
from lenscal.engine import Block, Outcome, PlanError, Stage, markers
from lenscal.engine.addresses import short
from lenscal.engine.stage import Say
from lenscal.errors import LenscalError
from lenscal.gates import Gate, Ledger, table
from lenscal.io import folders, stores
from lenscal.run.images import gallery_images
from lenscal.run.place import Place
from lenscal.run.stages.stage import brought, source_stamps

if TYPE_CHECKING:
    from lenscal.report import Inputs
    from lenscal.report.beside import Beside


class Report(Stage):
    name = "report"
    reads = (
        "objects",
        "manifest",
        "cutouts",
        "quality",
        "injections",
        "detector",
        "scores",
        "completeness",
        "failures",
        "realism",
    )
    sections = (
        "about",
        "objects",
        "manifest",
        "cutouts",
        "quality",
        "injections",
        "detector",
        "scores",
        "completeness",
        "failures",
        "realism",
        "report",
    )
    parallel = False

    def inputs(self, place: Place) -> dict:
        stamps = [place.settings.injections.source_stamps]  # injections of the gallery are rendered again
        found = {
            "gates": short(_told(place, self.reads)),
            "source_stamps": source_stamps(stamps, "correct injections.source_stamps"),
            "brought": brought(place),
        }
        return found | ({"beside": _beside_digest(place)} if place.settings.report.beside else {})

    def products(self, place: Place) -> list[Path]:
        return [place.path("report")]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import report

        files = report.write(report_inputs(place))
        for name, content in files.items():
            stores.write_bytes(place.path("report") / name, content)
        return Outcome(int.from_bytes(stores.digest_files(place.path("report")), "little"), len(files))


def report_inputs(place: Place) -> Inputs:
    """Everything the report speaks of, opened."""
    from lenscal import completeness, report

    settings = place.settings
    cube = place.store("completeness").load()
    attrs: dict[str, Any] = {
        "run": settings.name,
        "about": settings.about,
        "seed": settings.seed,
        "timestamp": settings.timestamp,
        "mock": settings.survey.mock,
        "not_scientific": place.not_scientific.get("not_scientific", ""),
        # Those that drew the sample: what is derived again after an update is the same.
        "lenscal_version": " and ".join(sorted(set(place.manifest["pipeline_version"].astype(str)))),
        "git_commit": " and ".join(sorted(set(place.manifest["git_commit"].astype(str)))),
        "detector_hash": place.detector.hash,
        "layer": settings.survey.layer,
    }
    gallery = place.table("failures/gallery.parquet")
    gates, ledgers = _gates_and_ledgers(place, Report.reads)
    realism = {
        path.stem: place.table(f"realism/{path.name}") for path in folders.matching(place.path("realism"), "*.parquet")
    }
    judged = {name: _optional(place, f"judgement/{name}.parquet") for name in schema.JUDGEMENT}
    return report.Inputs(
        settings=settings,
        attrs=attrs,
        lenses=place.table("objects/lenses.parquet"),
        matches=place.table("objects/matches.parquet"),
        contaminants=place.table("objects/contaminants.parquet"),
        manifest=place.manifest,
        waterfall=_optional(place, "manifest-notes/waterfall.parquet"),
        strata=_optional(place, "manifest-notes/strata.parquet"),
        balance=_optional(place, "manifest-notes/balance.parquet"),
        quality=place.store("quality").load(),
        injections=place.store("injections").load(),
        history=_optional(place, "detector/history.parquet"),
        thresholds=place.store("scores", "thresholds").load(),
        scores_cutouts=place.store("scores", "cutouts").load(),
        scores_injections=place.store("scores", "injections").load(),
        completeness=completeness.of_population(cube),
        sky=place.store("completeness_map").load() if place.path("completeness_map.zarr").exists() else None,
        populations=cube if "population" in cube["completeness"].dims else None,
        false_positives=place.table("failures/false_positives.parquet"),
        missed=place.table("failures/missed.parquet"),
        gallery=gallery,
        gallery_images=gallery_images(place, gallery),
        gates=table(gates),
        ledgers=ledgers,
        realism=realism or None,
        judgement={name: table for name, table in judged.items() if table is not None} or None,
        panel_images=gallery_images(place, realism["panel"]) if realism else None,
        beside=_beside(place),
    )


def _other(place: Place) -> Place:
    """The run beside this one; what stands beside that one in its own report is no concern here."""
    from lenscal.config import load

    settings = load(str(place.settings.report.beside))
    return Place(settings.model_copy(update={"report": settings.report.model_copy(update={"beside": None})}))


def _beside(place: Place) -> Beside | None:
    from lenscal.run.compare import SHARED, beside

    if not place.settings.report.beside:
        return None
    done = {name: markers.read(place.folder, name, "done.json") or {} for name in SHARED}
    return beside(place, _other(place), {name: str(found.get("digest", "")) for name, found in done.items()})


def _beside_digest(place: Place) -> str:
    """Of the scores of the run beside this one, which has to be finished."""
    from lenscal.run.compare import digests_of

    try:
        return digests_of(_other(place))["scores"]
    except LenscalError as error:
        raise PlanError(f"report.beside: {error}") from None


def _optional(place: Place, name: str) -> pd.DataFrame | None:
    return place.table(name) if place.path(name).exists() else None


def _gates_and_ledgers(place: Place, names: Sequence[str]) -> tuple[list[Gate], dict[str, Ledger]]:
    """Of these stages, as each noted them when it was finished."""
    gates: list[Gate] = []
    ledgers: dict[str, Ledger] = {}
    for told in _told(place, names).values():
        gates += [Gate(**gate) for gate in told["gates"]]
        ledgers |= {key: Ledger(**ledger) for key, ledger in told["ledgers"].items()}
    return gates, ledgers


def _told(place: Place, names: Sequence[str]) -> dict[str, dict]:
    """Gates and ledgers of stages, as noted."""
    done = {name: markers.read(place.folder, name, "done.json") or {} for name in names}
    return {
        name: {"gates": found.get("gates", []), "ledgers": found.get("ledgers", {})} for name, found in done.items()
    }
