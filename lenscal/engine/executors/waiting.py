"""What a run on a cluster waits for: which blocks are at work, on whom and since when, whether that is to be said,
and when it is too long.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from lenscal.engine import events
from lenscal.engine.errors import BlockError, Stuck
from lenscal.engine.executors.executor import Job
from lenscal.io import stopping


class Watch:
    """Of one job on one cluster."""

    def __init__(
        self, connected: Any, job: Job, block_timeout: float | None = None, workers_timeout: float | None = None
    ) -> None:
        self.topic = f"lenscal-blocks-{uuid.uuid4().hex}"
        self._connected, self._job = connected, job
        self._block_timeout, self._workers_timeout = block_timeout, workers_timeout
        self._begun: dict[int, tuple[float, str]] = {}
        self._longest, self._last = 0.0, time.monotonic()
        self._said: dict[int, float] = {}
        self._again: set[int] = set()
        self._alone = False

    def began(self, event: tuple) -> None:
        """A worker took up a block."""
        _, (i, worker) = event
        self._begun[i] = time.monotonic(), worker

    def finished(self, i: int) -> None:
        """A block came to its end."""
        self._last = now = time.monotonic()
        self._longest = max(self._longest, now - self._begun.pop(i, (now, ""))[0])
        self._said.clear()
        self._again.discard(-1)

    def look(self) -> None:
        """Say what has not ended for long; do again, then stop, what has not for too long;
        stop what was asked to stop.
        """
        stopping.check()
        now = time.monotonic()
        for i, (since, worker) in sorted(self._begun.items()):
            age = now - since
            if self._block_timeout is not None and age > self._block_timeout:
                self._too_long(i, age, worker)
                return
            if age > self._next(i) and self._is_there(worker):
                so_far = f"; the longest that ended took {self._longest:.0f} s" if self._longest else ""
                self._tell(i, age, f"waits for {self._job.names[i]}, at work for {age:.0f} s on {worker}{so_far}")
        if not self._begun:
            self._nobody(now - self._last)

    def _too_long(self, i: int, age: float, worker: str) -> None:
        """Start the worker of a block anew, so that the scheduler gives the block to another or to it; stop
        when that was done before.
        """
        name = f"{self._job.names[i]}: not at its end after {age:.0f} s on {worker}"
        limit = f"cluster.block_timeout is {self._block_timeout:g}"
        if i in self._again:
            raise Stuck(
                f"{name}, for the second time ({limit}); its disk, its service or the worker may stand still: "
                "mend that and run again to go on",
                i,
            )
        self._again.add(i)
        self._say(f"{name} ({limit}): the worker is started anew, and the block done again")
        self._start_anew([worker])

    def again(self, i: int) -> None:
        """Start the worker of a block that is set aside anew: it would hold a thread for ever."""
        _, worker = self._begun.pop(i, (0.0, ""))
        if worker:
            self._start_anew([worker])

    def _start_anew(self, workers: list[str]) -> None:
        """Have the nannies of workers end them and start others; what they were at is given
        out again by the scheduler.
        """
        try:
            self._connected.restart_workers(workers, timeout=2 * events.PATIENCE, raise_for_error=False)
        except ValueError:
            raise BlockError(
                f"{_few(workers)} stands still and has no nanny that could start it anew: end it, start "
                "another and run again to go on"
            ) from None
        except KeyError:
            pass  # the worker is gone by now, and what it was at is given to others
        for i in [i for i, (_, where) in self._begun.items() if where in workers]:
            del self._begun[i]  # they begin again, and say so
        self._last = time.monotonic()

    def _is_there(self, worker: str) -> bool:
        """Whether a worker is still one of the cluster; what a dead one was at begins again elsewhere."""
        with suppress(TimeoutError):
            if worker not in self.threads():
                for i in [i for i, (_, where) in self._begun.items() if where == worker]:
                    del self._begun[i]
                self._last = time.monotonic()
                return False
        return True

    def _nobody(self, age: float) -> None:
        """No block is at work: say why, and stop when there has been no worker for too long."""
        if age <= min(self._next(-1), self._block_timeout or math.inf) and (
            not self._alone or self._workers_timeout is None
        ):
            return
        address = self._connected.scheduler.address
        try:
            workers = self.threads()
        except TimeoutError:
            if age > self._next(-1):
                self._tell(-1, age, f"waits for the scheduler at {address}, which does not answer")
            return
        if workers:
            self._alone = False
            if self._block_timeout is not None and age > self._block_timeout and (still := self._silent()):
                self._stand_still(still, age)
            elif age > self._next(-1):
                self._tell(
                    -1,
                    age,
                    f"waits for a worker to take up a block, for {age:.0f} s; at {address} are {_few(workers)}: they "
                    "may stand still, or be at work for others",
                )
            return
        self._alone = True
        if self._workers_timeout is not None and age > self._workers_timeout:
            raise BlockError(
                f"no worker came to {address} within {age:.0f} s (cluster.workers_timeout is "
                f"{self._workers_timeout:g}); start some (dask worker {address}) and run again"
            )
        if age > self._next(-1):
            self._tell(-1, age, f"waits for workers: none is at {address}; start some (dask worker {address})")

    def _silent(self) -> list[str]:
        """Workers of which the scheduler has not heard for half of the time that a block may take."""
        heard = self._connected.run_on_scheduler(_since_heard)
        return sorted(worker for worker, age in heard.items() if age > self._block_timeout / 2)

    def _stand_still(self, workers: list[str], age: float) -> None:
        """Start workers anew that took blocks and do not even say that they began; stop when that was done before."""
        told = (
            f"no block was taken up for {age:.0f} s, and {_few(workers)} do not answer (cluster.block_timeout "
            f"is {self._block_timeout:g})"
        )
        if -1 in self._again:
            raise BlockError(
                f"{told}, for the second time; their machine may stand still: mend that and run again to go on"
            )
        self._again.add(-1)
        self._say(f"{told}: they are started anew")
        self._start_anew(workers)

    def _next(self, what: int) -> float:
        """Age of something that is to be said next: longer each time."""
        return self._said.get(what, max(events.PATIENCE, 3 * self._longest))

    def _tell(self, what: int, age: float, text: str) -> None:
        self._said[what] = 2 * age
        self._say(text)

    def _say(self, text: str) -> None:
        self._job.tell(events.Waiting(self._job.stage, text))

    def threads(self) -> dict[str, int]:
        """Threads of each worker, as the scheduler knows them."""
        return self._connected.sync(self._connected.scheduler.ncores, callback_timeout=events.PATIENCE / 3)

    def wait_for_others(self, prefix: str) -> None:
        """Until no call of this prefix is at work that nobody waits for any more."""
        began = time.monotonic()
        while True:
            silent, left = [], 0
            for worker in self.threads():
                try:
                    at_work = self._connected.sync(
                        self._connected._run, _at_work, prefix, workers=[worker], callback_timeout=events.PATIENCE / 3
                    )
                    left += sum(at_work.values())
                except TimeoutError:
                    silent.append(worker)
            if not left and not silent:
                self._last = time.monotonic()
                return
            stopping.check()
            age = time.monotonic() - began
            if age > self._next(-1):
                self._tell(
                    -1,
                    age,
                    f"waits for {_few(silent)} to answer"
                    if silent
                    else f"waits for {left} blocks that an earlier run left at work",
                )
            limit = self._block_timeout
            if limit is not None and age > limit:
                raise BlockError(
                    f"{_few(silent)} did not answer within {age:.0f} s (cluster.block_timeout is "
                    f"{limit:g}); end it and run again"
                    if silent
                    else (
                        f"{left} blocks that an earlier run left at work did not end within {age:.0f} s; "
                        "end its workers and run again"
                    )
                )
            time.sleep(0.1)


def _few(workers: Sequence[str]) -> str:
    """Workers by address, the first three."""
    names = sorted(workers)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _since_heard(dask_scheduler: Any = None) -> dict[str, float]:
    """On the scheduler: seconds since each worker said that it is there."""
    return {address: time.time() - worker.last_seen for address, worker in dask_scheduler.workers.items()}


def _at_work(prefix: str, dask_worker: Any = None) -> int:
    """On a worker: calls of this prefix that run, whether anyone still waits for them or not."""
    return sum(str(task.key).startswith(prefix) for task in dask_worker.state.executing)
