"""What a run on EC2 needs and costs, before anything is started; a run refuses what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lenscal.audit import costs
from lenscal.audit.surveys import survey_of
from lenscal.config import Settings

if TYPE_CHECKING:
    from lenscal.clusters.ec2.checks import Row


@dataclass(frozen=True)
class Preflight:
    """Rows of all that was looked for, and what the run is expected to cost."""

    rows: list[Row]
    costs: list[costs.Cost]

    @property
    def dollars(self) -> float:
        return sum(cost.dollars for cost in self.costs)

    @property
    def missing(self) -> list[Row]:
        return [row for row in self.rows if row.verdict == "missing"]


def preflight(settings: Settings) -> Preflight:
    """Look for all that a run on EC2 needs.

    Parameters
    ----------
    settings : Settings
        With `cluster.ec2`.
    """
    from lenscal.clusters.ec2.checks import Account

    account = Account(settings.cluster.ec2, str(settings.stores), costs.block_gb(settings))
    rows = [*account.rows(), *_inputs(settings)]
    if any(row.what == "machine types" and row.verdict == "missing" for row in rows):
        return Preflight(rows, [])  # what they cost is not known
    expected, seen = _expected(settings)
    return Preflight([*rows, _budget(settings, expected, seen)], expected)


def refuse(settings: Settings) -> None:
    """Raise what is missing.

    Raises
    ------
    ClusterError
        Each thing by name, with what was found and the fix.
    """
    from lenscal.clusters.ec2 import ClusterError

    missing = preflight(settings).missing
    if missing:
        told = "; ".join(f"{row.what}: {row.found}: {row.fix}" for row in missing)
        raise ClusterError(f"machines in EC2 are not started: {told} (lenscal preflight shows all)")


def _inputs(settings: Settings) -> list[Row]:
    """Whether machines see what their blocks read: an address, or a folder that they share."""
    from lenscal.clusters.ec2.checks import MISSING, OK, Row

    rows = []
    shared = settings.cluster.ec2.shared_folders
    stamps = settings.injections.source_stamps
    fix = "put it into the bucket (s3://...), or set cluster.ec2.shared_folders where the image mounts it there too"
    for what, place in {"survey on machines": settings.survey.root, "sources on machines": stamps}.items():
        if place is not None:
            seen = "://" in str(place) or shared
            rows.append(Row(what, OK if seen else MISSING, str(place), "" if seen else fix))
    artifact = settings.detector.artifact
    if artifact is not None and ":" in artifact and not shared:
        rows.append(
            Row(
                "detector on machines",
                MISSING,
                f"'{artifact}' is Python that the machines do not have",
                "bring it as TorchScript or ONNX, or set cluster.ec2.shared_folders where the image has it",
            )
        )
    return rows


def _expected(settings: Settings) -> tuple[list[costs.Cost], str]:
    """What each stage is expected to cost, and of how much work."""
    from lenscal.clusters.ec2 import prices

    ec2 = settings.cluster.ec2
    kind = prices.type_of(ec2.instance_types[0], ec2.region)
    machine = prices.hourly(kind.name, ec2.region, ec2.spot) + prices.beside(ec2)
    scheduler = prices.hourly(ec2.scheduler_type, ec2.region, False) + prices.beside(ec2)
    most = ec2.workers[1]
    rates = costs.Rates(most * kind.cores, most * machine, scheduler + ec2.workers[0] * machine)
    files = _sweeps(settings)
    work = costs.work_of(settings, files)
    seen = (
        f"{work.rows:,.0f} rows, {work.cutouts:,.0f} cutouts, {work.trials:,.0f} trials, "
        f"{costs.stored_gb(work):,.0f} GB of stores"
    )
    return costs.expected(work, rates), seen


def _sweeps(settings: Settings) -> int | None:
    """Sweep files of the survey; those of all DR10 where they cannot be listed."""
    from lenscal.io import sweeps

    if not survey_of(settings).has_catalogue:
        return None
    try:
        return len(sweeps.sweep_files(settings.survey.root, settings.survey.sweeps, settings.survey.region))
    except (sweeps.SweepError, OSError):
        return costs.table()["sizes"]["sweeps"]


def _budget(settings: Settings, expected: list[costs.Cost], seen: str) -> Row:
    from lenscal.clusters.ec2.checks import MISSING, OK, Row

    dollars, budget = sum(cost.dollars for cost in expected), settings.cluster.budget_dollars
    told = f"about {dollars:,.2f} dollars for {seen}"
    if budget is None:
        return Row("cost", OK, f"{told}; no cluster.budget_dollars")
    told = f"{told}; {budget:,.2f} allowed"
    if dollars <= budget:
        return Row("cost", OK, told)
    return Row("cost", MISSING, told, f"raise cluster.budget_dollars above {dollars:,.2f}, or ask for less")
