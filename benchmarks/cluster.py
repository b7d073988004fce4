"""What a cluster costs beside the work: blocks that do nothing through the engine, and the blocks of stages on two
workers against the bare loop over the same blocks.

    python benchmarks/cluster.py [--blocks 200000] [--part windows efficiency plan]

Limits: <= 3 ms for a block that does nothing, memory of scheduler and client flat within 200 MB from the first tenth to
the last block; efficiency of two workers >= 92 % of two bare processes for injections, scores and the scans of the
manifest, whose blocks are repeated until they are work for a minute. The plan is that of the whole survey for three
detectors, by the tables of costs and prices.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import tempfile
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import psutil
import yaml

from lenscal import audit, config, mock
from lenscal.audit import costs
from lenscal.audit.pipeline import opened
from lenscal.clusters import Local
from lenscal.engine import InProcess, Plan
from lenscal.engine.executors.executor import Job
from lenscal.engine.executors.on_dask import OnDask

HERE = Path(__file__).resolve().parent
STAGES = ("manifest", "injections", "scores")


def nothing(i: int) -> None:
    """A block that does nothing."""


def resident(client: object) -> float:
    """Memory of client and scheduler, in MB; they are one process here."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def windows(blocks: int) -> None:
    """Blocks that do nothing, and what stays of them."""
    seen: list[tuple[int, float]] = []
    began, used = time.perf_counter(), time.process_time()

    def ended(i: int, _: object) -> None:
        if i % max(1, blocks // 20) == 0:
            seen.append((i, resident(None)))

    with OnDask(Local(2, 1)) as executor:
        job = Job(
            "stage", nothing, [(i,) for i in range(blocks)], [f"{i:07d}" for i in range(blocks)], ended, "windows"
        )
        executor.do(job)
        spent, own = time.perf_counter() - began, time.process_time() - used
    memory = [megabytes for _, megabytes in seen]
    settled = memory[len(memory) // 10 :]
    print(f"{blocks:,} blocks that do nothing: {1e3 * spent / blocks:.2f} ms each (limit 3), ", end="")
    print(f"of which client and scheduler compute {1e3 * own / blocks:.2f}")
    print(f"memory of scheduler and client: {settled[0]:.0f} MB at a tenth, {max(settled):.0f} at most (limit + 200)")


@lru_cache(maxsize=8)
def _there(message: str, stage: str) -> tuple:
    """The pipeline and what the stage sees of it, once in a process, as the engine has it."""
    pipeline = opened(message)
    return pipeline, pipeline.given(stage)


def worked(arguments: tuple) -> None:
    """A part of the blocks of a stage, again and again, in a bare process."""
    message, stage, blocks = arguments
    pipeline, run = _there(message, stage)
    for block in blocks:
        pipeline.stages[stage].work(run, block)


def single(message: str, stage: str, block: object) -> None:
    """The same block on a worker."""
    worked((message, stage, [block]))


def efficiency(seconds: float) -> None:
    """Two workers of a cluster against two bare processes."""
    with tempfile.TemporaryDirectory() as folder:
        raw = yaml.safe_load((HERE.parent / "tests" / "tiny.yaml").read_text())
        path = Path(folder) / "cluster.yaml"
        path.write_text(yaml.safe_dump(raw))
        settings = config.load(path)
        mock.draw(settings, workers=2)
        names = ["objects", "manifest", "cutouts", "quality", "injections", "detector", "scores"]
        audit.run(settings, names, executor=InProcess())
        pipeline = Plan(audit.pipeline_of(settings)).pipeline
        message = settings.model_dump_json()
        with OnDask(Local(2, 1)) as executor, multiprocessing.get_context("spawn").Pool(2) as pool:
            for stage in STAGES:
                blocks = pipeline.stages[stage].blocks(pipeline.given(stage))
                began = time.perf_counter()
                worked((message, stage, blocks))
                times = max(2, round(seconds / (time.perf_counter() - began)))
                work = blocks * times
                for warm in (True, False):
                    part = work[: 2 * len(blocks)] if warm else work
                    began = time.perf_counter()
                    pool.map(worked, [(message, stage, part[0::2]), (message, stage, part[1::2])], chunksize=1)
                    bare = time.perf_counter() - began
                    began = time.perf_counter()
                    arguments = [(message, stage, block) for block in part]
                    executor.do(Job(stage, single, arguments, [block.name for block in part], lambda *_: None, "bench"))
                    cluster = time.perf_counter() - began
                beside = 1e3 * (cluster - bare) / len(work)
                print(f"{stage}: {len(work)} blocks, bare {bare:.1f} s, on the cluster {cluster:.1f} s, ", end="")
                print(f"{100 * bare / cluster:.1f} % (limit 92), {beside:.1f} ms a block beside the work")


def plan() -> None:
    """The whole survey: 2.8 billion rows, 510,000 cutouts, 77,000 trials for three detectors."""
    from types import SimpleNamespace

    from lenscal.clusters.ec2 import prices

    ec2 = SimpleNamespace(private=False, volume_gb=60)
    kind = prices.type_of("m7i.4xlarge", "us-west-2")
    for spot in (True, False):
        machine = prices.hourly(kind.name, "us-west-2", spot) + prices.beside(ec2)
        scheduler = prices.hourly("m7i.large", "us-west-2", False) + prices.beside(ec2)
        rates = costs.Rates(25 * kind.cores, 25 * machine, scheduler + machine)
        work = costs.Work(rows=2_827_055_986, cutouts=510_000, trials=77_000, images=0, detectors=3, remote=True)
        found = costs.expected(replace(work), rates)
        print(f"25 machines of {kind.name}{', spot' if spot else ', on demand'}, prices of {prices.as_of()}:")
        total = costs.Cost(
            "all", *(sum(getattr(c, name) for c in found) for name in ("core_hours", "hours", "dollars")), ""
        )
        for cost in [*found, total]:
            print(
                f"  {cost.stage:<13} {cost.core_hours:8.1f} core-hours {cost.hours:7.2f} h {cost.dollars:8.2f} dollars"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of work of each stage, on one core")
    parser.add_argument("--part", nargs="+", default=["plan", "windows", "efficiency"])
    asked = parser.parse_args()
    for part in asked.part:
        {"plan": plan, "windows": lambda: windows(asked.blocks), "efficiency": lambda: efficiency(asked.seconds)}[
            part
        ]()


if __name__ == "__main__":
    main()
