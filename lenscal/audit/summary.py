"""What a run made, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lenscal.gates import ABSENT, NOT_JUDGED, PASS, Gate

if TYPE_CHECKING:
    from rich.console import Console

    from lenscal.config import Settings
    from lenscal.engine import Result


def print_summary(result: Result, settings: Settings, console: Console) -> None:
    """What was made, where, how long it took, and which gates failed."""
    from rich.markup import escape
    from rich.table import Table

    rows = Table("stage", "", "blocks", "rows", "seconds", box=None)
    for stage in result.stages:
        rows.add_row(stage.name, stage.state, str(stage.blocks), f"{stage.rows:,}", f"{stage.seconds:.1f}")
    console.print(rows)
    memory = ", ".join(f"{name} {value:.1f} GB" for name, value in result.memory.items())
    console.print(f"{result.seconds:.1f} s; peak memory: {memory}", highlight=False)
    gates = result.gates
    failed = result.failed
    console.print(
        f"gates: {sum(g.verdict == PASS for g in gates)} pass, {len(failed)} fail, "
        f"{sum(g.verdict == NOT_JUDGED for g in gates)} not judged, "
        f"{sum(g.verdict == ABSENT for g in gates)} not applicable",
        highlight=False,
    )
    for gate in failed:
        mark = "[bold red]critical[/]" if gate.critical else "[yellow]failed[/]"
        console.print(
            f"  {mark} {escape(f'{gate.id}: {gate.claim}; {gate.measure} {gate.value:.4g}, limits {_limits(gate)}')}",
            highlight=False,
        )
    if settings.survey.mock:
        console.print("made from the embedded (mock) sky: it says nothing about the real one")
    if any(stage.name == "report" for stage in result.stages):
        console.print(
            f"report: {settings.stores / 'report' / 'index.html'}", highlight=False, soft_wrap=True, markup=False
        )
    console.print(f"stores: {settings.stores}", highlight=False, soft_wrap=True, markup=False)


def _limits(gate: Gate) -> str:
    low = "" if gate.minimum is None else f"{gate.minimum:g} <= "
    high = "" if gate.maximum is None else f" <= {gate.maximum:g}"
    return f"{low}value{high}"
