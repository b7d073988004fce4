"""The command line: one file per command."""

from __future__ import annotations

from typing import Annotated

import typer

import lenscal
from lenscal.cli import (
    add,
    allocate,
    bring,
    calibrate_cuts,
    calibrate_prior,
    catalog,
    closed_loop,
    cluster,
    compare,
    conditions,
    detector,
    experiments,
    explore,
    export,
    history,
    map,
    mock,
    preflight,
    prior_of_models,
    query,
    release,
    run,
    status,
    verify,
)

app = typer.Typer(
    name="lenscal",
    help=(
        "Audit a strong-lens detector: what it misses, what fools it, and how sure we are.\n\n"
        "A run file (pipelines/*.yaml) says everything; `lenscal run FILE` does it and can be "
        "stopped and run again at any time."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lenscal {lenscal.__version__}")
        raise typer.Exit


@app.callback()
def _whole(
    version: Annotated[
        bool, typer.Option("--version", help="Say which release this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


app.command("mock")(mock.mock)
app.command("preflight")(preflight.preflight)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("verify")(verify.verify)
app.command("query")(query.query)
app.command("calibrate-cuts")(calibrate_cuts.calibrate_cuts)
app.command("calibrate-prior")(calibrate_prior.calibrate_prior)
app.command("prior-of-models")(prior_of_models.prior_of_models)
app.command("conditions")(conditions.conditions)
app.command("closed-loop")(closed_loop.closed_loop)
app.command("experiments")(experiments.experiments)
app.command("catalog")(catalog.catalog)
app.command("bring")(bring.bring)
app.command("export")(export.export)
app.command("compare")(compare.compare)
app.command("map")(map.map_)
app.command("add")(add.add)
app.command("allocate")(allocate.allocate)
app.command("release")(release.release)
app.command("explore")(explore.explore)
app.command("history")(history.history)
app.command("restore")(history.restore)
app.add_typer(detector.app, name="detector")
app.add_typer(cluster.app, name="cluster")
