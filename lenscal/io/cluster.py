"""Blocks of work on a Dask cluster: a sliding window of tasks, so that a plan of any length fits the scheduler."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from lenscal.config import Cluster


class BlockError(RuntimeError):
    """A block of work that failed; the message names it."""


@contextmanager
def client(settings: Cluster) -> Iterator[object]:
    """A Dask client: of a cluster on this machine (worker processes with several threads each, on localhost only), or of a running one.

    Raises
    ------
    BlockError
        No scheduler answers at `settings.address`.
    """
    import dask
    from distributed import Client, LocalCluster

    cores = os.cpu_count() or 1
    workers = settings.workers or cores
    threads = settings.threads or max(1, cores // workers)
    quiet = {
        "distributed.scheduler.allowed-failures": 3,
        "distributed.worker.memory.terminate": False,
        "distributed.comm.timeouts.connect": "60s",
        # A block that fails is said once, by `sweep`; workers read how much to log from their environment.
        "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
    }
    logging.getLogger("distributed").setLevel(logging.ERROR)
    for name in ("tornado.application", "asyncio"):  # what ends a run is raised, and said once
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if settings.address:
        for name in ("distributed", "distributed.client", "distributed.utils"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the end of the scheduler is said once, by `sweep`
        try:
            connected = Client(settings.address, timeout="30s")
        except OSError as error:
            raise BlockError(f"no Dask scheduler answers at '{settings.address}' ({error}); start it, or leave cluster.address out") from None
        try:
            yield connected
        finally:
            with suppress(Exception):  # a scheduler that is gone cannot be taken leave of
                connected.close(timeout=5)
        return
    with dask.config.set(quiet), ExitStack() as started:
        try:
            cluster = started.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=threads,
                    host="127.0.0.1",
                    memory_limit=settings.memory_limit,
                    dashboard_address="127.0.0.1:0",  # of what Dask always serves; None would be port 8787, which another run may have
                    scheduler_kwargs={"dashboard": settings.dashboard},
                    silence_logs=logging.ERROR,
                )
            )
            connected = started.enter_context(Client(cluster))
        except (RuntimeError, OSError) as error:
            raise BlockError(f"the workers on this machine did not start ({error}); what is complete stays complete: run again to go on") from error
        yield connected


def sweep(
    connected: object,
    work: Callable,
    arguments: Sequence[tuple],
    names: Sequence[str],
    done: Callable[[int, object], None],
    owner: str = "",
) -> None:
    """Call `work(*arguments[i])` for every i on the cluster; `done(i, result)` is called here as results come in.

    Results must be small (what is large is written by the task). A task whose worker dies is tried again elsewhere. Calls of the
    same owner that a driver that died left running on a cluster that outlived it are waited for: two would write the same files.

    Raises
    ------
    BlockError
        At the first block that fails; tasks that have not started are cancelled.
    """
    from asyncio import CancelledError

    from distributed import as_completed
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    prefix = f"lenscal-{owner}"
    waiting = iter(range(len(arguments)))
    index = {}

    def submit() -> None:
        i = next(waiting, None)
        if i is not None:
            future = connected.submit(work, *arguments[i], key=f"{prefix}-{uuid.uuid4().hex}", pure=False, retries=1, priority=-i)
            index[future.key] = i
            running.add(future)

    try:
        while sum(connected.run(_at_work, prefix).values()):
            time.sleep(0.1)
        running = as_completed(with_results=True, raise_errors=False)
        for _ in range(max(4, 4 * sum(connected.nthreads().values()))):
            submit()
        for future, result in running:
            i = index.pop(future.key)
            if future.status == "cancelled":
                raise ConnectionError
            if future.status != "finished":
                error = future.exception()
                if isinstance(error, KilledWorker):
                    raise BlockError(
                        f"{names[i]}: {error.allowed_failures + 1} workers died at it, of too little memory or by a fault of their machine; "
                        "what is complete stays complete: run again to go on"
                    ) from error
                raise BlockError(f"{names[i]}: {error}") from error
            done(i, result)
            future.release()
            submit()
    except BlockError:
        raise
    except (Exception, CancelledError) as error:
        # Whatever is raised when the scheduler goes (it differs with the moment), it is no fault of a block.
        if isinstance(error, (ConnectionError, CommClosedError, CancelledError, TimeoutError)) or connected.status != "running":
            raise BlockError("the Dask scheduler is gone; what is complete stays complete: run again to go on") from error
        raise


def _at_work(prefix: str, dask_worker: object = None) -> int:
    """On a worker: calls of this prefix that run, whether anyone still waits for them or not."""
    return sum(str(task.key).startswith(prefix) for task in dask_worker.state.executing)
