"""A cluster that runs already, by the address of its scheduler."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from lenscal.clusters.cluster import quiet
from lenscal.clusters.connecting import connect
from lenscal.engine import events
from lenscal.engine.errors import BlockError


@dataclass(frozen=True)
class Running:
    """Workers of a scheduler at an address; they see the same paths as this machine."""

    address: str

    @contextmanager
    def client(self) -> Iterator[Any]:
        """See `Cluster.client`."""
        import dask

        before = {
            "scheduler": dask.config.get("scheduler", None)
        }  # a client that does not connect, or close, leaves its own
        # The end of the scheduler is said once, by the run.
        with (
            quiet("distributed", "distributed.client", "distributed.utils", "distributed.core", "distributed.comm"),
            dask.config.set(before),
        ):
            _answers(self.address)
            try:
                connected = connect(self.address, timeout=f"{events.PATIENCE:g}s")
            except (OSError, ValueError) as error:
                raise _no_scheduler(self.address, str(error)) from None
            try:
                yield connected
            finally:
                with suppress(Exception):  # a scheduler that is gone cannot be told that nobody asks any more
                    connected.close(timeout=5)


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
            found.set_result(asyncio.run(asyncio.wait_for(ask(), events.PATIENCE)))
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        kind = found.result(timeout=events.PATIENCE + 5).get("type")
    except TimeoutError:
        raise _no_scheduler(address, f"no answer within {events.PATIENCE:g} s") from None
    except Exception as error:
        raise _no_scheduler(address, str(error)[:200] or type(error).__name__) from None
    if kind != "Scheduler":
        raise _no_scheduler(address, f"a {kind} is there")
