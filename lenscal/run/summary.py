"""What a run made, for people: the summary in the terminal and the inputs of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lenscal.gates import Gate, Ledger, table
from lenscal.run.place import Place

if TYPE_CHECKING:
    from rich.console import Console

    from lenscal.report import Inputs
    from lenscal.run import Result


def print_summary(result: Result, console: Console) -> None:
    """What was made, where, how long it took, and which gates failed."""
    from rich.table import Table

    rows = Table("stage", "", "blocks", "rows", "seconds", box=None)
    for stage in result.stages:
        rows.add_row(stage.name, stage.state, str(stage.blocks), f"{stage.rows:,}", f"{stage.seconds:.1f}")
    console.print(rows)
    memory = ", ".join(f"{name} {value:.1f} GB" for name, value in result.memory.items())
    console.print(f"{result.seconds:.1f} s; peak memory: {memory}", highlight=False)
    gates = result.gates
    failed = result.failed
    console.print(
        f"gates: {sum(g.verdict == 'pass' for g in gates)} pass, {len(failed)} fail, "
        f"{sum(g.verdict == 'not applicable' for g in gates)} not applicable",
        highlight=False,
    )
    for gate in failed:
        mark = "[bold red]critical[/]" if gate.critical else "[yellow]failed[/]"
        console.print(f"  {mark} {gate.id}: {gate.claim}; {gate.measure} {gate.value:.4g}, limits {_limits(gate)}", highlight=False)
    settings = result.settings
    if settings.survey.mock:
        console.print("made from the embedded (mock) sky: it says nothing about the real one")
    if any(stage.name == "report" for stage in result.stages):
        console.print(f"report: {settings.stores / 'report' / 'index.html'}", highlight=False, soft_wrap=True)
    console.print(f"stores: {settings.stores}", highlight=False, soft_wrap=True)


def _limits(gate: Gate) -> str:
    low = "" if gate.minimum is None else f"{gate.minimum:g} <= "
    high = "" if gate.maximum is None else f" <= {gate.maximum:g}"
    return f"{low}value{high}"


def report_inputs(place: Place) -> Inputs:
    """Everything the report speaks of, opened."""
    import lenscal
    from lenscal import report
    from lenscal.run.stages import not_scientific

    settings = place.settings
    attrs: dict[str, Any] = {
        "run": settings.name,
        "about": settings.about,
        "seed": settings.seed,
        "timestamp": settings.timestamp,
        "mock": settings.survey.mock,
        "not_scientific": not_scientific(place).get("not_scientific", ""),
        "lenscal_version": lenscal.__version__,
        "git_commit": lenscal.commit(),
        "detector_hash": place.detector.hash,
        "layer": settings.survey.layer,
    }
    gallery = place.table("failures/gallery.parquet")
    gates, ledgers = _gates_and_ledgers(place)
    realism = {path.stem: place.table(f"realism/{path.name}") for path in sorted(place.path("realism").glob("*.parquet"))}
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
        completeness=place.store("completeness").load(),
        false_positives=place.table("failures/false_positives.parquet"),
        missed=place.table("failures/missed.parquet"),
        gallery=gallery,
        gallery_images=gallery_images(place, gallery),
        gates=table(gates),
        ledgers=ledgers,
        realism=realism or None,
        panel_images=gallery_images(place, realism["panel"]) if realism else None,
    )


def _optional(place: Place, name: str) -> pd.DataFrame | None:
    return place.table(name) if place.path(name).exists() else None


def _gates_and_ledgers(place: Place) -> tuple[list[Gate], dict[str, Ledger]]:
    from lenscal.run import progress_of
    from lenscal.run.stages import STAGES

    gates: list[Gate] = []
    ledgers: dict[str, Ledger] = {}
    for name, stage in STAGES.items():
        if name == "report":
            break
        done = progress_of(place, stage).done
        if done:
            gates += [Gate(**gate) for gate in done["gates"]]
            ledgers |= {key: Ledger(**ledger) for key, ledger in done["ledgers"].items()}
    return gates, ledgers


def gallery_images(place: Place, gallery: pd.DataFrame) -> np.ndarray:
    """Pixels of the gallery's rows, (n, band, y, x) in nanomaggy: cutouts as they are, injections rendered again."""
    from lenscal import cutouts
    from lenscal.run.stages import injected_images

    size = place.settings.injections.size
    store = place.store("cutouts")
    position = {int(value): i for i, value in enumerate(store["galaxy_id"].values)}
    injections = place.store("injections")
    out = []
    for row in gallery.to_dict("records"):
        if np.isfinite(row.get("trial", np.nan)) and row["trial"] >= 0:
            cell = injections.sel(psf_fwhm=[row["psf_fwhm"]], depth=[row["depth"]], theta_e=[row["theta_e"]], method="nearest")
            out.append(injected_images(place, cell.isel(trial=[int(row["trial"])]).load())[0])
        else:
            image = store["image"].isel(galaxy=position[int(row["galaxy_id"])]).load()
            out.append(cutouts.crop(image, size).values)
    return np.stack(out) if out else np.empty((0, len(store["band"]), size, size), "float32")


