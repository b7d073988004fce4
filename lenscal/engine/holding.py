"""A finished stage whose files have other times than when it wrote or read them, as a copied project has: it stays
complete where the content is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lenscal.engine.addresses import short
from lenscal.engine.blocks import Block, Outcome
from lenscal.engine.contents import contents_of, rest_of, sizes_below, versions_of
from lenscal.engine.events import Events
from lenscal.engine.executors import Executor, Job
from lenscal.engine.markers import Progress
from lenscal.engine.plan import Plan
from lenscal.engine.stage import Stage
from lenscal.engine.working import Order, held_block, hold_block


def held(
    plan: Plan,
    stage: Stage,
    run: Any,
    done: dict,
    known: Callable[[list[Block]], dict[str, Outcome]],
    executor: Executor,
    tell: Events,
) -> dict | None:
    """Summary of a finished stage with the versions of now, once all that it wrote and read has the content of then;
    None where something differs. `known` gives the outcomes of blocks whose files are those that their markers saw.
    """
    progress, then = plan.progress(stage.name), done.get("sources", {})
    versions, sources = versions_of(progress), then
    same, found = versions == done.get("versions"), {}
    if not same and not done.get("contents") and not _rest_holds(stage, run, progress, done):
        return None  # first: the metadata of a store say which files its blocks fill
    if done.get("by_block") or then:
        blocks = stage.blocks(run)
        found = known(blocks)
        todo = [block for block in blocks if block.name not in found]
        found = found | _looked_at(plan, stage, run, todo, executor, tell)
        if any(block.name not in found for block in blocks):
            return None
        sources = {name: version for block in blocks for name, version in found[block.name].sources.items()}
        if set(sources) != set(then) or not stage.only_times(then, sources):
            return None
    if not same and done.get("contents"):
        written = {name: digest for outcome in found.values() for name, digest in (outcome.written or {}).items()}
        if done["contents"] != contents_of(progress, written):
            return None
    done.update(versions=versions, sizes=sizes_below(progress.products), sources=sources)
    progress.finish({key: value for key, value in done.items() if key not in ("address", "reads")})
    return done


def _rest_holds(stage: Stage, run: Any, progress: Progress, done: dict) -> bool:
    """Whether the files of a stage that no block fills hold what they did; what cannot be read does not."""
    try:
        return bool(done.get("rest")) and done["rest"] == rest_of(run, stage, progress)
    except (ValueError, OSError, RuntimeError):
        return False


def _looked_at(
    plan: Plan, stage: Stage, run: Any, blocks: list[Block], executor: Executor, tell: Events
) -> dict[str, Outcome]:
    """Outcomes of the blocks whose content is that of their markers, by name; those have the versions of now."""
    pipeline, progress, found = plan.pipeline, plan.progress(stage.name), {}

    def ended(i: int, outcome: Outcome | None) -> None:
        if outcome is not None:
            found[blocks[i].name] = outcome

    if stage.parallel and blocks:
        work, arguments = partial(held_block, run, stage, progress), [(block,) for block in blocks]
        if pipeline.message is not None:
            order = Order(pipeline.message, stage.name, progress.wanted, progress.code)
            work, arguments = hold_block, [(order, block) for block in blocks]
        names = [f"{stage.name} {block.name}" for block in blocks]
        executor.do(Job(stage.name, work, arguments, names, ended, short(str(pipeline.folder)), tell))
    else:
        for i, block in enumerate(blocks):
            ended(i, held_block(run, stage, progress, block))
    return found
