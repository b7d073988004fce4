"""What is asked of every sweep file of a run: a checksum of the survey, rows that can be used, and some that are."""

from __future__ import annotations

from collections.abc import Mapping

from lenscal.audit.products import Run
from lenscal.engine import Outcome
from lenscal.gates import Gate, absent, words

from .published import UNCHECKED, checksum_gate


def file_gates(run: Run, outcomes: Mapping[str, Outcome]) -> list[Gate]:
    """Whether every sweep file was held against a checksum of the survey, and whether each left a row;
    `outcomes` by name of the file.
    """
    bare = sorted(name for name, outcome in outcomes.items() if outcome.sources[name].split(" ")[0] == UNCHECKED)
    rows_in = {name: outcome.ledger.rows_in for name, outcome in sorted(outcomes.items())}
    lost = {name: rows_in[name] - outcomes[name].ledger.rows_out for name in rows_in}
    elsewhere = {name: _elsewhere(outcome) for name, outcome in outcomes.items()}  # beyond its region: no loss
    lost = {name: rows - elsewhere[name] for name, rows in lost.items()}
    empty = [name for name in rows_in if rows_in[name] == lost[name] and not elsewhere[name]]
    most = max(lost, key=lost.get, default="")
    told = f"{len(rows_in)} files" + (
        f"; most rows dropped: {lost[most]:,} of the {rows_in[most]:,} of {most}"
        if any(lost.values())
        else ", no row dropped"
    )
    told += f"; the first without a row: {empty[0]} ({rows_in[empty[0]]:,} in)" if empty else ""
    return [
        checksum_gate(run, len(outcomes), bare),
        _usable_gate(run, outcomes),
        Gate(
            "objects.files",
            "every sweep file leaves survey objects",
            "files without one",
            len(empty),
            maximum=0,
            evidence=f"{told}; all in objects/files.parquet",
        ),
    ]


def _elsewhere(outcome: Outcome) -> int:
    """Rows of a sweep that the survey takes from the other region."""
    from lenscal.objects import ELSEWHERE

    return sum(rows for reason, rows in outcome.ledger.dropped.items() if reason.startswith(ELSEWHERE))


_FAULTS = ("position", "RA outside", "Dec outside", "key out of range", "type unknown")


def _usable_gate(run: Run, outcomes: Mapping[str, Outcome]) -> Gate:
    """Whether nearly every row of every sweep file can be used; rows that are not primary or twice
    are no faults of a file.
    """
    id_, claim = (
        "objects.usable",
        "nearly every row of every sweep file has a position, a key, a type and a transmission",
    )
    shares = {}
    for name, outcome in sorted(outcomes.items()):
        lost = sum(rows for reason, rows in outcome.ledger.dropped.items() if reason.startswith(_FAULTS)) + (
            outcome.summary or {}
        ).get("no_transmission", 0)
        if outcome.ledger.rows_in:
            shares[name] = 1 - lost / outcome.ledger.rows_in
    if not shares:
        return absent(id_, claim, "no sweep file has a row")
    worst = min(shares, key=shares.get)
    dropped, opaque = outcomes[worst].ledger.dropped, (outcomes[worst].summary or {}).get("no_transmission", 0)
    return Gate(
        id_,
        claim,
        "smallest share of the rows of a file that can be used",
        shares[worst],
        minimum=run.settings.objects.usable_min,
        critical=True,
        evidence=(
            f"{worst}: {outcomes[worst].ledger.rows_in:,} in, dropped: {words(dropped)}; {opaque:,} with an "
            "MW_TRANSMISSION outside (0, 1], so without colours"
        ),
    )
