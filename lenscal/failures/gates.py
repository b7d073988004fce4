"""Gates of the failures."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import xarray as xr
from scipy.stats import betabinom

from lenscal import schema
from lenscal.gates import Gate, absent
from lenscal.kernels import intervals

from .rates import CONSISTENT, _negatives, _thresholds


def gates(scores: xr.Dataset, thresholds: xr.Dataset, table: pd.DataFrame) -> list[Gate]:
    """What must hold of the false positives.

    Parameters
    ----------
    scores : Dataset (galaxy)
        As `schema.SCORES_CUTOUTS`.
    thresholds : Dataset (threshold)
        With n_false and n_negatives.
    table : DataFrame
        As from `false_positives` on the split test.
    """
    schema.SCORES_CUTOUTS.check(scores)
    negatives = _negatives(scores, "test")
    return [_class_gate(negatives, thresholds, table), *_rate_gates(len(negatives), thresholds, table)]


def _class_gate(negatives: pd.DataFrame, thresholds: xr.Dataset, table: pd.DataFrame) -> Gate:
    claim = "every confuser class among the negatives of the test split has its count"
    present = {
        name: int((negatives["confuser"].to_numpy() >> bit & 1).sum()) for bit, name in enumerate(schema.CONFUSERS)
    }
    present = {name: rows for name, rows in present.items() if rows}
    if not present:
        return absent(
            "failures.classes",
            claim,
            f"none of the {len(negatives)} scored negatives of the split test is of a confuser class",
        )
    counted = table[table["group"] == "confuser"]
    wrong = 0
    for name, rows in present.items():
        own = counted[counted["value"] == name]
        sound = (own["n"] == rows) & (own["k"] >= 0) & (own["k"] <= own["n"])
        wrong += int(len(own) != thresholds.sizes["threshold"] or not sound.all())
    return Gate(
        "failures.classes",
        claim,
        "classes without",
        wrong,
        maximum=0,
        critical=True,
        evidence="false_positives where group = 'confuser'; "
        + ", ".join(f"{name} {rows}" for name, rows in present.items()),
    )


def _rate_gates(size: int, thresholds: xr.Dataset, table: pd.DataFrame) -> Iterator[Gate]:
    overall = table[table["group"] == "all"].reset_index(drop=True)
    for i, (_, rate) in enumerate(_thresholds(thresholds)):
        id_ = "failures.rate" if thresholds.sizes["threshold"] == 1 else f"failures.rate.{i + 1}"
        claim = f"negatives of the test split reach the threshold as often as those that set it (rate {rate:.3g})"
        if not size:
            yield absent(id_, claim, "the split test holds no scored negative")
            continue
        row = overall.loc[i]
        false, negatives = int(thresholds["n_false"][i]), int(thresholds["n_negatives"][i])
        yield Gate(
            id_,
            claim,
            "two-sided probability of so many or few false positives",
            _probability(int(row["k"]), int(row["n"]), false, negatives),
            minimum=CONSISTENT,
            lower=float(row["lower_95"]),
            upper=float(row["upper_95"]),
            evidence=(
                f"test: {row['k']} of {row['n']}, rate {row['rate']:.3g} ({row['lower_95']:.2g} to "
                f"{row['upper_95']:.2g} at 95 %); val: {false} of {negatives}; beta-binomial "
                "prediction from a threshold set there"
            ),
        )


def _probability(k: int, n: int, false: int, negatives: int) -> float:
    """Twice the smaller tail of k in the prediction for n from another sample, whose `false`-th
    highest is the threshold.
    """
    prediction = betabinom(n, *(float(x) for x in intervals.above_order_statistic(false, negatives)))
    return float(min(1.0, 2 * min(prediction.cdf(k), prediction.sf(k - 1))))
