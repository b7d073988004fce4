"""Run the stages of a run file: skip what is complete, do the rest, keep count, say at the end what was made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lenscal import schema
from lenscal.config import Settings
from lenscal.gates import FAIL, Gate, Ledger
from lenscal.io import cluster, folders, stores
from lenscal.run.block import do_block, marked
from lenscal.run.crew import Crew
from lenscal.run.given import given, held
from lenscal.run.place import Place
from lenscal.run.plan import Block, Outcome, PlanError, Progress, same_code, short
from lenscal.run.progress import Display
from lenscal.run.stages import STAGES, Part, Stage

__all__ = ["Place", "PlanError", "Result", "StageResult", "all_gates", "contents_of", "progress_of", "rest_of", "run"]


@dataclass(frozen=True)
class StageResult:
    """What one stage did in this run."""

    name: str
    state: str  # "done" or "was complete"
    blocks: int
    rows: int
    seconds: float
    digest: str
    gates: tuple[Gate, ...] = ()
    because: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What a run did, stage by stage."""

    settings: Settings
    stages: tuple[StageResult, ...]
    seconds: float
    memory: dict[str, float] = field(default_factory=dict)

    @property
    def gates(self) -> list[Gate]:
        return [gate for stage in self.stages for gate in stage.gates]

    @property
    def failed(self) -> list[Gate]:
        return [gate for gate in self.gates if gate.verdict == FAIL]


def wanted(place: Place, stage: Stage, seen: dict[str, Progress]) -> dict:
    """All that the product of a stage depends on."""
    read = {}
    for name in stage.reads:
        done = progress_of(place, STAGES[name], seen).done
        if done is None:
            raise PlanError(f"{stage.name} reads {name}, which is not complete: run `lenscal run --stages {name},{stage.name}`")
        read[name] = done["address" if name in stage.reads_by_block else "digest"]
    return {"format": stage.format, "schema": schema.VERSION, "settings": held(place, stage.name), "reads": read, "inputs": stage.inputs(place)}


def progress_of(place: Place, stage: Stage, seen: dict[str, Progress] | None = None) -> Progress:
    """Plan and markers of a stage of this run; `seen` has those that were looked at already."""
    seen = {} if seen is None else seen
    if stage.name not in seen:
        needed = wanted(place, stage, seen)
        progress = Progress(place, stage.name, needed, {name: seen[name].done["digest"] for name in stage.reads_by_block})
        progress.products = stage.products(place)
        seen[stage.name] = progress
    return seen[stage.name]


def run(settings: Settings, stages: Iterable[str] | None = None, display: Display | None = None) -> Result:
    """Do the stages of a run file that are not complete.

    Parameters
    ----------
    settings : Settings
        From `lenscal.load_settings`.
    stages : names, optional
        Only these; what they read must be complete. All by default.
    display : Display, optional
        Where progress is shown; silent by default.

    Raises
    ------
    PlanError, StoreError, SchemaError, BlockError
        One sentence: what, where, what was expected, what to do. What is complete stays complete.
    """
    with _disk_told():
        return _run(settings, stages, display)


@contextmanager
def _disk_told() -> Iterator[None]:
    """Turn what a disk refused, wherever it did, into one sentence with the name of the file."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error) or type(error).__name__
        told = f"the disk or a service failed: {what}" if error.filename is None else f"'{error.filename}' cannot be read or written: {what}"
        raise stores.StoreError(f"{told}; what is complete stays complete: mend it and run again to go on") from error


def _run(settings: Settings, stages: Iterable[str] | None, display: Display | None) -> Result:
    names = list(STAGES) if stages is None else list(stages)
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        raise PlanError(f"no stage '{unknown[0]}'; stages are {', '.join(STAGES)}")
    names = [name for name in STAGES if name in names]
    place = Place(settings)
    for name in names:
        _check_reads(place, name, names)
        STAGES[name].inputs(place)  # what is missing outside is said before anything is done
    pixels = ("cutouts",) if settings.survey.layout == "dr10" else ("objects", "manifest", "cutouts")  # a catalogue needs no coadds
    if not all(_is_complete(place, name) for name in names if name in pixels):
        place.survey.check()
    display = display or Display(names, quiet=True)
    started = time.monotonic()
    results: list[StageResult] = []
    sky = folders.reading(Path(settings.survey.root) / ".mock", f"the embedded sky in '{settings.survey.root}'") if settings.survey.mock else nullcontext()
    with sky, folders.alone(place.plans), display, Crew(settings, display) as crew:
        folders.tidy(place.folder / "gates.json")
        for name in names:
            results.append(_do(place, STAGES[name], crew, display))
            stores.write_json(place.folder / "gates.json", [asdict(gate) for gate in all_gates(place)])
    return Result(settings, tuple(results), time.monotonic() - started, crew.memory)


def _check_reads(place: Place, name: str, doing: list[str]) -> None:
    """Refuse a stage when something it rests on is neither complete nor to be done before it."""
    behind: set[str] = set()
    while fresh := {read for stage in (name, *behind) for read in STAGES[stage].reads} - behind:
        behind |= fresh
    lacking = [stage for stage in STAGES if stage in behind and stage not in doing and not _is_complete(place, stage)]
    if lacking:
        raise PlanError(
            f"{name} reads {', '.join(lacking)}, not complete as this run file has it: "
            f"run `lenscal run --stages {','.join([*lacking, name])}`, or all stages"
        )


def _is_complete(place: Place, name: str) -> bool:
    try:
        return progress_of(place, STAGES[name]).done is not None
    except folders.DiskError:
        raise
    except (PlanError, stores.StoreError):
        return False


def all_gates(place: Place) -> list[Gate]:
    """Gates of every stage that is complete, whatever run completed it."""
    gates: list[Gate] = []
    seen: dict[str, Progress] = {}
    for stage in STAGES.values():
        try:
            done = progress_of(place, stage, seen).done
        except folders.DiskError:
            raise
        except (PlanError, stores.StoreError):
            break
        if done:
            gates += [Gate(**gate) for gate in done["gates"]]
    return gates


def _versions(progress: Progress) -> str:
    """Hash of the versions of all files a stage wrote."""
    return short({product.name: folders.inventory(product) for product in progress.products})


def contents_of(progress: Progress, known: Mapping[str, str] | None = None) -> str:
    """Hash of the content of all files a stage wrote; those `known` (by product and place in it) are not read again."""
    known, whole = known or {}, {}
    for product in progress.products:
        names = {name: f"{product.name}/{name}" for name in folders.inventory(product)}
        fresh = folders.contents(product, [name for name, place in names.items() if place not in known])
        whole[product.name] = {name: fresh.get(name) or known[place] for name, place in names.items()}
    return short(whole)


def rest_of(place: Place, stage: Stage, progress: Progress) -> str:
    """Hash of the content of all files of a stage of blocks that no block fills: axes, thresholds, tables, metadata."""
    parts = [part for block in stage.blocks(place) if (part := stage.part(place, block)) is not None]
    filled = {f"{part.path.name}/{name}" for part in parts for name in stores.files(part.path, part.declaration, part.region, part.group)}
    names = {product: [name for name in folders.inventory(product) if f"{product.name}/{name}" not in filled] for product in progress.products}
    return short({product.name: folders.contents(product, files) for product, files in names.items()})


def _finished(place: Place, stage: Stage, progress: Progress, display: Display) -> dict | None:
    """Summary of a stage that is complete and whose files are still those it wrote; None when there is something to do."""
    done = progress.done
    if done is None:
        return None
    if stage.sources(place, done.get("sources", {})) != done.get("sources", {}):
        display.note(stage.name, "what some blocks read is not what they knew: those are looked at again")
        progress.reopen()
        return None
    versions = _versions(progress)
    if done.get("versions") == versions:
        return done
    if done.get("contents") and done["contents"] == contents_of(progress):  # copied elsewhere, say: other times, the same bytes
        done["versions"] = versions
        progress.finish({key: value for key, value in done.items() if key not in ("address", "reads")})
        return done
    display.note(stage.name, "files are not as they were written: what differs is done again")
    if done.get("contents") and not done.get("by_block"):
        progress.forget()
    else:
        progress.reopen()
    return None


def _do(whole: Place, stage: Stage, crew: Crew, display: Display) -> StageResult:
    started = time.monotonic()
    progress, place = progress_of(whole, stage), given(whole, stage.name)
    same_code(progress.code)
    done = _finished(place, stage, progress, display)
    if done:
        display.skip(stage.name, done["blocks"])
        gates = tuple(Gate(**gate) for gate in done["gates"])
        return StageResult(stage.name, "was complete", done["blocks"], done["rows"], 0.0, done["digest"], gates)
    because = ()
    if not progress.started:
        because = tuple(progress.changes)
        display.note(stage.name, "again, for other " + ", ".join(because) if because else "")
        progress.start()
    for folder in (progress.folder, *progress.products):
        folders.tidy(folder)
    if not progress.prepared:
        progress.forget()
        for product in progress.products:
            folders.remove(product)
        stage.prepare(place)
        progress.prepare()
    blocks = stage.blocks(place)
    outcomes = _complete(place, stage, progress, blocks)
    _clear(place, progress, blocks)
    todo = [block for block in blocks if block.name not in outcomes]
    counted = sum((outcome.ledger for outcome in outcomes.values() if outcome.ledger is not None), Ledger(0, 0))
    display.start(stage.name, len(blocks), len(outcomes))
    if stage.parallel and todo:

        def finished(i: int, outcome: Outcome) -> None:
            nonlocal counted
            outcomes[todo[i].name] = outcome
            if outcome.ledger is not None:
                counted += outcome.ledger
                display.remark(stage.name, stage.tell(counted))
            display.advance(stage.name, outcome.rows)

        settings = whole.settings.model_dump_json()
        arguments = [(settings, stage.name, block, progress.wanted, progress.code) for block in todo]
        cluster.sweep(crew.client, do_block, arguments, [f"{stage.name} {block.name}" for block in todo], finished, short(str(place.folder)),
                      lambda text: display.warn(stage.name, text), whole.settings.cluster.block_timeout)  # fmt: skip
    else:
        for block in todo:
            with display.watching(stage.name, f"block {block.name}", cluster.PATIENCE):
                outcome = stage.work(place, block, lambda text: display.note(stage.name, text))
            outcomes[block.name] = marked(place, stage, progress, block, outcome)
            display.advance(stage.name, outcome.rows)
    ordered = [outcomes[block.name] for block in blocks]
    with display.watching(stage.name, "what is made of all blocks", cluster.PATIENCE):
        gates, ledgers, digest = stage.finish(place, ordered)
    gates = [gate for outcome in ordered for gate in outcome.gates] + list(gates)
    for outcome in ordered:
        if outcome.ledger is not None and not stage.parallel:
            ledgers = {stage.name: outcome.ledger, **ledgers}
    for product in progress.products:
        if product.name.endswith(".zarr") and folders.inventory(product):  # a cube by a property that no host has is not made
            stores.consolidate(product)
    for folder in (progress.folder, *progress.products):
        folders.tidy(folder)  # a worker that was killed leaves half a file behind while the run goes on to its end
    total = f"{stores.add_digests([digest, *(outcome.digest for outcome in ordered)]):032x}"
    rows = stage.rows(place, ordered)
    seconds = time.monotonic() - started
    written = {name: digest for outcome in ordered for name, digest in (outcome.written or {}).items()}
    of_blocks = bool(blocks) and stage.part(place, blocks[0]) is not None
    same_code(progress.code)
    progress.finish(
        {
            "digest": total,
            "versions": _versions(progress),
            "contents": "" if of_blocks else contents_of(progress, written),
            "by_block": of_blocks or bool(written),
            "rest": rest_of(place, stage, progress) if of_blocks else "",
            "sources": _sources(ordered),
            "blocks": len(blocks),
            "rows": rows,
            "seconds": round(seconds, 2),
            "gates": [asdict(gate) for gate in gates],
            "ledgers": {name: _ledger(ledger) for name, ledger in ledgers.items()},
        }
    )
    display.finish(stage.name, seconds)
    return StageResult(stage.name, "done", len(blocks), rows, seconds, total, tuple(gates), because)


def _complete(place: Place, stage: Stage, progress: Progress, blocks: list[Block]) -> dict[str, Outcome]:
    """Outcomes of the blocks whose marker is there and whose files are those the marker saw, by name."""
    there = {product: folders.inventory(product) for product in (*progress.products, progress.folder)}
    below = {f"{folder.relative_to(place.folder).as_posix()}/{name}": version for folder, names in there.items() for name, version in names.items()}
    found, outcomes = {}, {block.name: progress.outcome(block) for block in blocks}
    now = stage.sources(place, _sources([outcome for outcome in outcomes.values() if outcome is not None]))
    for block in blocks:
        outcome = outcomes[block.name]
        if outcome is None or any(now.get(name) != version for name, version in outcome.sources.items()):
            continue
        left = stage.left(place, block, outcome)
        if isinstance(left, Part):
            names = stores.files(left.path, left.declaration, left.region, left.group)
            if outcome.files != short({name: there[left.path].get(name, "absent") for name in names}):
                continue
        elif left is not None and outcome.files != short({name: below.get(name, "absent") for name in left.names}):
            continue
        found[block.name] = outcome
    return found


def _clear(place: Place, progress: Progress, blocks: list[Block]) -> None:
    """Where blocks say what they wrote, take from the products all else: files of nobody, and those that are made at the end."""
    vouched = {name for block in blocks if (outcome := progress.outcome(block)) is not None for name in outcome.written or ()}
    for product in progress.products if vouched else ():
        folder = product.relative_to(place.folder).as_posix()
        folders.discard(product, [name for name in folders.inventory(product) if f"{folder}/{name}" not in vouched])


def _sources(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """What all blocks read, by name; where two saw different versions of it (it changed between them), one that nothing has."""
    found: dict[str, str] = {}
    for outcome in outcomes:
        for name, version in outcome.sources.items():
            found[name] = version if found.get(name, version) == version else "differs"
    return found


def _ledger(ledger: Ledger) -> dict:
    return {"rows_in": ledger.rows_in, "rows_out": ledger.rows_out, "dropped": dict(ledger.dropped)}
