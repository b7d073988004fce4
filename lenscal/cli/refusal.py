"""How a command ends when it cannot go on: one sentence, and an exit code that is not 0."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from lenscal.errors import LenscalError

if TYPE_CHECKING:
    from lenscal.config import Settings

ERROR = 1
GATES = 2
ASIDE = 3
STOPPED = 130
LONGEST, LINES = 1500, 60
"""Letters of a line and lines of a message that are printed."""


def settings_of(path: Path) -> Settings:
    """Settings of a run file, or the end of the command."""
    with refusals():
        from lenscal.config import load

        return load(path)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what lenscal refuses, and what a disk or the network refuses, into one sentence; anything else is a fault,
    and keeps its traceback.

    LENSCAL_DEBUG=1 keeps all. SIGTERM, by which batch systems end what they run, ends a command as Ctrl-C does.
    """
    from lenscal.io import stopping

    try:
        with stopping.heard():
            yield
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; what is complete stays complete: run the same command again to go on")
        raise typer.Exit(STOPPED) from None
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(STOPPED) from None
    except (LenscalError, OSError) as error:
        if os.environ.get("LENSCAL_DEBUG") or not _foreseen(error):
            raise
        text = str(error) or type(error).__name__
        Console(stderr=True).print(f"[bold red]error[/]: {_escaped(text)}", soft_wrap=True, highlight=False)
        raise typer.Exit(_code(error)) from None


def _code(error: BaseException) -> int:
    from lenscal.engine.errors import SetAside

    return ASIDE if isinstance(error, SetAside) else ERROR


def _foreseen(error: BaseException) -> bool:
    """Whether an error says what is wrong with what was given; that of a block does when its cause does."""
    from lenscal.engine.errors import BlockError, SetAside

    return (
        not isinstance(error, BlockError)
        or isinstance(error, SetAside)
        or error.__cause__ is None
        or isinstance(error.__cause__, (LenscalError, OSError, RuntimeError))
    )


def _escaped(text: str) -> str:
    """Text that may come from a file: no markup, no control characters (a terminal obeys them), long lines cut."""
    from rich.markup import escape

    lines = (
        line if len(line) <= LONGEST else f"{line[: LONGEST - 300]} ... {line[-300:]}"
        for line in text.split("\n")[:LINES]
    )
    return escape(
        "\n".join("".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in line) for line in lines)
    )
