"""`lenscal detector`: what a detector is, and whether it holds to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals

app = typer.Typer(help="Look at a detector before it is audited.", no_args_is_help=True)


@app.command("describe")
def describe(
    artifact: Annotated[
        str,
        typer.Argument(
            help=(
                "file.py:function, module:function, .pt, .safetensors, .onnx, .pt2, a table of scores, a folder of a "
                "frozen detector, or a run file."
            )
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Load a detector, hold it to what a detector is (the probe), and print what it is shown and
    what its hash is made of.

    What it expects is read from the YAML file of its name beside it. A run file names its detector by
    `detector.artifact`.
    """
    with refusals():
        import json

        from rich.console import Console
        from rich.table import Table

        from lenscal import detector
        from lenscal.cli.refusal import settings_of

        given = None
        if artifact.endswith((".yaml", ".yml")):
            settings = settings_of(Path(artifact)).detector
            artifact, given = settings.artifact or "", settings.declaration
            if not artifact:
                from lenscal.errors import InputError

                raise InputError(
                    "detector: the run file trains its own; after the run its folder "
                    "`<stores>/detector` can be described"
                )
        found = detector.bring(artifact, given)
        about = {"hash": found.hash, "bands": list(found.bands), "size": found.size, **getattr(found, "about", {})}
        about = {name: value for name, value in about.items() if not name.startswith("training_")}
        if as_json:
            typer.echo(json.dumps(about, sort_keys=True, indent=1))
            return
        table = Table(box=None, show_header=False)
        for _ in range(3):
            table.add_column(overflow="fold")
        for name, value in about.items():
            for key, one in value.items() if isinstance(value, dict) else [("", value)]:
                table.add_row(name, key, _said(one))
                name = ""
        Console().print(table)


def _said(value: object) -> str:
    from rich.markup import escape

    if isinstance(value, float):
        return f"{value:.4g}"
    return escape(", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))
