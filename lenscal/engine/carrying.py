"""One stage, from its plan to its summary: what is complete is left, the rest is done, and the whole is vouched for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

from lenscal.engine.addresses import short
from lenscal.engine.blocks import Block, Outcome
from lenscal.engine.code import same_code
from lenscal.engine.contents import contents_of, rest_of, sizes_below, versions_of
from lenscal.engine.events import BlockEnded, Counted, Events, Finished, Noted, Skipped, Started
from lenscal.engine.executors import Executor, Job
from lenscal.engine.history import History
from lenscal.engine.holding import held
from lenscal.engine.markers import Progress
from lenscal.engine.plan import Plan
from lenscal.engine.results import StageResult
from lenscal.engine.stage import Part, Stage
from lenscal.engine.working import Order, do_block, done_block, marked
from lenscal.gates import Gate, Ledger
from lenscal.io import folders, leftovers, stores


def carry_out(plan: Plan, name: str, executor: Executor, tell: Events, history: History) -> StageResult:
    """Do a stage, or find it complete."""
    started = time.monotonic()
    stage, run = plan.pipeline.stages[name], plan.pipeline.given(name)
    same_code(plan.progress(name).code)
    done = _finished(plan, stage, run, executor, tell) or _brought_back(plan, stage, run, executor, tell, history)
    if done:
        tell(Skipped(name, done["blocks"]))
        return StageResult(
            name,
            "was complete",
            done["blocks"],
            done["rows"],
            0.0,
            done["digest"],
            tuple(Gate(**gate) for gate in done["gates"]),
        )
    plan.forget(name)  # what comes from outside is looked at once more, as close to the work as can be
    progress = plan.progress(name)
    because = _begun(stage, run, progress, tell, history)
    blocks = stage.blocks(run)
    outcomes = _complete(plan.pipeline.folder, stage, run, progress, blocks)
    _clear(plan.pipeline.folder, progress, blocks)
    todo = [block for block in blocks if block.name not in outcomes]
    tell(Started(name, len(blocks), len(outcomes)))
    if stage.parallel:
        _by_others(plan, stage, run, progress, executor, tell, todo, outcomes)
    else:
        for block in todo:
            with tell.watching(name, f"block {block.name}"):
                outcome = stage.work(run, block, lambda text: tell(Noted(name, text)))
            outcomes[block.name] = marked(run, stage, progress, block, outcome)
            tell(BlockEnded(name, outcome.rows, len(outcomes)))
    summary, gates = _summary(plan, stage, run, progress, [outcomes[block.name] for block in blocks], tell)
    same_code(progress.code)
    seconds = time.monotonic() - started
    progress.finish({**summary, "seconds": round(seconds, 2)})
    plan.forget(name)
    tell(Finished(name, seconds, summary["rows"]))
    return StageResult(name, "done", len(blocks), summary["rows"], seconds, summary["digest"], tuple(gates), because)


def _finished(plan: Plan, stage: Stage, run: Any, executor: Executor, tell: Events) -> dict | None:
    """Summary of a stage that is complete and whose files are still those it wrote; None when
    there is something to do.
    """
    progress, done = plan.progress(stage.name), plan.done(stage.name)
    if done is None:
        return None
    other = stage.sources(run, done.get("sources", {})) != done.get("sources", {})
    if not other and done.get("versions") == versions_of(progress):
        return done
    known = partial(_complete, plan.pipeline.folder, stage, run, progress)
    with tell.watching(stage.name, "files with other times, held against their content"):
        if held(plan, stage, run, done, known, executor, tell) is not None:  # copied elsewhere, say: the same bytes
            return done
    tell(
        Noted(
            stage.name,
            "what some blocks read is not what they knew: those are looked at again"
            if other
            else "files are not as they were written: what differs is done again",
        )
    )
    if not other and done.get("contents") and not done.get("by_block"):
        progress.forget()
    else:
        progress.reopen()
    return None


def _brought_back(
    plan: Plan, stage: Stage, run: Any, executor: Executor, tell: Events, history: History
) -> dict | None:
    """Summary of a stage whose result an earlier run had, and this one wants again."""
    if plan.done(stage.name) is not None or (kept := history.bring_back(plan.progress(stage.name))) is None:
        return None
    tell(Noted(stage.name, f"as it was before {kept.when} (UTC): brought back"))
    plan.forget(stage.name)
    return _finished(plan, stage, run, executor, tell)


def _begun(stage: Stage, run: Any, progress: Progress, tell: Events, history: History) -> tuple[str, ...]:
    """Have the stage begun under its address, with what its blocks fill; say what differs from an earlier plan."""
    because: tuple[str, ...] = ()
    if not progress.started:
        because = tuple(progress.changes)
        if because:
            tell(Noted(stage.name, "again, for other " + ", ".join(because)))
        history.set_aside(progress)
        progress.start()
    for folder in (progress.folder, *progress.products):
        leftovers.tidy(folder)
    if not progress.prepared:
        progress.forget()
        for product in progress.products:
            folders.remove(product)
        stage.prepare(run)
        progress.prepare()
    return because


def _by_others(
    plan: Plan,
    stage: Stage,
    run: Any,
    progress: Progress,
    executor: Executor,
    tell: Events,
    todo: list[Block],
    outcomes: dict[str, Outcome],
) -> None:
    """Have blocks done by the executor; their outcomes are added to `outcomes`."""
    if not todo:
        return
    counted = sum((outcome.ledger for outcome in outcomes.values() if outcome.ledger is not None), Ledger(0, 0))

    def ended(i: int, outcome: Outcome) -> None:
        nonlocal counted
        outcomes[todo[i].name] = outcome
        if outcome.ledger is not None:
            counted += outcome.ledger
            tell(Counted(stage.name, stage.tell(counted)))
        tell(BlockEnded(stage.name, outcome.rows, len(outcomes)))

    pipeline = plan.pipeline
    if pipeline.message is None:
        work, arguments = partial(done_block, pipeline, run, stage, progress), [(block,) for block in todo]
    else:
        order = Order(pipeline.message, stage.name, progress.wanted, progress.code)
        work, arguments = do_block, [(order, block) for block in todo]
    executor.do(
        Job(
            stage.name,
            work,
            arguments,
            [f"{stage.name} {block.name}" for block in todo],
            ended,
            short(str(pipeline.folder)),
            tell,
        )
    )


def _summary(
    plan: Plan, stage: Stage, run: Any, progress: Progress, outcomes: list[Outcome], tell: Events
) -> tuple[dict, list[Gate]]:
    """End a stage whose blocks are all complete: what vouches for it, and its gates."""
    with tell.watching(stage.name, "what is made of all blocks"):
        gates, ledgers, digest = stage.finish(run, outcomes)
    gates = [gate for outcome in outcomes for gate in outcome.gates] + list(gates)
    plan.check_gates(stage.name, gates)
    for outcome in outcomes:
        if outcome.ledger is not None and not stage.parallel:
            ledgers = {stage.name: outcome.ledger, **ledgers}
    for product in progress.products:
        if product.name.endswith(".zarr") and folders.inventory(
            product
        ):  # a cube by a property that no host has is not made
            stores.consolidate(product)
    for folder in (progress.folder, *progress.products):
        leftovers.tidy(folder)  # a worker that was killed leaves half a file behind while the run goes on to its end
    written = {name: digest for outcome in outcomes for name, digest in (outcome.written or {}).items()}
    blocks = stage.blocks(run)
    of_blocks = bool(blocks) and stage.part(run, blocks[0]) is not None
    return {
        "digest": f"{stores.add_digests([digest, *(outcome.digest for outcome in outcomes)]):032x}",
        "versions": versions_of(progress),
        "sizes": sizes_below(progress.products),
        "contents": "" if of_blocks else contents_of(progress, written),
        "by_block": of_blocks or bool(written),
        "rest": rest_of(run, stage, progress) if of_blocks else "",
        "sources": _sources(outcomes),
        "blocks": len(blocks),
        "rows": stage.rows(run, outcomes),
        "gates": [asdict(gate) for gate in gates],
        "ledgers": {name: asdict(ledger) | {"dropped": dict(ledger.dropped)} for name, ledger in ledgers.items()},
    }, gates


def _complete(folder: Any, stage: Stage, run: Any, progress: Progress, blocks: list[Block]) -> dict[str, Outcome]:
    """Outcomes of the blocks whose marker is there and whose files are those the marker saw, by name."""
    there = {product: folders.inventory(product) for product in (*progress.products, progress.folder)}
    below = {
        f"{place.relative_to(folder).as_posix()}/{name}": version
        for place, names in there.items()
        for name, version in names.items()
    }
    found, outcomes = {}, {block.name: progress.outcome(block) for block in blocks}
    now = stage.sources(run, _sources([outcome for outcome in outcomes.values() if outcome is not None]))
    for block in blocks:
        outcome = outcomes[block.name]
        if outcome is None or any(now.get(name) != version for name, version in outcome.sources.items()):
            continue
        left = stage.left(run, block, outcome)
        if isinstance(left, Part):
            names = stores.files(left.path, left.declaration, left.region, left.group)
            if outcome.files != short({name: there[left.path].get(name, "absent") for name in names}):
                continue
        elif left is not None and outcome.files != short({name: below.get(name, "absent") for name in left.names}):
            continue
        found[block.name] = outcome
    return found


def _clear(folder: Any, progress: Progress, blocks: list[Block]) -> None:
    """Where blocks say what they wrote, take from the products all else: files of nobody, and those
    that are made at the end.
    """
    vouched = {
        name for block in blocks if (outcome := progress.outcome(block)) is not None for name in outcome.written or ()
    }
    for product in progress.products if vouched else ():
        place = product.relative_to(folder).as_posix()
        folders.discard(product, [name for name in folders.inventory(product) if f"{place}/{name}" not in vouched])


def _sources(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """What all blocks read, by name; where two saw different versions of it (it changed between
    them), one that nothing has.
    """
    found: dict[str, str] = {}
    for outcome in outcomes:
        for name, version in outcome.sources.items():
            found[name] = version if found.get(name, version) == version else "differs"
    return found
