"""Workers on this machine."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from lenscal.clusters.cluster import hush, quiet
from lenscal.engine.errors import BlockError


@dataclass(frozen=True)
class Local:
    """Worker processes with several threads each, on localhost only, speaking TLS with a key made for the run, since
    others on the machine reach localhost too."""

    workers: int | None = None
    """Processes; one per core by default."""
    threads: int | None = None
    """Per process; the cores shared out by default."""
    memory_limit: str = "4GB"
    """Per process, as Dask takes it."""
    dashboard: bool = False

    @contextmanager
    def client(self) -> Iterator[Any]:
        """See `Cluster.client`."""
        import dask
        from distributed import Client
        from distributed.security import Security

        cores = os.cpu_count() or 1
        workers = self.workers or cores
        silent = {
            "scheduler": dask.config.get("scheduler", None),  # a client that does not close leaves its own
            "distributed.scheduler.allowed-failures": 3,
            "distributed.worker.memory.terminate": False,
            "distributed.comm.timeouts.connect": "60s",
            # A block that fails is said once, by the run; workers read how much to log from their environment.
            "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
        }
        with quiet(), dask.config.set(silent), ExitStack() as started:
            try:
                cluster = started.enter_context(
                    _uninterrupted(
                        n_workers=workers,
                        threads_per_worker=self.threads or max(1, cores // workers),
                        host="127.0.0.1",
                        memory_limit=self.memory_limit,
                        security=Security.temporary(),
                        # of what Dask always serves; None would be port 8787, which another run may have
                        dashboard_address="127.0.0.1:0",
                        scheduler_kwargs={"dashboard": self.dashboard},
                        silence_logs=logging.ERROR,
                    )
                )
                connected = started.enter_context(Client(cluster))
            except (RuntimeError, OSError) as error:
                raise BlockError(
                    f"the workers on this machine did not start ({error}); what is complete stays "
                    "complete: run again to go on"
                ) from error
            try:
                yield connected
            except BaseException:
                hush()  # before the workers are closed
                raise


def _uninterrupted(**settings: object) -> object:
    """A cluster on this machine whose start is not broken off half way, and whose processes leave Ctrl-C to this one.

    A terminal sends Ctrl-C to all of them. The thread that starts them has it blocked, and what it starts inherits
    that.
    """
    from multiprocessing import resource_tracker

    from distributed import LocalCluster

    resource_tracker.ensure_running()  # else its start, in the thread below, takes Ctrl-C off those that are blocked
    made: Future = Future()

    def start() -> None:
        try:
            made.set_result(LocalCluster(**settings))
        except BaseException as error:
            made.set_exception(error)

    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    threading.Thread(target=start, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
    try:
        return made.result()
    except KeyboardInterrupt:
        with suppress(Exception):
            made.result(timeout=60).close(timeout=10)  # what has begun to start is closed before this process ends
        raise
