"""Blocks on a Dask cluster: a sliding window of tasks, so that a plan of any length fits the scheduler."""

from __future__ import annotations

import queue
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol

from lenscal.engine import events
from lenscal.engine.errors import BlockError
from lenscal.engine.executors.executor import Executor, Job
from lenscal.engine.executors.waiting import Watch
from lenscal.engine.memory import peak_memory

_GONE = "the Dask scheduler is gone; what is complete stays complete: run again to go on"


class _Cluster(Protocol):
    def client(self) -> AbstractContextManager[Any]: ...


class OnDask:
    """Workers of a cluster, started or found when the first block needs them.

    Parameters
    ----------
    cluster : lenscal.clusters.Cluster
    block_timeout : float, optional
        Seconds after which a block that does not end has its worker started anew and is done again; at the second time
        the run stops.
    workers_timeout : float, optional
        Seconds after which a run stops that has no worker.
    dashboard : bool
        Say where Dask's dashboard is.
    """

    def __init__(
        self,
        cluster: _Cluster,
        block_timeout: float | None = None,
        workers_timeout: float | None = None,
        dashboard: bool = False,
    ) -> None:
        self.memory: dict[str, float] = {}
        self._cluster, self._limits, self._dashboard = cluster, (block_timeout, workers_timeout), dashboard
        self._context = self._client = None

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *error: object) -> None:
        self.memory["driver"] = peak_memory()
        if self._client is not None:
            if error[0] is None:
                with suppress(
                    OSError, RuntimeError
                ):  # a scheduler that ends after the last block takes nothing with it
                    self.memory["workers"] = sum(self._client.run(peak_memory).values())
            self._context.__exit__(*error)

    def client(self, tell: events.Events) -> Any:
        """The client, which is there from the first time on."""
        if self._client is None:
            self._context = self._cluster.client()
            self._client = self._context.__enter__()
            if self._dashboard:
                with suppress(
                    OSError, RuntimeError
                ):  # a scheduler that is gone already is told of with the first block
                    tell(events.Served("", self._client.dashboard_link))
        return self._client

    def do(self, job: Job) -> None:
        """See `Executor.do`. A task whose worker dies is tried again elsewhere.

        Results must be small (what is large is written by the task). Calls of the same owner that a driver that died
        left running on a cluster that outlived it are waited for: two would write the same files. Where nothing comes
        to its end for long, it is said at what and on whom the run waits.
        """
        from asyncio import CancelledError

        from distributed.comm import CommClosedError

        connected = self.client(job.tell)
        watch = Watch(connected, job, *self._limits)
        prefix = f"lenscal-{job.owner}"
        try:
            watch.wait_for_others(prefix)
            connected.subscribe_topic(watch.topic, watch.began)
            try:
                _sweep(connected, job, watch, prefix)
            finally:
                with suppress(Exception):
                    connected.unsubscribe_topic(watch.topic)
        except BlockError:
            raise
        except (Exception, CancelledError) as error:
            # Whatever is raised when the scheduler goes (it differs with the moment), it is no fault of a block.
            if (
                isinstance(error, (ConnectionError, CommClosedError, CancelledError, TimeoutError))
                or connected.status != "running"
            ):
                raise BlockError(_GONE) from error
            raise


def _sweep(connected: Any, job: Job, watch: Watch, prefix: str) -> None:
    """Keep some calls on the cluster until all have ended."""
    waiting = iter(range(len(job.arguments)))
    running: dict[str, tuple[int, object]] = {}
    ended: queue.SimpleQueue = queue.SimpleQueue()

    def submit() -> None:
        i = next(waiting, None)
        if i is not None:
            key = f"{prefix}-{uuid.uuid4().hex}"
            future = connected.submit(
                _begun, watch.topic, i, job.work, *job.arguments[i], key=key, pure=False, retries=1, priority=-i
            )
            running[future.key] = (i, future)
            future.add_done_callback(ended.put)

    for _ in range(max(4, 4 * sum(watch.threads().values()))):
        submit()
    while running:
        try:
            future = ended.get(timeout=1)
        except queue.Empty:
            if connected.status not in ("running", "connecting"):
                raise ConnectionError from None
            watch.look()
            continue
        i, _ = running.pop(future.key)
        result = _result(future, job.names[i])
        watch.finished(i)
        job.done(i, result)
        future.release()
        submit()
        watch.look()


def _result(future: Any, name: str) -> object:
    """Of a call that has ended."""
    from distributed.scheduler import KilledWorker

    if future.status == "cancelled":
        raise ConnectionError
    if future.status == "finished":
        return future.result(timeout=60)
    error = future.exception(timeout=events.PATIENCE)
    if isinstance(error, KilledWorker):
        raise BlockError(
            f"{name}: {error.allowed_failures + 1} workers died at it, of too little memory or by a fault of their "
            "machine; what is complete stays complete: run again to go on"
        ) from error
    raise BlockError(f"{name}: {error}") from error


def _begun(topic: str, i: int, work: Callable, *arguments: object) -> object:
    """On a worker: a call, once the driver was told that it is taken up."""
    from distributed import get_worker

    with suppress(Exception):  # only those who wait would know less
        worker = get_worker()
        worker.log_event(topic, [i, worker.address])
    return work(*arguments)
