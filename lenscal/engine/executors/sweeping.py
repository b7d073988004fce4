"""All calls of a job on a Dask cluster: a sliding window of tasks that follows the workers, and what fails too often
set aside.
"""

from __future__ import annotations

import itertools
import queue
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from lenscal.engine import events
from lenscal.engine.errors import BlockError, PlanError, SetAside, Stuck
from lenscal.engine.executors.executor import Job
from lenscal.engine.executors.waiting import Watch

AHEAD = 16
"""Tasks that the scheduler has for each thread of its workers: a plan of any length fits it."""
LOOK_S = 5.0
"""Seconds after which the threads of the workers are counted again, so that the window follows those that come."""
ASIDE, ASIDE_SHARE = 10, 0.01
"""Blocks set aside, and their share of a job, beyond which the fault lies in no single block: the run stops."""
_SHOWN = 5
TOGETHER = 64
"""Results that are fetched at once."""
_UNKNOWN = object()


class Sweep:
    """One job on one cluster.

    Parameters
    ----------
    connected : distributed.Client
    job : Job
    watch : Watch
    prefix : str
        Of the keys of its tasks.
    attempts : int
        How often a block is tried; with 1 the first that fails ends the job.
    """

    def __init__(self, connected: Any, job: Job, watch: Watch, prefix: str, attempts: int = 1) -> None:
        self._connected, self._job, self._watch, self._prefix = connected, job, watch, prefix
        self._attempts, self._tried = attempts, Counter()
        self._waiting = iter(range(len(job.arguments)))
        self._running: dict[str, tuple[int, Any]] = {}
        self._ended: queue.SimpleQueue = queue.SimpleQueue()
        self._aside: dict[int, BlockError] = {}
        self._window, self._counted = AHEAD, -LOOK_S

    def __call__(self) -> None:
        """Every call of the job.

        Raises
        ------
        SetAside
            All others are done; the message names those that are not.
        BlockError
            At the first block that fails, where each is tried once, or where too many fail.
        """
        self._fill()
        while self._running:
            try:
                ended = self._ended_now()
            except queue.Empty:
                if self._connected.status not in ("running", "connecting"):
                    raise ConnectionError from None
                ended = []
            for future, result in ended:
                self._took(future, result)
            self._look()
            self._fill()
        if self._aside:
            raise self._left()

    def _ended_now(self) -> list[tuple[Any, Any]]:
        """Calls that have ended, each with what it gave (`_UNKNOWN` where that is to be asked by itself); many are
        asked for at once, since a question takes longer than a small block.

        Raises
        ------
        queue.Empty
            None within a second.
        """
        futures = [self._ended.get(timeout=1)]
        with suppress(queue.Empty):
            while len(futures) < TOGETHER:
                futures.append(self._ended.get_nowait())
        well = [future for future in futures if future.key in self._running and future.status == "finished"]
        given: dict[str, Any] = {}
        if len(well) > 1:
            with suppress(Exception):  # then each is asked by itself, and says what is wrong with it
                ask = self._connected
                values = ask.sync(ask._gather, well, errors="raise", callback_timeout=events.PATIENCE)
                given = {future.key: value for future, value in zip(well, values)}
        return [(future, given.get(future.key, _UNKNOWN)) for future in futures]

    def _fill(self) -> None:
        """Submit until the window is full."""
        if time.monotonic() - self._counted >= LOOK_S:
            with suppress(TimeoutError):
                self._window = max(AHEAD, AHEAD * sum(self._watch.threads().values()))
                self._counted = time.monotonic()
        room = self._window - len(self._running)
        if 4 * room >= self._window:  # several at once: to submit takes longer than a small block
            self._submit(list(itertools.islice(self._waiting, room)))

    def _submit(self, numbers: list[int]) -> None:
        """Hand calls to the scheduler, all at once."""
        if not numbers:
            return
        self._tried.update(numbers)
        futures = self._connected.map(
            partial(begun, self._watch.topic, self._job.work),
            numbers,
            [self._job.arguments[i] for i in numbers],
            key=[f"{self._prefix}-{uuid.uuid4().hex}" for _ in numbers],
            pure=False,
            retries=int(self._attempts == 1),
            priority=-numbers[0],
        )
        for i, future in zip(numbers, futures):
            self._running[future.key] = (i, future)
            future.add_done_callback(self._ended.put)

    def _took(self, future: Any, result: Any) -> None:
        """A call has ended, well or not."""
        i, _ = self._running.pop(future.key, (None, None))
        if i is None:  # it was set aside while it ended
            return
        try:
            if result is _UNKNOWN:
                result = result_of(future, self._job.names[i])
        except TimeoutError:  # its result was on a worker that is gone: it is done again, and ends once more
            self._running[future.key] = (i, future)
            future.add_done_callback(self._ended.put)
            return
        except BlockError as error:
            if self._attempts == 1 or isinstance(error.__cause__, PlanError):
                raise
            future.release()
            self._watch.finished(i)
            if self._tried[i] < self._attempts and not isinstance(error, Died):
                self._submit([i])
            else:
                self._put_aside(i, error)
            return
        self._tried.pop(i, None)
        self._watch.finished(i)
        self._job.done(i, result)
        future.release()

    def _look(self) -> None:
        """See `Watch.look`; a block that hangs for the second time is set aside, its worker started anew."""
        try:
            self._watch.look()
        except Stuck as error:
            if self._attempts == 1:
                raise
            for key in [key for key, (i, _) in self._running.items() if i == error.block]:
                _, future = self._running.pop(key)
                future.cancel(force=True)
            self._watch.again(error.block)
            self._put_aside(error.block, error)

    def _put_aside(self, i: int, error: BlockError) -> None:
        self._aside[i] = error
        name = self._job.names[i]
        self._job.tell(
            events.Waiting(self._job.stage, f"{name} is set aside, the rest goes on: {_reason(error, name)}")
        )
        if len(self._aside) > ASIDE + ASIDE_SHARE * len(self._job.arguments):
            raise self._left("too many blocks fail for the fault to lie in them")

    def _left(self, why: str = "") -> SetAside:
        """What is said of the blocks that were set aside."""
        names = [self._job.names[i] for i in sorted(self._aside)]
        shown = "; ".join(_reason(self._aside[i], "") for i in sorted(self._aside)[:_SHOWN])
        more = f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        done = len(self._job.arguments) - len(names)
        state = why or f"the other {done:,} blocks of {self._job.stage} are complete"
        error = SetAside(
            f"{len(names)} of {len(self._job.arguments):,} blocks were set aside after {self._attempts} attempts "
            f"(cluster.block_attempts): {shown}{more}; {state}: mend what is said and run again to go on",
            tuple(names),
        )
        error.__cause__ = self._aside[min(self._aside)].__cause__
        return error


class Died(BlockError):
    """A block at which as many workers died as the scheduler lets die."""


def _reason(error: BlockError, name: str) -> str:
    return str(error).removeprefix(f"{name}: ").removesuffix(_GO_ON)[:300]


_GO_ON = "; what is complete stays complete: run again to go on"


def result_of(future: Any, name: str) -> object:
    """What a call that has ended gave.

    Raises
    ------
    BlockError
        It failed; `Died` where its workers died.
    TimeoutError
        It has not ended after all.
    ConnectionError
        The scheduler is gone.
    """
    from distributed.scheduler import KilledWorker

    if future.status == "cancelled":
        raise ConnectionError
    if future.status == "finished":
        return future.result(timeout=60)
    if future.status != "error":
        raise TimeoutError
    error = future.exception(timeout=events.PATIENCE)
    if isinstance(error, KilledWorker):
        raise Died(
            f"{name}: {error.allowed_failures + 1} workers died at it, of too little memory or by a fault of their "
            f"machine{_GO_ON}"
        ) from error
    raise BlockError(f"{name}: {error}") from error


def begun(topic: str, work: Callable, i: int, arguments: tuple) -> object:
    """On a worker: a call, once the driver was told that it is taken up."""
    from distributed import get_worker

    with suppress(Exception):  # only those who wait would know less
        worker = get_worker()
        worker.log_event(topic, [i, worker.address])
    return work(*arguments)
