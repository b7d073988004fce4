"""What `lenscal preflight` says of machines in EC2, as tables and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from lenscal.cli.refusal import refusals

if TYPE_CHECKING:
    from lenscal.audit.costs import Cost
    from lenscal.config import Settings

Rows = list[tuple[str, str, str, str]]


def added(settings: Settings, rows: Rows) -> list[Cost]:
    """The costs of a run whose workers are machines in EC2, whose rows are added; none of another."""
    if settings.cluster.ec2 is None:
        return []
    with refusals():
        from lenscal.audit import cluster_checks

        found = cluster_checks.preflight(settings)
        rows += [(row.what, row.verdict, row.found, row.fix) for row in found.rows]
        return found.costs


def show(costs: list[Cost]) -> None:
    """Print what a run is expected to take and cost."""
    if not costs:
        return
    from lenscal.audit.costs import table as measured
    from lenscal.clusters.ec2 import prices

    table = Table("stage", "core-hours", "hours", "dollars", "measured with", box=None)
    for cost in costs:
        table.add_row(cost.stage, f"{cost.core_hours:,.1f}", f"{cost.hours:,.2f}", f"{cost.dollars:,.2f}", cost.by)
    totals = [sum(getattr(cost, name) for cost in costs) for name in ("core_hours", "hours", "dollars")]
    table.add_row("all", f"{totals[0]:,.1f}", f"{totals[1]:,.2f}", f"{totals[2]:,.2f}", "")
    console = Console()
    console.print(table)
    console.print(
        f"prices of {prices.as_of()} ({prices.TABLE.name}), costs of a unit measured by {measured()['measured']}",
        highlight=False,
    )


def printed(rows: Rows, costs: list[Cost]) -> None:
    """Print rows and costs as JSON."""
    names = ("input", "verdict", "found", "fix")
    told = {"rows": [dict(zip(names, row)) for row in rows], "costs": [asdict(cost) for cost in costs]}
    if costs:
        from lenscal.clusters.ec2 import prices

        told |= {"prices_as_of": str(prices.as_of()), "dollars": round(sum(cost.dollars for cost in costs), 2)}
    typer.echo(json.dumps(told, indent=1))
