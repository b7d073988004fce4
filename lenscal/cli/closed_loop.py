"""`lenscal closed-loop`: hold what a run says against skies whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of

OUTSIDE = 3


def closed_loop(
    runfile: Annotated[
        Path, typer.Argument(help="Run file of a finished run on an embedded sky, such as pipelines/small.yaml.")
    ],
    lenses: Annotated[int, typer.Option(help="True lenses of each sky.", min=1)] = 800,
    seed: Annotated[
        int, typer.Option(help="Of the first sky; each further one has the next number. Never the run's own.", min=0)
    ] = 1,
    skies: Annotated[int, typer.Option(help="Skies.", min=1)] = 1,
    workers: Annotated[int, typer.Option(help="Processes that draw a sky.", min=1)] = 2,
) -> None:
    """Predict from the trials of a run how its detector recovers the true lenses of skies that it has not seen.

    The skies are drawn, and their lenses are scored with the frozen detector. The population of the true lenses is used
    for the prediction, their scores are not. Written to `<stores>/closed-loop/`: closed-loop.json, a table of bins and
    one of lenses, a figure. `naive` is the cube read at each lens.

    Exit code: 0 the truth lies inside the total 95 % interval, 3 it does not or the trials cannot speak of these
    lenses, 1 refused.
    """
    settings = settings_of(runfile)
    with refusals():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from lenscal import mock
        from lenscal.audit import Run, closed_loop

        console, place = Console(), Run(settings)
        seeds = list(range(seed, seed + skies))
        closed_loop.refuse(place, seeds)
        wanted = [closed_loop.settings_of_sky(settings, number, lenses) for number in seeds]
        with Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        ) as bar:
            for sky in wanted:
                if not mock.is_current(sky):
                    task = bar.add_task(f"drawing the sky of seed {sky.seed}", total=None)
                    mock.draw(
                        sky, 1.0, lambda done, total, task=task: bar.update(task, completed=done, total=total), workers
                    )
        with console.status("") as status:
            summary, tables = closed_loop.close(place, wanted, status.update)
        folder = closed_loop.write(place, summary, tables)
        console.print(_table(summary))
        console.print(_sentence(summary), highlight=False)
        console.print(f"written to {folder}", highlight=False, soft_wrap=True)
        if summary["verdict"] != "GO":
            raise typer.Exit(OUTSIDE)


def _table(summary: dict) -> object:
    from rich.table import Table

    table = Table(
        "axis",
        "from",
        "to",
        "lenses",
        "found",
        "predicted",
        "68 %",
        "95 %",
        "cube (survey)",
        "cube (lens-like)",
        box=None,
    )
    shown = lambda value: "-" if value is None else f"{value:.3f}"  # noqa: E731
    for row in [{"axis": "all", "low": None, "high": None, **summary["overall"]}, *summary["bins"]]:
        span = [f"{shown(row[f'lower_{level}'])} to {shown(row[f'upper_{level}'])}" for level in ("68", "95")]
        ends = ["" if row[end] is None else f"{row[end]:g}" for end in ("low", "high")]
        table.add_row(
            row["axis"],
            *ends,
            str(row["n"]),
            shown(row["observed"]),
            shown(row["predicted"]),
            *span,
            shown(row["naive"]),
            shown(row.get("naive_lens_like")),
        )
    return table


def _sentence(summary: dict) -> str:
    overall = summary["overall"]
    if summary["refused"]:
        return (
            f"NO-GO: {summary['refused']}. Of {overall['n']} true lenses {100 * overall['observed']:.1f} % are found."
        )
    inside = summary["inside"]
    return (
        f"{summary['verdict']}: of {overall['n']} true lenses {100 * overall['observed']:.1f} % are found, "
        f"{100 * overall['predicted']:.1f} % are predicted ({100 * overall['lower_95']:.1f} to "
        f"{100 * overall['upper_95']:.1f} % at 95 %); {inside['68']['inside']} and {inside['95']['inside']} of "
        f"{inside['95']['bins']} bins hold the truth at 68 and 95 %. {summary['trials_used']} of {summary['trials']} "
        f"trials are like these lenses and worth {overall['n_eff']:.0f} draws of them."
    )
