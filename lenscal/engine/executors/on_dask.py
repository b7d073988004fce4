"""Blocks on a Dask cluster, which is started or found when the first block needs it."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol, runtime_checkable

from lenscal.engine import events
from lenscal.engine.errors import BlockError
from lenscal.engine.executors.executor import Executor, Job
from lenscal.engine.executors.sweeping import Sweep
from lenscal.engine.executors.waiting import Watch
from lenscal.engine.memory import peak_memory

_GONE = "the Dask scheduler is gone; what is complete stays complete: run again to go on"


class _Cluster(Protocol):
    def client(self) -> AbstractContextManager[Any]: ...


@runtime_checkable
class Telling(Protocol):
    """A cluster that has something to say while it is there, and hears what happens."""

    tell: events.Events

    def __call__(self, event: events.Event) -> None: ...


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
    block_attempts : int
        How often a block that fails is tried before it is set aside; with 1 the first that fails ends the run.
    """

    def __init__(
        self,
        cluster: _Cluster,
        block_timeout: float | None = None,
        workers_timeout: float | None = None,
        dashboard: bool = False,
        block_attempts: int = 1,
    ) -> None:
        self.memory: dict[str, float] = {}
        self._cluster, self._limits, self._dashboard = cluster, (block_timeout, workers_timeout), dashboard
        self._attempts = block_attempts
        self.listeners: list[events.Listener] = [cluster] if callable(cluster) else []
        """Of the events of the run: a cluster that starts machines follows how many blocks are left."""
        self._context = self._client = None

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *error: object) -> None:
        self.memory["driver"] = peak_memory()
        self._end(*error)

    def rest(self) -> None:
        """See `Executor.rest`."""
        self._end(None, None, None)

    def _end(self, *error: object) -> None:
        """End what was started, if anything was; the next job would start it again."""
        if self._client is None:
            return
        if error[0] is None:
            with suppress(OSError, RuntimeError):  # a scheduler that ends after the last block takes nothing with it
                self.memory["workers"] = sum(self._client.run(peak_memory).values())
        context, self._context, self._client = self._context, None, None
        context.__exit__(*error)

    def client(self, tell: events.Events) -> Any:
        """The client, which is there from the first time on."""
        if self._client is None:
            if isinstance(self._cluster, Telling):
                self._cluster.tell = tell
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
                Sweep(connected, job, watch, prefix, self._attempts)()
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
