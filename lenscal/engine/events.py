"""What happens in a run, as its listeners hear it: terminal, log and memory are such, and
whoever else wants to know.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

PATIENCE = 30.0
"""Seconds without an answer or the end of a block, after which it is said at what and on whom a run waits."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a stage."""

    stage: str


@dataclass(frozen=True)
class Skipped(Event):
    """A stage was complete already."""

    blocks: int


@dataclass(frozen=True)
class Started(Event):
    """A stage begins; some of its blocks may be complete already."""

    blocks: int
    complete: int


@dataclass(frozen=True)
class BlockEnded(Event):
    """A block is complete; `blocks` of its stage are."""

    rows: int
    blocks: int


@dataclass(frozen=True)
class Noted(Event):
    """A remark on a stage, said at once."""

    text: str


@dataclass(frozen=True)
class Counted(Event):
    """What is known of a stage so far: said with the progress of its blocks."""

    text: str


@dataclass(frozen=True)
class Waiting(Event):
    """What a stage waits for, so that silence is not taken for work; said in a quiet run as well."""

    text: str


@dataclass(frozen=True)
class Finished(Event):
    """A stage is complete."""

    seconds: float
    rows: int


@dataclass(frozen=True)
class Told(Event):
    """A remark of the executor, such as what its machines have cost so far; of no stage."""

    text: str


@dataclass(frozen=True)
class Served(Event):
    """Where the executor can be watched; of no stage."""

    link: str


Listener = Callable[[Event], None]


class Events:
    """Tells every listener, in order."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self._listeners, self._spoke = tuple(listeners), time.monotonic()

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Counted):
            self._spoke = time.monotonic()
        for listener in self._listeners:
            listener(event)

    @contextmanager
    def watching(self, stage: str, what: str) -> Iterator[None]:
        """Say after some seconds without any other word, and again after twice as many, that something is still
        at work in this process.
        """
        ended, since = threading.Event(), time.monotonic()

        def tell() -> None:
            wait = PATIENCE
            while not ended.wait(wait):
                if time.monotonic() - self._spoke >= wait:
                    self(Waiting(stage, f"{what} is at work for {time.monotonic() - since:.0f} s, in this process"))
                    wait *= 2

        threading.Thread(target=tell, daemon=True).start()
        try:
            yield
        finally:
            ended.set()
