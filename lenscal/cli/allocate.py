"""`lenscal allocate`: the trials that a cube still needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of


def allocate(
    runfile: Annotated[Path, typer.Argument(help="Run file of a finished run.")],
    next_: Annotated[Path, typer.Argument(metavar="NEXT", help="Run file to write, beside that one.")],
    half_width: Annotated[
        float, typer.Option(help="Half of the width that the 68.27 % interval of every cell should have.")
    ],
    budget: Annotated[int | None, typer.Option(help="Trials of the next run at most; widest intervals first.")] = None,
    so_far: Annotated[
        Path | None, typer.Option(help="Folder that `lenscal add` wrote, with all trials so far; the run's by default.")
    ] = None,
) -> None:
    """Write the run file of the trials that are still needed: more where the interval is widest, none where it is
    narrow enough.

    Its trials go on where the others end, and everything before them is taken over. Run it, add it to what there is
    (`lenscal add`), and allocate again until nothing is left. Each trial depends on seed, cell and number alone, so any
    order of runs comes to the same cube.
    """
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit import Run
        from lenscal.audit.adding import Summand
        from lenscal.audit.allocating import allocate as do

        run = Run(settings)
        known = Summand.of_sum(so_far) if so_far else Summand.of_run(run)
        plan, done = do(runfile, run, known, next_, half_width, budget)
        many = int(plan["needed"].isin([float("inf")]).sum())
        if many:
            typer.echo(f"{many:,} cells need more hosts, not more trials: no number of them would do")
        blind = int(((plan["injected"] > 0) & plan["half_width"].isna() & (plan["trials"] == 0)).sum())
        if blind:
            typer.echo(
                f"{blind:,} cells have no interval, since the hosts of their trials are too few to tell one; give "
                "every cell more trials, each on a host of its own (injections.trials), or coarser cells"
            )
        if not plan["trials"].any():
            typer.echo(f"no cell {'with an interval ' if blind else ''}needs a trial; nothing is written")
            return
        typer.echo(
            f"{int(plan['trials'].sum()):,} trials in {int((plan['trials'] > 0).sum()):,} of {len(plan):,} cells, "
            f"after {int(plan['injected'].sum()):,}; aims at +-{plan.attrs['expected']:.3f}"
        )
        typer.echo(f"taken over: {', '.join(done)}")
        typer.echo(f"next: lenscal run {next_}; lenscal add {so_far or runfile} {next_} SUM")
