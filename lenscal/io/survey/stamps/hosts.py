"""How many stamps of the host sets can carry an injection, and what would make hosts of the others."""

from __future__ import annotations

from lenscal.gates import Gate, Ledger, absent
from lenscal.io.survey.stamps.observing import WHAT_TO_GIVE

SHARE_MIN = 0.5
"""Share of the stamps of host sets below which a gate fails."""
_ID, _CLAIM = "stamps.hosts", "most stamps of the host sets can carry an injection"


def said(ledger: Ledger) -> str:
    """How many cannot, why, and what to give; empty where all can."""
    if not ledger.dropped:
        return ""
    reasons = ", ".join(
        f"{count:,} {reason}" for reason, count in sorted(ledger.dropped.items(), key=lambda one: -one[1])
    )
    advice = [give for kind, give in WHAT_TO_GIVE.items() if any(reason.startswith(kind) for reason in ledger.dropped)]
    return f"{ledger.rows_in - ledger.rows_out:,} of {ledger.rows_in:,} cannot: {reasons}; " + "; ".join(advice)


def host_gates(ledger: Ledger) -> list[Gate]:
    """Whether enough of them can; `ledger` has the stamps of the host sets, those that cannot by reason."""
    if not ledger.rows_in:
        return [absent(_ID, _CLAIM, "no set of the run is one of hosts")]
    why = said(ledger)
    measure = f"share of {ledger.rows_in:,} stamps ({why})" if why else f"share of {ledger.rows_in:,} stamps"
    return [Gate(_ID, _CLAIM, measure, ledger.rows_out / ledger.rows_in, minimum=SHARE_MIN, evidence=why or "all can")]
