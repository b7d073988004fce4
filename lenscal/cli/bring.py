"""`lenscal bring`: a run file that audits another detector on the trials of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of


def bring(
    runfile: Annotated[Path, typer.Argument(help="Run file of a finished run, such as pipelines/small.yaml.")],
    artifact: Annotated[
        str,
        typer.Argument(
            help=(
                "The detector: file.py:function, module:function, .pt, .safetensors, .onnx, .pt2, or a table of scores."
            )
        ),
    ],
    name: Annotated[str, typer.Option(help="Of the new run file and its folder of stores.")] = "",
) -> None:
    """Write a run file beside RUNFILE that audits another detector on the same trials; what is done before
    the detector is taken over.

    The detector is probed first, so that what is none is refused here. Then: `lenscal run` the new file,
    `lenscal compare` both.
    """
    settings = settings_of(runfile)
    with refusals():
        from lenscal import detector
        from lenscal.audit import Run
        from lenscal.audit.another import another

        found = detector.bring(artifact)
        path, done = another(runfile, Run(settings), artifact, name)
        typer.echo(f"detector {found.hash[:12]}: {found!r}")
        typer.echo(f"run file: {path}; taken over: {', '.join(done) or 'nothing, no stage is complete'}")
        typer.echo(f"next: lenscal run {path}, then lenscal compare {runfile} {path}")
