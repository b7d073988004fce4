"""A stop that cannot get lost: Python raises the KeyboardInterrupt of a signal wherever it is, also where nobody hears
it (a finaliser, a callback).
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_asked = threading.Event()
_because: list[BaseException] = []


@contextmanager
def heard() -> Iterator[None]:
    """SIGINT (Ctrl-C) and SIGTERM, by which batch systems end what they run, raise KeyboardInterrupt and
    are remembered for `check`.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is _stop:
        yield
        return
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable
    try:
        yield
    finally:
        _asked.clear()
        _because.clear()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def check() -> None:
    """Raise KeyboardInterrupt when a stop was asked for, or the error for which another thread has one stopped."""
    if _asked.is_set():
        raise KeyboardInterrupt
    if _because:
        raise _because.pop()


def because(error: BaseException) -> None:
    """Have the run raise an error at its next block: what another thread found (a lease that was lost, a budget spent)
    is no news to the one that works.
    """
    _because[:] = [error]


def forget(error: BaseException) -> None:
    """Take back an error that was not yet raised: what it speaks of is over."""
    if error in _because:
        _because.remove(error)


def _stop(*_: object) -> None:
    _asked.set()
    raise KeyboardInterrupt


def _unraisable(what: object) -> None:
    if not issubclass(what.exc_type, KeyboardInterrupt):  # that one is raised again by `check`
        sys.__unraisablehook__(what)
