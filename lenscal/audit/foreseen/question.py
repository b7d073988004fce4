"""One question to the inputs of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """What is looked for, who looks, and what to do where it is not as expected."""

    about: str
    """A name for the row of a table."""
    ask: Callable[[], str]
    """What was found, in words; raises a `LenscalError` with what a run would say where it cannot go on."""
    fix: str
    """What to do then."""
