"""The criteria of realism: gates whose verdicts are called GO, NO-GO and not judged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from lenscal.gates import FAIL, NOT_JUDGED, PASS, Gate, absent, reason

GO, NO_GO = "GO", "NO-GO"
WORDS = {PASS: GO, FAIL: NO_GO, NOT_JUDGED: NOT_JUDGED}
"""What the verdict of a gate is called here."""
PREFIX, SAID = "realism.", "realism: "
"""Before the id and the claim of a criterion, where it is a gate of the run."""
COLUMNS = ["id", "verdict", "requirement", "claim", "measure", "value", "lower", "upper", "minimum", "maximum", "why"]


def criterion(
    id: str,
    requirement: str,
    claim: str,
    measure: str,
    value: float = math.nan,
    ends: tuple[float | None, float | None] = (None, None),
    minimum: float | None = None,
    maximum: float | None = None,
    why: str = "",
    cannot: str = "",
) -> Gate:
    """One criterion. Without a number, or without a reason to judge, it is never GO; none is critical: the
    run ends, and says NO-GO. `ends` are those of the value's interval.
    """
    lower, upper = (None if end is None or math.isnan(end) else float(end) for end in ends)
    return Gate(
        id,
        claim,
        measure,
        float(value),
        minimum,
        maximum,
        lower,
        upper,
        evidence=why,
        cannot=cannot,
        requirement=requirement,
    )


def whole(criteria: Sequence[Gate]) -> Gate:
    """The verdict of all: NO-GO when one is, not judged when one is not and none fails."""
    count = {word: sum(WORDS[c.verdict] == word for c in criteria) for word in WORDS.values()}
    said = ", ".join(f"{n} {word}" for word, n in count.items())
    open_ = not criteria or (count[NOT_JUDGED] and not count[NO_GO])
    return criterion(
        "realism",
        "3D.8",
        "every criterion is GO",
        "criteria that are not GO",
        len(criteria) - count[GO],
        maximum=0.0,
        why=said,
        cannot=said if open_ else "",
    )


def table(criteria: Iterable[Gate]) -> pd.DataFrame:
    """One row per criterion, in the order given, the overall verdict last."""
    criteria = list(criteria)
    rows = []
    for c in (*criteria, whole(criteria)):
        limits = {
            name: math.nan if getattr(c, name) is None else float(getattr(c, name))
            for name in ("lower", "upper", "minimum", "maximum")
        }
        rows.append(
            {
                "id": c.id,
                "verdict": WORDS[c.verdict],
                "requirement": c.requirement,
                "claim": c.claim,
                "measure": c.measure,
                "value": c.value,
                **limits,
                "why": reason(c),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def gates(criteria: Sequence[Gate]) -> list[Gate]:
    """The criteria as gates of the run, the one of the whole last, and the cross-check X.5."""
    criteria = list(criteria)
    named = [replace(c, id=f"{PREFIX}{c.id}", claim=f"{SAID}{c.claim}") for c in criteria]
    return [
        *named,
        replace(whole(criteria), claim="realism: every criterion is GO"),
        _cross_check([c for c in criteria if c.id.startswith("snr_")]),
    ]


def of_gates(found: Iterable[Gate]) -> list[Gate]:
    """The criteria that stand behind gates of `gates`, in their order; other gates are left out."""
    named = [gate for gate in found if gate.id.startswith(PREFIX)]
    return [replace(g, id=g.id.removeprefix(PREFIX), claim=g.claim.removeprefix(SAID)) for g in named]


def _cross_check(ratios: Sequence[Gate]) -> Gate:
    """Requirement X.5, as one row: the three ratios of the arcs' signal-to-noise ratio."""
    claim, measure = "injection SNR matches anchors", "ratios at 10, 50 and 90 % inside the limits"
    if not ratios:
        return absent("X.5", claim, "no ratio was measured")
    passed = sum(c.verdict == PASS for c in ratios)
    cannot = (
        "" if any(c.verdict == FAIL for c in ratios) else "; ".join(dict.fromkeys(c.cannot for c in ratios if c.cannot))
    )
    evidence = "ratios " + ", ".join(f"{c.value:.2f}" for c in ratios)
    return Gate("X.5", claim, measure, passed, minimum=len(ratios), evidence=evidence, cannot=cannot, requirement="X.5")


def too_few(counts: Sequence[tuple[int, str]], wanted: int) -> str:
    """Why a criterion cannot be judged; empty when every count is enough."""
    return "; ".join(f"{n} {what}, {wanted} needed" for n, what in counts if n < wanted)
