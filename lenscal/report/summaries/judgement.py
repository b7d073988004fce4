"""Tables of the judgement of scores."""

from __future__ import annotations

from functools import partial

import pandas as pd

from lenscal.report.inputs import Inputs

from .summary import SUMMARIES, Summary

_TITLES = {
    "measures": "How good the scores are, split test",
    "curves": "ROC and precision-recall curve, split test",
    "recall": "Known lenses held out of training that reach the threshold, by tier",
    "strata": "Calibration by stratum, split test",
    "bins": "Bins of the calibration",
    "risk": "Risk at each coverage",
    "calibrators": "Ways from scores to probabilities, fitted on the split val, compared on the split test",
    "shortcuts": "Classifiers that see one part of the image alone",
    "counterfactuals": "The same injections with something taken away or put elsewhere",
    "nuisance": "Rank correlation of the score of negatives with nuisance",
    "channels": "Held-out lenses of imaging searches beside those of other channels",
    "recapture": "Selection channels in pairs: whether they depend, and how many lenses there would be",
}


def _judged(inputs: Inputs, name: str) -> pd.DataFrame | None:
    """A table of the judgement; the column of reasons is left out where it has none."""
    table = None if inputs.judgement is None else inputs.judgement[name]
    if table is None or "why_not" not in table or (table["why_not"] != "").any():
        return table
    return table.drop(columns="why_not")


SUMMARIES |= {
    f"judged_{name}": Summary(partial(_judged, name=name), f"judgement/{name}", title)
    for name, title in _TITLES.items()
}
