"""A criterion of realism: its measure, its limits, and GO, NO-GO or not judged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from lenscal.gates import ABSENT, FAIL, PASS, Gate

GO, NO_GO, NOT_JUDGED = "GO", "NO-GO", "not judged"


@dataclass(frozen=True)
class Criterion:
    """One row of the verdict. A criterion without a number, or without a reason to judge, is never GO."""

    id: str
    requirement: str
    claim: str
    measure: str
    value: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    minimum: float = math.nan
    maximum: float = math.nan
    why: str = ""
    cannot: str = ""

    @property
    def verdict(self) -> str:
        if self.cannot:
            return NOT_JUDGED
        inside = not self.value < self.minimum and not self.value > self.maximum  # NaN limits do not bind
        return GO if inside and not math.isnan(self.value) else NO_GO


def table(criteria: Iterable[Criterion]) -> pd.DataFrame:
    """One row per criterion, in the order given, the overall verdict last."""
    criteria = list(criteria)
    rows = [{**asdict(c), "verdict": c.verdict, "why": f"cannot be judged: {c.cannot}" if c.cannot else c.why} for c in criteria]
    verdicts = [row["verdict"] for row in rows]
    whole = NO_GO if NO_GO in verdicts else NOT_JUDGED if NOT_JUDGED in verdicts or not verdicts else GO
    count = {v: verdicts.count(v) for v in (GO, NO_GO, NOT_JUDGED)}
    rows.append({
        "id": "realism", "requirement": "3D.8", "claim": "every criterion is GO", "measure": "criteria that are not GO",
        "value": float(len(verdicts) - count[GO]), "maximum": 0.0, "verdict": whole,
        "why": f"{count[GO]} GO, {count[NO_GO]} NO-GO, {count[NOT_JUDGED]} not judged",
    })  # fmt: skip
    columns = ["id", "verdict", "requirement", "claim", "measure", "value", "lower", "upper", "minimum", "maximum", "why"]
    return pd.DataFrame(rows, columns=columns)


def gates(criteria: pd.DataFrame) -> list[Gate]:
    """The criteria as gates of the run; none is critical: the run ends, and says NO-GO.

    What cannot be judged does not apply, with the reason; the gate of the whole fails unless every criterion is GO.
    """
    out = []
    for row in criteria.to_dict("records"):
        limits = {k: None if math.isnan(row[k]) else float(row[k]) for k in ("minimum", "maximum", "lower", "upper")}
        whole = row["id"] == "realism"
        verdict = {GO: PASS, NO_GO: FAIL, NOT_JUDGED: FAIL if whole else ABSENT}[row["verdict"]]
        name = "realism" if whole else f"realism.{row['id']}"
        out.append(Gate(name, f"realism: {row['claim']}", row["measure"], float(row["value"]), evidence=row["why"], verdict=verdict, **limits))
    out.append(_cross_check(criteria))
    return out


def _cross_check(criteria: pd.DataFrame) -> Gate:
    """Requirement X.5, as one row: the three ratios of the arcs' signal-to-noise ratio."""
    rows = criteria[criteria["id"].str.startswith("snr_")]
    claim = "injection SNR matches anchors"
    if (rows["verdict"] == NOT_JUDGED).any() or rows.empty:
        return Gate("X.5", claim, "", math.nan, evidence="; ".join(dict.fromkeys(rows["why"])) or "no ratio was measured", verdict=ABSENT)
    ratios = ", ".join(f"{v:.2f}" for v in rows["value"])
    return Gate("X.5", claim, "ratios at 10, 50 and 90 % inside the limits", int((rows["verdict"] == GO).sum()), minimum=len(rows), evidence=f"ratios {ratios}")


def too_few(counts: Sequence[tuple[int, str]], wanted: int) -> str:
    """Why a criterion cannot be judged; empty when every count is enough."""
    return "; ".join(f"{n} {what}, {wanted} needed" for n, what in counts if n < wanted)
