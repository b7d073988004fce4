"""`lenscal experiments`: why true lenses and trials differ, what the detector looks at, and what a cure moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of

if TYPE_CHECKING:
    from rich.console import Console

    from lenscal.config import Settings


def experiments(
    runfile: Annotated[
        Path,
        typer.Argument(
            help="Run file of a finished run, such as pipelines/small.yaml; arms and fix need an embedded sky."
        ),
    ],
    what: Annotated[str, typer.Option(help="Which, with commas between: arms, causal, fix.")] = "arms,causal,fix",
    lenses: Annotated[int, typer.Option(help="True lenses (arms, fix) and trials (causal) at most.", min=1)] = 160,
    seed: Annotated[
        int, typer.Option(help="Of the sky whose true lenses are looked at. Never the run's own.", min=0)
    ] = 1,
    sky: Annotated[
        int,
        typer.Option(
            help=(
                "True lenses that the sky is drawn with; that of `lenscal closed-loop` of this seed "
                "is used where it has as many."
            ),
            min=1,
        ),
    ] = 800,
    injected: Annotated[int, typer.Option(help="Injected positives of the fix.", min=1)] = 240,
    per_cell: Annotated[int, typer.Option(help="Trials of each cell that the fix scores again.", min=1)] = 40,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of the fix; those of the run file by default.", min=1)
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that draw a sky.", min=1)] = 2,
) -> None:
    """Experiments on a finished run, pair by pair: the same lenses, trials and seeds with one thing changed.

    `arms`: true lenses of a sky that the run has not seen, with host, brightness, colours, offset, size and mass as
    trials have them, every subset; shares of the gap. `causal`: trials without arc, without host, with another host,
    another colour, blurred, clipped. `fix`: the baseline trained again with arcs in ordinary galaxies of the training
    sky. Written to `<stores>/experiments/`.
    """
    settings = settings_of(runfile)
    with refusals():
        from rich.console import Console

        from lenscal.audit import Run
        from lenscal.audit import experiments as run

        console, place = Console(), Run(settings)
        wanted = {name.strip() for name in what.split(",") if name.strip()}
        run.refuse(place, wanted, seed)
        skies = run.skies(settings, wanted, seed, sky)
        _drawn(skies, seed, workers, console)
        results = {}
        with console.status("") as status:
            if "arms" in wanted:
                results["arms"] = run.arms(place, skies["arcs"], skies["bare"], lenses, status.update)
            if "causal" in wanted:
                results["causal"] = run.causal(place, lenses, status.update)
            if "fix" in wanted:
                results["fix"] = run.fix(place, skies["arcs"], lenses, injected, per_cell, epochs, status.update)
        asked = {"lenses": lenses, "seed": seed, "sky": sky, "injected": injected}
        asked |= {"per_cell": per_cell, "epochs": epochs}
        folder = run.write(place, results, asked)
        for name, (summary, tables) in results.items():
            for table in _SHOWN[name](summary, tables):
                console.print(table)
            console.print(_SENTENCES[name](summary), highlight=False)
        console.print(f"written to {folder}", highlight=False, soft_wrap=True)


def _drawn(skies: dict[str, Settings], seed: int, workers: int, console: Console) -> None:
    """Draw the skies that are not there, or not as they are asked for."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lenscal import mock

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as bar:
        for name, one in skies.items():
            if mock.is_current(one):
                continue
            arcs = "with" if name == "arcs" else "without"
            task = bar.add_task(f"drawing the sky of seed {seed} ({arcs} arcs)", total=None)
            mock.draw(one, 1.0, lambda done, total, task=task: bar.update(task, completed=done, total=total), workers)


_PAIRED = ("n", "before", "after", "change", "95 %", "lost", "won", "mid-p")


def _number(value: float) -> str:
    return "-" if value is None or value != value else f"{value:.3f}"


def _pair(row: dict, prefix: str = "") -> list[str]:
    get = lambda name: row[f"{prefix}{name}"]  # noqa: E731
    if get("pairs") != get("pairs"):
        return ["-"] * len(_PAIRED)
    span = f"{_number(get('from_95'))} to {_number(get('to_95'))}"
    return [
        str(int(get("pairs"))),
        *(_number(get(n)) for n in ("base", "changed", "change")),
        span,
        str(int(get("lost"))),
        str(int(get("won"))),
        f"{get('mid_p'):.2g}",
    ]


def _arms(summary: dict, tables: dict) -> list[object]:
    from rich.table import Table

    shares = Table(
        "factor",
        "share",
        "95 %",
        "part of the gap",
        *_PAIRED,
        box=None,
        title="shares of the gap; each factor alone changed from the truth",
    )
    for row in tables["arms"].to_dict("records"):
        shares.add_row(
            row["factor"],
            _number(row["share"]),
            f"{_number(row['from_95'])} to {_number(row['to_95'])}",
            _number(row["part"]),
            *_pair(row, "first_"),
        )
    singles = Table("kind", "change of the true lenses", *_PAIRED, box=None)
    for row in tables["arms_singles"].to_dict("records"):
        singles.add_row(row["kind"], row["name"], *_pair(row))
    return [shares, singles]


def _causal(summary: dict, tables: dict) -> list[object]:
    from rich.table import Table

    table = Table("hosts", "kind", "change", *_PAIRED, box=None)
    for row in tables["causal"].to_dict("records"):
        table.add_row(
            row["hosts"],
            row["kind"],
            row["name"] if not row["why_not"] else f"{row['name']} ({row['why_not']})",
            *_pair(row),
        )
    return [table]


def _fix(summary: dict, tables: dict) -> list[object]:
    from rich.table import Table

    table = Table("what", *_PAIRED, box=None)
    table.add_row("all trials", *_pair(summary["overall"]))
    for row in tables["fix_theta_e"].to_dict("records"):
        table.add_row(f"trials at theta_E {row['theta_e']:g}", *_pair(row))
    table.add_row("true lenses", *_pair(summary["lenses"]))
    for row in tables["fix_negatives"].to_dict("records"):
        table.add_row(f"negatives called lenses, {row['split']} {row['pool']}", *_pair(row))
    return [table]


_SHOWN = {"arms": _arms, "causal": _causal, "fix": _fix}
_SENTENCES = {
    "arms": lambda s: (
        f"Of {s['n']} true lenses {100 * s['own']:.1f} % are found as observed, {100 * s['engine']:.1f} % made by our "
        f"engine with all true values, {100 * s['trials']:.1f} % made as trials are: the shares sum to "
        f"{100 * s['gap']:.1f} points."
    ),
    "causal": lambda s: (
        f"{s['trials']} trials, {s['lens_like']} of them in lens-like hosts. Without an arc the detector calls a lens: "
        + "; ".join(f"{name} {100 * share:.1f} %" for name, share in s["called_lenses_without_arc"].items())
        + "."
    ),
    "fix": lambda s: (
        f"With {s['training']['injected_arc_seen']} arcs in ordinary galaxies the baseline finds "
        f"{100 * s['overall']['changed']:.1f} % of the trials ({100 * s['overall']['base']:.1f} % before) and "
        f"{100 * s['lenses']['changed']:.1f} % of the true lenses ({100 * s['lenses']['base']:.1f} % before)."
    ),
}
