"""Blocks of work on a Dask cluster: a sliding window of tasks, so that a plan of any length fits the scheduler."""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress

from lenscal.config import Cluster
from lenscal.io import stopping

PATIENCE = 30.0  # seconds without an answer or the end of a block, after which it is said at what and on whom a run waits
_TOPIC = "lenscal-blocks"
Say = Callable[[str], None]


class BlockError(RuntimeError):
    """A block of work that failed; the message names it."""


@contextmanager
def client(settings: Cluster) -> Iterator[object]:
    """A Dask client: of a cluster on this machine (worker processes with several threads each, on localhost only, speaking TLS with a
    key made for the run, since others on the machine reach localhost too), or of a running one.

    Raises
    ------
    BlockError
        No scheduler answers at `settings.address`.
    """
    import dask
    from distributed import Client
    from distributed.security import Security

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
        for name in ("distributed", "distributed.client", "distributed.utils", "distributed.core", "distributed.comm"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the end of the scheduler is said once, by `sweep`
        _answers(settings.address)
        try:
            connected = Client(settings.address, timeout=f"{PATIENCE:g}s")
        except (OSError, ValueError) as error:
            raise _no_scheduler(settings.address, str(error)) from None
        try:
            yield connected
        finally:
            with suppress(Exception):  # a scheduler that is gone cannot be taken leave of
                connected.close(timeout=5)
        return
    with dask.config.set(quiet), ExitStack() as started:
        try:
            cluster = started.enter_context(
                _uninterrupted(
                    n_workers=workers,
                    threads_per_worker=threads,
                    host="127.0.0.1",
                    memory_limit=settings.memory_limit,
                    security=Security.temporary(),
                    dashboard_address="127.0.0.1:0",  # of what Dask always serves; None would be port 8787, which another run may have
                    scheduler_kwargs={"dashboard": settings.dashboard},
                    silence_logs=logging.ERROR,
                )
            )
            connected = started.enter_context(Client(cluster))
        except (RuntimeError, OSError) as error:
            raise BlockError(f"the workers on this machine did not start ({error}); what is complete stays complete: run again to go on") from error
        try:
            yield connected
        except BaseException:
            # Questions to the scheduler that are under way when a run is stopped fail or are dropped, and that is no news.
            logging.getLogger("distributed").setLevel(logging.CRITICAL)
            warnings.filterwarnings("ignore", r"coroutine '.*send_recv_from_rpc' was never awaited", RuntimeWarning)
            raise


def _uninterrupted(**settings: object) -> object:
    """A cluster on this machine whose start is not broken off half way, and whose processes leave Ctrl-C to this one.

    A terminal sends Ctrl-C to all of them. The thread that starts them has it blocked, and what it starts inherits that.
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


def _no_scheduler(address: str, why: str) -> BlockError:
    return BlockError(f"no Dask scheduler answers at '{address}' ({why}); start it, or leave cluster.address out")


def _answers(address: str) -> None:
    """Ask who is there, within some time: what is no scheduler may take a connection and never say a word."""
    import asyncio

    from distributed.core import rpc

    async def ask() -> dict:
        async with rpc(address) as there:
            return await there.identity()

    found: Future = Future()

    def run() -> None:
        try:
            found.set_result(asyncio.run(asyncio.wait_for(ask(), PATIENCE)))
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        kind = found.result(timeout=PATIENCE + 5).get("type")
    except TimeoutError:
        raise _no_scheduler(address, f"no answer within {PATIENCE:g} s") from None
    except Exception as error:
        raise _no_scheduler(address, str(error)[:200] or type(error).__name__) from None
    if kind != "Scheduler":
        raise _no_scheduler(address, f"a {kind} is there")


def sweep(
    connected: object,
    work: Callable,
    arguments: Sequence[tuple],
    names: Sequence[str],
    done: Callable[[int, object], None],
    owner: str = "",
    say: Say = lambda text: None,
    timeout: float | None = None,
) -> None:
    """Call `work(*arguments[i])` for every i on the cluster; `done(i, result)` is called here as results come in.

    Results must be small (what is large is written by the task). A task whose worker dies is tried again elsewhere. Calls of the
    same owner that a driver that died left running on a cluster that outlived it are waited for: two would write the same files.
    Where nothing comes to its end for long, `say` is told at what and on whom it waits.

    Raises
    ------
    BlockError
        At the first block that fails, or takes longer than `timeout` seconds; tasks that have not started are cancelled.
    """
    from asyncio import CancelledError

    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    prefix = f"lenscal-{owner}"
    waiting = iter(range(len(arguments)))
    running: dict[str, tuple[int, object]] = {}
    ended: queue.SimpleQueue = queue.SimpleQueue()
    watch = _Watch(connected, names, say, timeout)

    def submit() -> None:
        i = next(waiting, None)
        if i is not None:
            key = f"{prefix}-{uuid.uuid4().hex}"
            future = connected.submit(_begun, watch.topic, i, work, *arguments[i], key=key, pure=False, retries=1, priority=-i)
            running[future.key] = (i, future)
            future.add_done_callback(ended.put)

    try:
        watch.wait_for_others(prefix)
        connected.subscribe_topic(watch.topic, watch.began)
        try:
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
                if future.status == "cancelled":
                    raise ConnectionError
                if future.status != "finished":
                    error = future.exception(timeout=PATIENCE)
                    if isinstance(error, KilledWorker):
                        raise BlockError(
                            f"{names[i]}: {error.allowed_failures + 1} workers died at it, of too little memory or by a fault of their machine; "
                            "what is complete stays complete: run again to go on"
                        ) from error
                    raise BlockError(f"{names[i]}: {error}") from error
                watch.finished(i)
                done(i, future.result(timeout=60))
                future.release()
                submit()
                watch.look()
        finally:
            with suppress(Exception):
                connected.unsubscribe_topic(watch.topic)
    except BlockError:
        raise
    except (Exception, CancelledError) as error:
        # Whatever is raised when the scheduler goes (it differs with the moment), it is no fault of a block.
        if isinstance(error, (ConnectionError, CommClosedError, CancelledError, TimeoutError)) or connected.status != "running":
            raise BlockError("the Dask scheduler is gone; what is complete stays complete: run again to go on") from error
        raise


class _Watch:
    """What a run waits for: which blocks are at work, on whom and since when, and whether that is to be said."""

    def __init__(self, connected: object, names: Sequence[str], say: Say, timeout: float | None) -> None:
        self.topic = f"{_TOPIC}-{uuid.uuid4().hex}"
        self._connected, self._names, self._say, self._timeout = connected, names, say, timeout
        self._begun: dict[int, tuple[float, str]] = {}
        self._longest, self._last = 0.0, time.monotonic()
        self._said: dict[int, float] = {}

    def began(self, event: tuple) -> None:
        """A worker took up a block."""
        _, (i, worker) = event
        self._begun[i] = time.monotonic(), worker

    def finished(self, i: int) -> None:
        """A block came to its end."""
        self._last = now = time.monotonic()
        self._longest = max(self._longest, now - self._begun.pop(i, (now, ""))[0])
        self._said.clear()

    def look(self) -> None:
        """Say what has not ended for long; stop what has not for too long, and what was asked to stop."""
        stopping.check()
        now = time.monotonic()
        for i, (since, worker) in sorted(self._begun.items()):
            age = now - since
            if self._timeout is not None and age > self._timeout:
                raise BlockError(
                    f"{self._names[i]}: not at its end after {age:.0f} s on {worker} (cluster.block_timeout is {self._timeout:g}); its disk, its service or "
                    "the worker may stand still: mend that and run again to go on"
                )
            if age > self._next(i):
                so_far = f"; the longest that ended took {self._longest:.0f} s" if self._longest else ""
                self._tell(i, age, f"waits for {self._names[i]}, at work for {age:.0f} s on {worker}{so_far}")
        if not self._begun and (age := now - self._last) > self._next(-1):
            self._tell(-1, age, self._nobody(age))

    def _next(self, what: int) -> float:
        """Age of something that is to be said next: longer each time."""
        return self._said.get(what, max(PATIENCE, 3 * self._longest))

    def _tell(self, what: int, age: float, text: str) -> None:
        self._said[what] = 2 * age
        self._say(text)

    def _nobody(self, age: float) -> str:
        address = self._connected.scheduler.address
        try:
            workers = self.threads()
        except TimeoutError:
            return f"waits for the scheduler at {address}, which does not answer"
        if not workers:
            return f"waits for workers: none is at {address}; start some (dask worker {address})"
        return f"waits for a worker to take up a block, for {age:.0f} s; at {address} are {_few(workers)}: they may stand still, or be at work for others"

    def threads(self) -> dict[str, int]:
        """Threads of each worker, as the scheduler knows them."""
        return self._connected.sync(self._connected.scheduler.ncores, callback_timeout=PATIENCE / 3)

    def wait_for_others(self, prefix: str) -> None:
        """Until no call of this prefix is at work that nobody waits for any more."""
        began = time.monotonic()
        while True:
            silent, left = [], 0
            for worker in self.threads():
                try:
                    left += sum(self._connected.sync(self._connected._run, _at_work, prefix, workers=[worker], callback_timeout=PATIENCE / 3).values())
                except TimeoutError:
                    silent.append(worker)
            if not left and not silent:
                self._last = time.monotonic()
                return
            stopping.check()
            age = time.monotonic() - began
            if age > self._next(-1):
                self._tell(-1, age, f"waits for {_few(silent)} to answer" if silent else f"waits for {left} blocks that an earlier run left at work")
            if self._timeout is not None and age > self._timeout:
                raise BlockError(f"{_few(silent)} did not answer within {age:.0f} s (cluster.block_timeout is {self._timeout:g}); end it and run again" if silent
                                 else f"{left} blocks that an earlier run left at work did not end within {age:.0f} s; end its workers and run again")  # fmt: skip
            time.sleep(0.1)


def _few(workers: Sequence[str]) -> str:
    """Workers by address, the first three."""
    names = sorted(workers)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _begun(topic: str, i: int, work: Callable, *arguments: object) -> object:
    """On a worker: a call, once the driver was told that it is taken up."""
    from distributed import get_worker

    with suppress(Exception):  # only those who wait would know less
        worker = get_worker()
        worker.log_event(topic, [i, worker.address])
    return work(*arguments)


def _at_work(prefix: str, dask_worker: object = None) -> int:
    """On a worker: calls of this prefix that run, whether anyone still waits for them or not."""
    return sum(str(task.key).startswith(prefix) for task in dask_worker.state.executing)
