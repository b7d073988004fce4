"""A client of a scheduler, or none: what did not connect leaves nothing behind."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def connect(address: str, **settings: Any) -> Any:
    """A `distributed.Client` of the scheduler at an address.

    One that does not connect is closed at once. Left to the garbage collector, it could end while the next one starts,
    and wait for ever for the lock that the next one holds (`LoopRunner` of distributed 2026.8).

    Raises
    ------
    OSError, ValueError, TypeError
        As from `distributed.Client`.
    """
    from distributed import Client

    made = Client.__new__(Client)
    try:
        made.__init__(address, **settings)
    except BaseException:
        with suppress(Exception):
            made.close(timeout=5)
        raise
    return made
