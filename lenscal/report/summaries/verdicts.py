"""Tables of gates, of rows in and out, and of where the run came from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.gates import FAIL, NOT_JUDGED
from lenscal.report.inputs import Inputs

from .summary import range, summary


@summary("gates", "Gates")
def gates(inputs: Inputs) -> pd.DataFrame:
    table = inputs.gates.copy()
    table["limits"] = [range(a, b, "≥ ", "≤ ") for a, b in zip(table["minimum"], table["maximum"])]
    table["interval"] = [range(a, b, "", "to ") for a, b in zip(table["lower"], table["upper"])]
    table["evidence"] = np.where(
        table["verdict"] == NOT_JUDGED, "cannot be judged: " + table["cannot"].astype(str), table["evidence"]
    )
    open_ = np.where(table["verdict"] == NOT_JUDGED, 2, 3)
    order = np.where(table["verdict"] != FAIL, open_, np.where(table["critical"].astype(bool), 0, 1))
    columns = ["verdict", "id", "claim", "measure", "value", "limits", "interval", "critical", "evidence"]
    if not table["interval"].any():
        columns.remove("interval")
    return table.iloc[np.argsort(order, kind="stable")][columns].reset_index(drop=True)


@summary("ledgers", "Rows in, out, and dropped by reason")
def ledgers(inputs: Inputs) -> pd.DataFrame:
    rows = []
    for stage, ledger in inputs.ledgers.items():
        reasons_ = dict(ledger.dropped) or {"": 0}
        for i, (reason, dropped) in enumerate(reasons_.items()):
            first = (
                {"stage": stage, "rows_in": ledger.rows_in, "rows_out": ledger.rows_out, "unaccounted": ledger.missing}
                if i == 0
                else {"stage": stage}
            )
            rows.append({**first, "reason": reason, "dropped": int(dropped)})
    columns = ["stage", "rows_in", "rows_out", "reason", "dropped", "unaccounted"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(("rows_in", "rows_out", "dropped", "unaccounted"), "Int64"))


@summary("run", "Origin")
def origin(inputs: Inputs) -> pd.DataFrame:
    rows = [{"what": name.replace("_", " "), "found": str(value)} for name, value in inputs.attrs.items()]
    return pd.DataFrame([*rows, {"what": "schema version", "found": str(schema.VERSION)}])
