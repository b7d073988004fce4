"""What a cluster is, and how Dask is kept from saying a second time what a run says."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Cluster(Protocol):
    """Workers of Dask, started or found."""

    def client(self) -> AbstractContextManager[Any]:
        """A client of its scheduler (`distributed.Client`), as long as the context lasts; what
        was started ends with it.

        Raises
        ------
        BlockError
            Nobody answers, or the workers do not start.
        """


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """What ends a run is raised, and said once: Dask's own words about it are left out, those of
    some loggers altogether.
    """
    logging.getLogger("distributed").setLevel(logging.ERROR)
    for name in ("tornado.application", "asyncio", *loggers):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    except BaseException:
        hush()
        raise


def hush() -> None:
    """Questions to the scheduler that are under way when a run is stopped fail or are dropped, and that is no news."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", r"coroutine '.*send_recv_from_rpc' was never awaited", RuntimeWarning)
