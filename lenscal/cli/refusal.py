"""How a command ends when it cannot go on: one sentence, and an exit code that is not 0."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from lenscal.config import ConfigError, Settings, load

ERROR = 1
GATES = 2
STOPPED = 130


def settings_of(path: Path) -> Settings:
    """Settings of a run file, or the end of the command."""
    with refusals():
        return load(path)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn the errors that lenscal foresees into one sentence; others keep their traceback. LENSCAL_DEBUG=1 keeps all."""
    from lenscal.io.cluster import BlockError
    from lenscal.io.stores import StoreError
    from lenscal.run.plan import PlanError
    from lenscal.schema import SchemaError

    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; what is complete stays complete: run the same command again to go on")
        raise typer.Exit(STOPPED) from None
    except (ConfigError, StoreError, PlanError, SchemaError, BlockError, ValueError, OSError) as error:
        if os.environ.get("LENSCAL_DEBUG"):
            raise
        text = str(error) or type(error).__name__
        Console(stderr=True).print(f"[bold red]error[/]: {_escaped(text)}", soft_wrap=True, highlight=False)
        raise typer.Exit(ERROR) from None


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
