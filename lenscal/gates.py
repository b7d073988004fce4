"""A gate: a claim, its measure, its limits, its verdict. A ledger: rows in, rows out, rows dropped by reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

import pandas as pd

from lenscal.errors import InputError

PASS, FAIL, ABSENT, NOT_JUDGED = "pass", "fail", "not applicable", "not judged"
"""Verdicts. A claim that does not apply to a run is absent; one that applies but that its data cannot settle is not
judged, which is no pass.
"""


@dataclass(frozen=True)
class Gate:
    """One row of the gates table; `evidence` is the query that made the value, `cannot` why
    the value settles nothing.
    """

    id: str
    claim: str
    measure: str
    value: float
    minimum: float | None = None
    maximum: float | None = None
    lower: float | None = None
    upper: float | None = None
    critical: bool = False
    evidence: str = ""
    verdict: str = field(default="")
    cannot: str = ""
    requirement: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "minimum", "maximum", "lower", "upper"):  # as JSON has them: no NaN, infinities as text
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, float(getattr(self, name)))
        if self.value is None:
            object.__setattr__(self, "value", math.nan)
        if not self.verdict:
            verdict = PASS if self._holds() else FAIL
            object.__setattr__(self, "verdict", NOT_JUDGED if self.cannot else verdict)

    def _holds(self) -> bool:
        if self.minimum is None and self.maximum is None:
            raise InputError(f"gate {self.id} has no limit, so it could not fail")
        value = float(self.value)
        if math.isnan(value):
            return False
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)


def absent(id: str, claim: str, why: str) -> Gate:
    """A gate that this run gives no ground to judge, with the reason in `evidence`."""
    return Gate(id, claim, "", math.nan, evidence=why, verdict=ABSENT)


def reason(gate: Gate) -> str:
    """What stands beside a verdict: why it cannot be judged, else the evidence."""
    return f"cannot be judged: {gate.cannot}" if gate.verdict == NOT_JUDGED else gate.evidence


def table(gates: Iterable[Gate]) -> pd.DataFrame:
    """One row per gate, in the order given."""
    names = list(Gate.__dataclass_fields__)
    return pd.DataFrame([asdict(gate) for gate in gates], columns=names)


def words(counts: Mapping[str, object]) -> str:
    """Counts by name as a reader would say them, the largest first, ties by name."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return ", ".join(f"{name} {value:,}" for name, value in ordered) or "none"


@dataclass(frozen=True)
class Ledger:
    """Rows of one step: in, out, and dropped by reason. Ledgers of disjoint inputs add."""

    rows_in: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Ledger) -> Ledger:
        reasons = sorted({*self.dropped, *other.dropped})  # the order does not follow that of the parts
        dropped = {reason: self.dropped.get(reason, 0) + other.dropped.get(reason, 0) for reason in reasons}
        return Ledger(self.rows_in + other.rows_in, self.rows_out + other.rows_out, dropped)

    @property
    def missing(self) -> int:
        """Rows that vanished without a reason (negative: rows that appeared)."""
        return self.rows_in - self.rows_out - sum(self.dropped.values())

    def gate(self, stage: str) -> Gate:
        """Row conservation of a stage."""
        return Gate(
            f"rows.{stage}",
            f"{stage}: rows in = rows out + rows dropped by reason",
            "rows without account",
            abs(self.missing),
            maximum=0,
            critical=True,
            evidence=f"{self.rows_in:,} in, {self.rows_out:,} out"
            + (f"; dropped: {words(self.dropped)}" if self.dropped else ""),
        )
