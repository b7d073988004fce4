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
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def check() -> None:
    """Raise KeyboardInterrupt when a stop was asked for."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _stop(*_: object) -> None:
    _asked.set()
    raise KeyboardInterrupt


def _unraisable(what: object) -> None:
    if not issubclass(what.exc_type, KeyboardInterrupt):  # that one is raised again by `check`
        sys.__unraisablehook__(what)
